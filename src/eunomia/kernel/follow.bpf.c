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

static __always_inline void put(u64 kind, u64 value, u8 state)
{
	struct filter_key key = {.kind = kind, .value = value};

	if (bpf_map_update_elem(&filter, &key, &state, BPF_NOEXIST) && !bpf_map_lookup_elem(&filter, &key))
		count(COUNTER_FILTER_FULL);
}

static __always_inline int on_fork(struct task_struct *parent, struct task_struct *child)
{
	struct filter_key key = {.kind = FILTER_PID, .value = BPF_CORE_READ(parent, tgid)};

	if (bpf_map_lookup_elem(&filter, &key))
		put(FILTER_PID, BPF_CORE_READ(child, tgid), WATCHED);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(fork_btf, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(parent, child);
}

SEC("raw_tp/sched_process_fork")
int BPF_PROG(fork_raw, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(parent, child);
}

/*
 * Later than any exit event, so no tracker's program sees this process again. The pid has been free for a grace period
 * by now; pids are handed out in turn, so it is not in use again.
 */
static __always_inline int on_free(struct task_struct *task)
{
	pid_t pid = BPF_CORE_READ(task, tgid);
	struct filter_key key = {.kind = FILTER_PID, .value = pid};

	/* Looking first takes no lock, and nearly every process is none of ours. */
	if (BPF_CORE_READ(task, pid) == pid && bpf_map_lookup_elem(&filter, &key))
		bpf_map_delete_elem(&filter, &key);
	return 0;
}

SEC("tp_btf/sched_process_free")
int BPF_PROG(free_btf, struct task_struct *task)
{
	return on_free(task);
}

SEC("raw_tp/sched_process_free")
int BPF_PROG(free_raw, struct task_struct *task)
{
	return on_free(task);
}

static __always_inline int on_mkdir(struct cgroup *cgroup)
{
	struct filter_key parent = {.kind = FILTER_CGROUP, .value = BPF_CORE_READ(cgroup, self.parent, cgroup, kn, id)};
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	u8 *state;

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != hierarchy_id)
		return 0;
	state = bpf_map_lookup_elem(&filter, &parent);
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
	struct filter_key key = {.kind = FILTER_CGROUP, .value = BPF_CORE_READ(cgroup, kn, id)};

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) == hierarchy_id)
		bpf_map_delete_elem(&filter, &key);
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
