// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Keeps the filter true while the machine changes: children of watched processes, cgroups below watched ones, new
 * cgroups of which user space has yet to say whether they are meant, pids that have come free.
 */
#include "eunomia.bpf.h"

enum {
	WATCHED = 1,
	UNDECIDED = 2, /* passes for now; user space confirms it or takes it out */
};

const volatile int hierarchy_id DOC("the hierarchy whose ids the filter holds: each numbers its cgroups by itself") = 0;
const volatile bool undecided_cgroups DOC("whether new cgroups pass until user space has decided") = false;

/* The programs' half of a value's slot; both architectures have the low half first. */
static __always_inline void count_value(u64 value, s32 change)
{
	s32 *slot = (s32 *)filter_slot(value);

	if (slot)
		__sync_fetch_and_add(slot, change);
}

static __always_inline void put(u64 kind, u64 value, u8 state)
{
	struct filter_key key = {.kind = kind, .value = value};

	count_value(value, 1);
	if (!bpf_map_update_elem(&filter, &key, &state, BPF_NOEXIST))
		return;
	count_value(value, -1);
	if (!bpf_map_lookup_elem(&filter, &key))
		count(COUNTER_FILTER_FULL);
}

static __always_inline void take_out(u64 kind, u64 value)
{
	struct filter_key key = {.kind = kind, .value = value};

	/* Looking first takes no lock, and nearly everything that goes is none of ours. */
	if (filter_find(kind, value) && !bpf_map_delete_elem(&filter, &key))
		count_value(value, -1);
}

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

static __always_inline int on_mkdir(struct cgroup *cgroup)
{
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	u8 *state;

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != hierarchy_id)
		return 0;
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
	if (BPF_CORE_READ(cgroup, root, hierarchy_id) == hierarchy_id)
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
