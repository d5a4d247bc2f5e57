/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Whose doing a call is. A runtime starts a container by putting a process of its own into the container's cgroup,
 * which sets everything up there and ends by executing the workload's program. So whoever came into its cgroup from
 * another one, and whoever it forks there, works for the runtime until it executes a program.
 *
 * Taking a workload for a runtime would leave its calls out of a profile; the other way round a profile only has a few
 * more. So in doubt it is the workload:
 * - who is put there by a process that itself lives in a container (its PID namespace is not the machine's first): an
 *   init in a container that sorts its services into cgroups is a workload, and so is a runtime inside of one;
 * - a program that puts itself there. What is forked to do so and has executed nothing yet is of the one who forked it.
 */
#ifndef __ARRIVALS_BPF_H
#define __ARRIVALS_BPF_H

#include "eunomia.bpf.h"

#define PF_FORKNOEXEC 0x40 /* include/linux/sched.h: forked, and no exec since */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct___arrivals {
	unsigned int flags;
};

struct mount___arrivals {
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
};

#pragma clang attribute pop

#define MAX_ERRNO 4095 /* include/linux/err.h */

#define ARRIVING_NS                                                                                                    \
	(60ull * 1000 * 1000 * 1000) /* a runtime is done by then; what goes on is a workload without exec */

const volatile int hierarchy_id DOC("the hierarchy whose cgroups tell containers apart") = 0;
const volatile u32 host_mnt_ns DOC("the host's mount namespace; 0 when it is not known") = 0;

struct arrival {
	u64 cgroup_id;
	u64 time; /* of whoever came first; what he forks has it from him */
};

/* Process -> the cgroup that it came into. Threads of one process come together, and an exec is of all of them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct arrival);
} arrivals SEC(".maps");

static __always_inline u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* How the current process came into this cgroup, if it is of a runtime at work there. */
static __always_inline struct arrival *arrival_in(u64 cgroup_id)
{
	u32 pid = current_pid();
	struct arrival *arrival = bpf_map_lookup_elem(&arrivals, &pid);

	if (!arrival || arrival->cgroup_id != cgroup_id || bpf_ktime_get_boot_ns() - arrival->time > ARRIVING_NS)
		return 0;
	return arrival;
}

static __always_inline bool is_arrival(u64 cgroup_id)
{
	return arrival_in(cgroup_id);
}

/* What finds no room is counted, and taken for the workload's. */
static __always_inline void arrive(u32 pid, u64 cgroup_id, u64 time)
{
	struct arrival arrival = {.cgroup_id = cgroup_id, .time = time};

	if (bpf_map_update_elem(&arrivals, &pid, &arrival, BPF_ANY))
		count(COUNTER_FILTER_FULL);
}

static __always_inline bool is_outside(struct task_struct *task)
{
	return !BPF_CORE_READ(task, thread_pid, level);
}

/* The current task puts processes into a cgroup. They are there by now. */
static __always_inline int on_attach(struct cgroup *cgroup, struct task_struct *task)
{
	struct task_struct___arrivals *current = (struct task_struct___arrivals *)current_task();
	u32 pid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != hierarchy_id || !is_outside(current_task()))
		return 0;
	if (pid != current_pid() || BPF_CORE_READ(current, flags) & PF_FORKNOEXEC)
		arrive(pid, BPF_CORE_READ(cgroup, kn, id), bpf_ktime_get_boot_ns());
	return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(attach_btf, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	return on_attach(cgroup, task);
}

SEC("raw_tp/cgroup_attach_task")
int BPF_PROG(attach_raw, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	return on_attach(cgroup, task);
}

/* The parent is the current task. The child may begin in another cgroup: CLONE_INTO_CGROUP. */
static __always_inline int on_fork(struct task_struct *child)
{
	u64 cgroup_id = task_cgroup_id(child);
	u32 pid = BPF_CORE_READ(child, tgid);
	struct arrival *arrival;

	if (pid == current_pid()) /* a thread */
		return 0;
	arrival = arrival_in(cgroup_id);
	if (arrival)
		arrive(pid, cgroup_id, arrival->time);
	else if (cgroup_id != task_cgroup_id(current_task()) && is_outside(current_task()))
		arrive(pid, cgroup_id, bpf_ktime_get_boot_ns());
	return 0;
}

#include "fork_hooks.bpf.h"

/*
 * Whether a program is executed whose file is in no mount namespace, so that no path leads to it: it lies in memory, or
 * in a mount that is gone. A runtime executes such a copy of itself, so that containers cannot write to it, and is the
 * runtime still: as long as it is among the host's mounts, where nothing that a container has made can be executed.
 */
static __always_inline bool is_private(struct linux_binprm *binprm)
{
	void *mnt = BPF_CORE_READ(binprm, file, f_path.mnt);
	struct mount___arrivals *mount = mnt - bpf_core_field_offset(struct mount___arrivals, mnt);
	u64 namespace = (u64)BPF_CORE_READ(mount, mnt_ns);

	if (!host_mnt_ns || task_mnt_ns(current_task()) != host_mnt_ns)
		return false;
	return !namespace || namespace >= (u64)-MAX_ERRNO;
}

static __always_inline int on_exec(struct linux_binprm *binprm)
{
	u32 pid = current_pid();

	if (bpf_map_lookup_elem(&arrivals, &pid) && !is_private(binprm))
		bpf_map_delete_elem(&arrivals, &pid);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_btf, struct task_struct *task, pid_t old_pid, struct linux_binprm *binprm)
{
	return on_exec(binprm);
}

SEC("raw_tp/sched_process_exec")
int BPF_PROG(exec_raw, struct task_struct *task, pid_t old_pid, struct linux_binprm *binprm)
{
	return on_exec(binprm);
}

/* The process is over, and its number has come free. */
static __always_inline int on_free(struct task_struct *task)
{
	u32 pid = BPF_CORE_READ(task, tgid);

	if ((u32)BPF_CORE_READ(task, pid) == pid && bpf_map_lookup_elem(&arrivals, &pid))
		bpf_map_delete_elem(&arrivals, &pid);
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

#endif
