// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs that do nothing, on the hooks of `eunomia run process -p PID --children`: what any tool pays there. */
#include "eunomia.bpf.h"

SEC("tp_btf/sched_process_exec")
int BPF_PROG(empty_exec, struct task_struct *task)
{
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(empty_exit, struct task_struct *task)
{
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(empty_fork, struct task_struct *parent, struct task_struct *child)
{
	return 0;
}

SEC("tp_btf/sched_process_free")
int BPF_PROG(empty_free, struct task_struct *task)
{
	return 0;
}
