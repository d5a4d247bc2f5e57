/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who is held to the policy: the processes of the filter's cgroups, but for those of the container runtime.
 *
 * A runtime has to do more than its container may: its process enters the cgroup, mounts, gives up privileges, and only
 * then starts the container's program. So a process that was put into a cgroup from outside is let be until it runs a
 * program of its own mount namespace. It cannot be told by its name, which everybody can give himself.
 */
#ifndef __HELD_BPF_H
#define __HELD_BPF_H

#include "eunomia.bpf.h"
#include "types.h"

#define WATCHED 1 /* as in follow.bpf.c: user space has decided */

const volatile int hierarchy_id DOC("the hierarchy whose ids the filter holds: each numbers its cgroups by itself") = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u8);
} entering SEC(".maps");

/* Set when all tables are filled: until then nobody is held, lest an empty list of what is allowed deny everything. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} in_force SEC(".maps");

static __always_inline u64 current_cgroup_id(void)
{
	return CURRENT_IS_TYPED ? typed_task_cgroup_id(bpf_get_current_task_btf()) : task_cgroup_id(current_task());
}

static __always_inline bool is_entering(u32 tgid)
{
	return bpf_map_lookup_elem(&entering, &tgid) != 0;
}

static __always_inline bool is_inside(void)
{
	u8 *state = filter_find(FILTER_CGROUP, current_cgroup_id());
	u32 zero = 0, *filled;

	if (!state || *state != WATCHED)
		return false;
	filled = bpf_map_lookup_elem(&in_force, &zero);
	return filled && *filled;
}

static __always_inline bool is_held(void)
{
	return is_inside() && !is_entering(bpf_get_current_pid_tgid() >> 32);
}

static __always_inline struct mnt_namespace *mount_namespace(struct vfsmount *mnt)
{
	struct mount *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);

	return BPF_CORE_READ((struct mount___lsm *)mount, mnt_ns);
}

/* Whether a file lies among the mounts that a task sees. */
static __always_inline bool sees_mount(struct task_struct *task, struct vfsmount *mnt)
{
	struct mnt_namespace *own = BPF_CORE_READ(task, nsproxy, mnt_ns);

	return own && mount_namespace(mnt) == own;
}

static __always_inline bool is_own_mount(struct vfsmount *mnt)
{
	return sees_mount(current_task(), mnt);
}

static __always_inline void mark_entering(u32 tgid)
{
	u8 yes = 1;

	if (bpf_map_update_elem(&entering, &tgid, &yes, BPF_ANY))
		count(COUNTER_FILTER_FULL); /* then it is held, and may not get far */
}

/* Whether a task runs a program that lies in no place of its own: a runtime's, once it sees a container's mounts. */
static __always_inline bool runs_foreign_program(struct task_struct *task)
{
	struct file *program = BPF_CORE_READ((struct task_struct___lsm *)task, mm, exe_file);

	return program && !sees_mount(task, BPF_CORE_READ(program, f_path.mnt));
}

/*
 * The current task moves another one. Only who is outside himself lets somebody enter, and only one that still sees
 * the same mounts (a container is started) or still runs the runtime's program (one is entered: runc joins the mounts
 * first). A process of the container's that is moved about within it stays held.
 */
static __always_inline int on_attach(struct cgroup *cgroup, struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != hierarchy_id)
		return 0;
	if (!filter_find(FILTER_CGROUP, BPF_CORE_READ(cgroup, kn, id)) ||
	    filter_find(FILTER_CGROUP, current_cgroup_id()) || tgid == bpf_get_current_pid_tgid() >> 32)
		return 0;
	if (task_mnt_ns(task) == task_mnt_ns(current_task()) || runs_foreign_program(task))
		mark_entering(tgid);
	return 0;
}

/* Before it is moved: it goes on running meanwhile, and would be held for the moment until it has a mark. */
SEC("fentry/cgroup_attach_task")
int BPF_PROG(attach_begins, struct cgroup *cgroup, struct task_struct *leader)
{
	return on_attach(cgroup, leader);
}

/* After it, where the kernel's function has no place for a program. */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(attach_enters, struct cgroup *cgroup, const char *path, struct task_struct *task, bool threadgroup)
{
	return on_attach(cgroup, task);
}

/* The parent is the current task; a child may begin in another cgroup than it (CLONE_INTO_CGROUP). */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(fork_enters, struct task_struct *parent, struct task_struct *child)
{
	u32 tgid = BPF_CORE_READ(child, tgid), parent_tgid = bpf_get_current_pid_tgid() >> 32;

	if (tgid == parent_tgid || !filter_find(FILTER_CGROUP, task_cgroup_id(child)))
		return 0;
	if (is_entering(parent_tgid) || !filter_find(FILTER_CGROUP, current_cgroup_id()))
		mark_entering(tgid);
	return 0;
}

/* A runtime that runs a copy of itself, which lies in no place of the container's, is not through yet. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_entered, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (is_entering(tgid) && is_own_mount(BPF_CORE_READ(bprm, file, f_path.mnt)))
		bpf_map_delete_elem(&entering, &tgid);
	return 0;
}

SEC("tp_btf/sched_process_free")
int BPF_PROG(free_entered, struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);

	if (tgid == (u32)BPF_CORE_READ(task, pid) && is_entering(tgid))
		bpf_map_delete_elem(&entering, &tgid);
	return 0;
}

#endif
