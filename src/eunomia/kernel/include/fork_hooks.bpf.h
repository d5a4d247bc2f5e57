/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The programs that see a task forked. Whoever includes this has on_fork(struct task_struct *child) before; the parent
 * is the current task.
 */
#ifndef __FORK_HOOKS_BPF_H
#define __FORK_HOOKS_BPF_H

#include "eunomia.bpf.h"

SEC("tp_btf/sched_process_fork")
int BPF_PROG(fork_btf, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(child);
}

SEC("raw_tp/sched_process_fork")
int BPF_PROG(fork_raw, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(child);
}

#endif
