// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Keeps the filter true while the machine changes: children of watched processes, cgroups below watched ones, new
 * cgroups of which user space has yet to say whether they are meant, pids that have come free.
 */
#include "follow.bpf.h"

const volatile int hierarchy_id DOC("the hierarchy whose ids the filter holds: each numbers its cgroups by itself") = 0;
const volatile bool undecided_cgroups DOC("whether new cgroups pass until user space has decided") = false;

/* The parent is the current task. */
static __always_inline int on_fork(struct task_struct *child)
{
	if (filter_find(FILTER_PID, bpf_get_current_pid_tgid() >> 32))
		put(FILTER_PID, BPF_CORE_READ(child, tgid), WATCHED);
	return 0;
}

#include "fork_hooks.bpf.h"

/*
 * Later than any exit event, so no tracker's program sees this process again. The pid has been free for a grace period
 * by now; pids are handed out in turn, so it is not in use again.
 */
static __always_inline int on_free(pid_t pid, pid_t tgid)
{
	if (pid == tgid)
		take_out(FILTER_PID, tgid);
	return 0;
}

SEC("tp_btf/sched_process_free")
int BPF_PROG(free_btf, struct task_struct *task)
{
	return on_free(task->pid, task->tgid);
}

SEC("raw_tp/sched_process_free")
int BPF_PROG(free_raw, struct task_struct *task)
{
	return on_free(BPF_CORE_READ(task, pid), BPF_CORE_READ(task, tgid));
}

/* When it is gone another cgroup may get its address: what was noted of that is over. */
static __always_inline void forget_stranger(struct cgroup *cgroup)
{
	u64 *note = stranger_note(cgroup);

	if (*note == (u64)cgroup)
		*note = 0;
}

static __always_inline int on_mkdir(struct cgroup *cgroup)
{
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	u8 *state;

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != hierarchy_id)
		return 0;
	forget_stranger(cgroup); /* nobody can be in it before this */
	state = filter_find(FILTER_CGROUP, BPF_CORE_READ(cgroup, self.parent, cgroup, kn, id));
	if (state)
		put(FILTER_CGROUP, id, *state);
	else if (undecided_cgroups)
		put(FILTER_CGROUP, id, UNDECIDED);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(mkdir_btf, struct cgroup *cgroup)
{
	return on_mkdir(cgroup);
}

SEC("raw_tp/cgroup_mkdir")
int BPF_PROG(mkdir_raw, struct cgroup *cgroup)
{
	return on_mkdir(cgroup);
}

static __always_inline int on_release(struct cgroup *cgroup)
{
	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != hierarchy_id)
		return 0;
	forget_stranger(cgroup);
	take_out(FILTER_CGROUP, BPF_CORE_READ(cgroup, kn, id));
	return 0;
}

SEC("tp_btf/cgroup_release")
int BPF_PROG(release_btf, struct cgroup *cgroup)
{
	return on_release(cgroup);
}

SEC("raw_tp/cgroup_release")
int BPF_PROG(release_raw, struct cgroup *cgroup)
{
	return on_release(cgroup);
}
