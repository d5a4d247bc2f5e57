// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Keeps processes in the filter whose children are watched, too, and marks them: a task of theirs has storage for BPF,
 * of which the task itself tells, so that others are turned away without a look at any table. An object of its own: the
 * kernel has such maps since 5.11, and lets tracing programs use them since 5.12; before, follow.bpf.c does it.
 *
 * Each thread is marked, not only the first: one that executes a program takes the place of the first.
 */
#include "follow.bpf.h"

struct bpf_iter__task {
	void *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u8);
} marks SEC(".maps");

static __always_inline bool mark(struct task_struct *task)
{
	if (bpf_task_storage_get(&marks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return true;
	count(COUNTER_FILTER_FULL);
	return false;
}

/* Of what is watched from the start. */
SEC("iter/task")
int mark_watched(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && filter_holds(FILTER_PID, (u32)task->tgid))
		mark(task);
	return 0;
}

/* A child or a thread, before it runs. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(fork_marked, struct task_struct *parent, struct task_struct *child)
{
	if (!typed_task_is_marked(parent) || !filter_holds(FILTER_PID, (u32)parent->tgid))
		return 0;
	if (mark(child) && child->tgid != parent->tgid)
		put(FILTER_PID, (u32)child->tgid, WATCHED);
	return 0;
}

/* As in follow.bpf.c. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(free_marked, struct task_struct *task)
{
	if (task->bpf_storage && task->pid == task->tgid)
		take_out(FILTER_PID, (u32)task->tgid);
	return 0;
}
