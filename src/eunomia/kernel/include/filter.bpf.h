/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Whether somebody asked to see a task; part of eunomia.bpf.h. */
#ifndef __FILTER_BPF_H
#define __FILTER_BPF_H

#define likely(condition) __builtin_expect(condition, 1)
#define unlikely(condition) __builtin_expect(condition, 0)

/*
 * The filter: kinds are combined with AND, the values of one kind with OR. The constants are frozen before the load,
 * so the verifier removes what is not asked for.
 */
enum filter_kind {
	FILTER_CGROUP = 1,
	FILTER_PID = 2,
	FILTER_UID = 4,
	FILTER_MNT_NS = 8,
	FILTER_PID_NS = 16,
};

struct filter_key {
	u64 kind;
	u64 value;
};

const volatile u32 agent_pid = 0;

/*
 * Constants that stand in the instructions: the loader writes the values over these numbers. In .rodata they would be
 * one more cache line, and one more page, that everything on the machine touches which nobody asked for: 50 to 70 ns
 * where it is not in a cache, as much as all the rest.
 */
enum immediate {
	IMMEDIATE_FILTER_KINDS = 0x65756e01,
	IMMEDIATE_CGROUP_CONTROLLER,
	IMMEDIATE_FEW_KINDS,
	IMMEDIATE_FEW_0,
	IMMEDIATE_FEW_1,
	IMMEDIATE_FEW_2,
	IMMEDIATE_FEW_3,
	IMMEDIATE_FILTER_MARKS,
};

/* Tells the loader the numbers. */
const enum immediate *const volatile immediate_type = 0;

#define immediate(number)                                                                                              \
	({                                                                                                             \
		u64 value_;                                                                                            \
		asm("%0 = %1" : "=r"(value_) : "i"(number));                                                           \
		value_;                                                                                                \
	})

#define FILTER_KINDS immediate(IMMEDIATE_FILTER_KINDS)		 /* of enum filter_kind */
#define CGROUP_CONTROLLER immediate(IMMEDIATE_CGROUP_CONTROLLER) /* an enum cgroup_controller */

/* Preallocated: before 6.1 the kernel warns of tracing programs that use a map which is not. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024); /* the loader makes it larger where it may grow */
	__type(key, struct filter_key);
	__type(value, u8);
} filter SEC(".maps");

/*
 * In front of it, since nearly all that happens on a machine is of nobody who is watched: two tables that say so for
 * the price of one load instead of a hash. They are a variable and no map with a look-up, of which the JIT would make
 * more instructions.
 */
#define FILTER_SLOTS 8192
#define STRANGERS 1024

struct filter_front {
	/*
	 * How many of the filter's values fall into a slot. The low half is counted by programs, the high half by user
	 * space, each modulo 2^32 and never by the other; their sum is the number. It goes up before a value comes and
	 * down after it has gone.
	 */
	u64 slots[FILTER_SLOTS];
	/*
	 * The addresses of cgroups that programs have found not to be in the filter. A task's css_set has the address
	 * in a line that the scheduler has just read, too; the id is two more lines away, which nobody else reads. It
	 * is right because a cgroup's memory stays while a program looks at one of its tasks; because follow.bpf.c
	 * takes the note back before a new cgroup there has any; and because none comes into the filter after its
	 * tasks have been looked at.
	 */
	u64 strangers[STRANGERS];
};

struct filter_front filter_front SEC(".bss.filter");

/* The slot of a value. Ids and pids are given out in turn. */
static __always_inline u64 *filter_slot(u64 value)
{
	return &filter_front.slots[value % FILTER_SLOTS];
}

/* Where the note of a cgroup is, if there is one. */
static __always_inline u64 *stranger_note(struct cgroup *cgroup)
{
	u32 index;

	/* Of a pointer the verifier lets the low half be taken in one move, and nothing else be calculated. */
	asm("%0 = %1" : "=w"(index) : "w"((u32)(u64)cgroup));
	return &filter_front.strangers[index * 0x9e3779b1u / ((1ull << 32) / STRANGERS)];
}

/*
 * A run that asks for few values, and for no kind that grows, has them all in the instructions: whoever has none of
 * them is told without any look at memory.
 */
#define FEW_KINDS immediate(IMMEDIATE_FEW_KINDS) /* of enum filter_kind */

static __always_inline bool filter_may_have(u64 kind, u64 value)
{
	u64 counts;

	if (FEW_KINDS & kind)
		return (u32)value == (u32)immediate(IMMEDIATE_FEW_0) || (u32)value == (u32)immediate(IMMEDIATE_FEW_1) ||
		       (u32)value == (u32)immediate(IMMEDIATE_FEW_2) || (u32)value == (u32)immediate(IMMEDIATE_FEW_3);
	counts = *(volatile u64 *)filter_slot(value); /* one load, so that both halves are of one moment */
	return (u32)(counts + (counts >> 32));
}

static __always_inline u8 *filter_holds(u64 kind, u64 value)
{
	struct filter_key key = {.kind = kind, .value = value};

	return bpf_map_lookup_elem(&filter, &key);
}

static __always_inline u8 *filter_find(u64 kind, u64 value)
{
	return filter_may_have(kind, value) ? filter_holds(kind, value) : 0;
}

/* Which hierarchy tells containers apart: 0 is cgroup v2, else the v1 hierarchy of a controller. */
enum cgroup_controller {
	CGROUP_V2,
	CGROUP_PIDS,
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_DEVICES,
};

static __always_inline struct cgroup *task_cgroup_v1(struct task_struct *task)
{
	void *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *css = 0;
	u64 index;

	if (CGROUP_CONTROLLER == CGROUP_PIDS)
		index = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	else if (CGROUP_CONTROLLER == CGROUP_MEMORY)
		index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	else if (CGROUP_CONTROLLER == CGROUP_CPU)
		index = bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id);
	else
		index = bpf_core_enum_value(enum cgroup_subsys_id, devices_cgrp_id);
	set += bpf_core_field_offset(struct css_set, subsys) + index * sizeof(css);
	bpf_probe_read_kernel(&css, sizeof(css), set);
	return BPF_CORE_READ(css, cgroup);
}

static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	return CGROUP_CONTROLLER == CGROUP_V2 ? BPF_CORE_READ(task, cgroups, dfl_cgrp) : task_cgroup_v1(task);
}

static __always_inline u64 task_cgroup_id(struct task_struct *task)
{
	if (CGROUP_CONTROLLER != CGROUP_V2)
		return BPF_CORE_READ(task_cgroup_v1(task), kn, id);
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

static __always_inline u32 task_mnt_ns(struct task_struct *task)
{
	return BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
}

/* The namespace the task lives in, which unlike nsproxy's does not change by unshare(): task_active_pid_ns(). */
static __always_inline struct pid_namespace *task_pid_namespace(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	u64 level = BPF_CORE_READ(pid, level);
	struct upid *upid =
		(void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);

	return BPF_CORE_READ(upid, ns);
}

static __always_inline u32 task_pid_ns(struct task_struct *task)
{
	struct pid_namespace *namespace = task_pid_namespace(task);

	return BPF_CORE_READ(namespace, ns.inum);
}

/*
 * Of a task to which the kernel gave us a pointer that it knows the type of, each member costs a plain load, which is a
 * fraction of a probe read: an argument of a tp_btf program, and the current one (bpf_get_current_task_btf(), 5.11).
 */
#define CURRENT_IS_TYPED bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

static __always_inline u64 typed_task_cgroup_id(struct task_struct *task)
{
	return CGROUP_CONTROLLER == CGROUP_V2 ? task->cgroups->dfl_cgrp->kn->id : task_cgroup_id(task);
}

/* For one that is not noted. A function of its own: what it needs of registers and stack, others have not to spare. */
static __noinline __attribute__((unused)) bool filter_find_cgroup(struct cgroup *cgroup, u64 id)
{
	u64 *note;

	if (filter_find(FILTER_CGROUP, id))
		return true;
	note = stranger_note(cgroup);
	if (!*note)
		*note = (u64)cgroup;
	return false;
}

static __always_inline bool filter_has_cgroup(struct cgroup *cgroup, bool typed)
{
	if (likely(*stranger_note(cgroup) == (u64)cgroup))
		return false;
	return filter_find_cgroup(cgroup, typed ? cgroup->kn->id : BPF_CORE_READ(cgroup, kn, id));
}

static __always_inline bool task_in_cgroup(struct task_struct *task)
{
	return filter_has_cgroup(task_cgroup(task), false);
}

static __always_inline bool typed_task_in_cgroup(struct task_struct *task)
{
	return CGROUP_CONTROLLER == CGROUP_V2 ? filter_has_cgroup(task->cgroups->dfl_cgrp, true) : task_in_cgroup(task);
}

/*
 * In front of processes that are watched with their children: whoever has none of the kernel's storage for BPF is none
 * of them, says the task itself (marks.bpf.c, 5.12+). Workers of io_uring are told by the process that they are of.
 */
#define FILTER_MARKS immediate(IMMEDIATE_FILTER_MARKS)

#define FILTER_PROCESS(pid, is_marked)                                                                                 \
	(FILTER_MARKS ? (is_marked) && filter_holds(FILTER_PID, pid) : filter_find(FILTER_PID, pid) != 0)

static __always_inline bool task_is_marked(struct task_struct *task)
{
	return BPF_CORE_READ(task, bpf_storage) || BPF_CORE_READ(task, group_leader, bpf_storage);
}

static __always_inline bool typed_task_is_marked(struct task_struct *task)
{
	return task->bpf_storage || task->group_leader->bpf_storage;
}

/*
 * What is cheapest to know comes first; the agent, which is asked about last, is never watched. Of one kind alone the
 * verifier leaves no instruction about the others.
 */
#define FILTER(is_process, uid, mnt_ns, in_cgroup, pid_ns, pid)                                                        \
	(unlikely(FILTER_KINDS == FILTER_CGROUP ? (in_cgroup)                                                          \
		  : FILTER_KINDS == FILTER_PID	? (is_process)                                                         \
						: FILTER_ALL(is_process, uid, mnt_ns, in_cgroup, pid_ns)) &&           \
	 (pid) != agent_pid)

#define FILTER_ALL(is_process, uid, mnt_ns, in_cgroup, pid_ns)                                                         \
	((!(FILTER_KINDS & FILTER_PID) || (is_process)) &&                                                             \
	 (!(FILTER_KINDS & FILTER_UID) || filter_find(FILTER_UID, uid)) &&                                             \
	 (!(FILTER_KINDS & FILTER_MNT_NS) || filter_find(FILTER_MNT_NS, mnt_ns)) &&                                    \
	 (!(FILTER_KINDS & FILTER_CGROUP) || (in_cgroup)) &&                                                           \
	 (!(FILTER_KINDS & FILTER_PID_NS) || filter_find(FILTER_PID_NS, pid_ns)))

/* Whether the task is one we were asked to watch: any task, by probe reads, the dearest. */
static __always_inline bool filter_pass(struct task_struct *task)
{
	return FILTER(FILTER_PROCESS((u32)BPF_CORE_READ(task, tgid), task_is_marked(task)),
		      BPF_CORE_READ(task, cred, uid.val), task_mnt_ns(task), task_in_cgroup(task), task_pid_ns(task),
		      (u32)BPF_CORE_READ(task, tgid));
}

/* The same of an argument of a tp_btf program: the cheapest. */
static __always_inline bool filter_pass_typed(struct task_struct *task)
{
	return FILTER(FILTER_PROCESS((u32)task->tgid, typed_task_is_marked(task)), task->cred->uid.val,
		      task->nsproxy->mnt_ns->ns.inum, typed_task_in_cgroup(task), task_pid_ns(task), (u32)task->tgid);
}

/* The same of the current task. A kernel that does not know its type has no marks. */
static __always_inline bool filter_pass_current(void)
{
	if (!CURRENT_IS_TYPED)
		return FILTER(filter_find(FILTER_PID, bpf_get_current_pid_tgid() >> 32) != 0,
			      (u32)bpf_get_current_uid_gid(), task_mnt_ns(current_task()),
			      task_in_cgroup(current_task()), task_pid_ns(current_task()),
			      bpf_get_current_pid_tgid() >> 32);
	return filter_pass_typed(bpf_get_current_task_btf());
}

#endif
