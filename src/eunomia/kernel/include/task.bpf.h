/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Tasks by the numbers that programs know them by. */
#ifndef __TASK_BPF_H
#define __TASK_BPF_H

#include "eunomia.bpf.h"

#define PIDTYPE_PID 0		/* include/linux/pid.h */
#define RADIX_DEPTH 6		/* levels of a tree of 32-bit indices, */
#define RADIX_BITS 6		/* 64 slots each: include/linux/xarray.h */
#define RADIX_LEAST_NODE 4096UL /* below it an entry is a value of the tree's own */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node___task {
	struct hlist_node___task *next, **pprev;
};

struct hlist_head___task {
	struct hlist_node___task *first;
};

struct pid___task {
	struct hlist_head___task tasks[4]; /* by enum pid_type */
	struct upid numbers[1];
};

struct task_struct___links {
	struct hlist_node___task pid_links[4]; /* by enum pid_type */
};

struct xa_node___task {
	unsigned char shift;
	void *slots[64];
};

struct xarray___task {
	void *xa_head;
};

struct idr___task {
	struct xarray___task idr_rt;
};

struct pid_namespace___task {
	struct idr___task idr;
};

#pragma clang attribute pop

/* What a radix tree holds at an index; NULL for nothing. */
static __always_inline void *radix_find(u64 entry, u32 index)
{
	bool top = true;

#pragma clang loop unroll(full)
	for (int step = 0; step < RADIX_DEPTH; step++) {
		struct xa_node___task *node = (void *)(entry & ~3ULL);
		u32 shift, slot;

		if ((entry & 3) != 2 || entry < RADIX_LEAST_NODE) /* xa_is_node() */
			break;
		shift = BPF_CORE_READ(node, shift) & 31;
		if (top && (u64)index >> shift >> RADIX_BITS)
			return 0;
		top = false;
		slot = index >> shift & 63;
		if (bpf_probe_read_kernel(&entry, sizeof(entry),
					  (void *)node + bpf_core_field_offset(struct xa_node___task, slots) +
						  slot * sizeof(entry)))
			return 0;
	}
	/* A tree of nothing but index 0 is that entry itself. */
	return entry & 3 || (top && index) ? 0 : (void *)entry;
}

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
	struct pid *pid = radix_find((u64)BPF_CORE_READ(namespace, idr.idr_rt.xa_head), number);

	return pid ? task_of_pid(pid) : 0;
}

#endif
