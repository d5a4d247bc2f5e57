/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Tasks by the numbers that programs know them by. */
#ifndef __TASK_BPF_H
#define __TASK_BPF_H

#include "radix.bpf.h"

#define PIDTYPE_PID 0 /* include/linux/pid.h */
#define PID_DEPTH 4   /* 22 bits at most: PID_MAX_LIMIT */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node___task {
	struct hlist_node___task *next, **pprev;
};

struct hlist_head___task {
	struct hlist_node___task *first;
};

struct pid___task {
	struct hlist_head___task tasks[4]; /* by enum pid_type */
};

struct task_struct___links {
	struct hlist_node___task pid_links[4]; /* by enum pid_type */
};

struct pid_namespace___task {
	struct idr idr;
};

#pragma clang attribute pop

/* The thread that the kernel's note of a number stands for; NULL when it has ended. */
static __always_inline struct task_struct *task_of_pid(struct pid *noted)
{
	struct pid___task *pid = (void *)noted;
	void *first = BPF_CORE_READ(pid, tasks[PIDTYPE_PID].first);

	/* PIDTYPE_PID is the first of the links. */
	return first ? first - bpf_core_field_offset(struct task_struct___links, pid_links) : 0;
}

/* A thread by its number in the current process's PID namespace. */
static __always_inline struct task_struct *task_by_number(u32 number)
{
	struct pid_namespace___task *namespace = (void *)task_pid_namespace(current_task());
	struct pid *pid = radix_find(BPF_CORE_READ(namespace, idr.idr_rt.xa_head), number, PID_DEPTH);

	return pid ? task_of_pid(pid) : 0;
}

#endif
