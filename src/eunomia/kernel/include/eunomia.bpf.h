/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What every tracker's program shares: the typedefs that carry meaning, the event's prefix, the filter and the loss
 * counters. A tracker declares `struct event { struct event_base; … }` and EVENTS(struct event, bytes), asks
 * filter_pass_current() first (of another task filter_pass_typed() or filter_pass()), and then event_reserve(),
 * event_fill_current() or event_fill(), event_submit(). What comes after the filter is best a __noinline function: what
 * is filtered out then runs through a few lines of code.
 */
#ifndef __EUNOMIA_BPF_H
#define __EUNOMIA_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A column's description: a decl tag in BTF, read by the loader. */
#define DOC(text) __attribute__((btf_decl_tag("doc:" text)))

/* Typedefs that carry meaning; eunomia/schema/semantic.py says how each is shown. */
typedef u64 ktime_ns_t;		 /* CLOCK_BOOTTIME */
typedef u64 duration_ns_t;	 /* 0: none */
typedef u64 optional_duration_t; /* nanoseconds; all bits: none */
typedef u64 cgroup_id_t;
typedef u32 namespace_t;
typedef s32 exit_code_t; /* -1: none */
typedef u16 errno_t;	 /* 0: none */
typedef u16 signal_nr_t; /* 0: none */
typedef u8 capability_t;
typedef u32 optional_u32_t;   /* 0: none */
typedef u64 optional_u64_t;   /* 0: none */
typedef u64 optional_count_t; /* all bits: none; 0 is a count */
typedef char argv_t;	      /* strings, each ended by a NUL */
typedef s64 optional_bytes_t; /* -1: none */
typedef u8 ip_t[16];	      /* an IPv6 address, or an IPv4 one as IPv6 maps it (::ffff:a.b.c.d) */
typedef ip_t optional_ip_t;   /* zeros: none */
typedef u8 optional_bool_t;   /* OPTIONAL_NONE: neither */
#define OPTIONAL_NONE 2
typedef u64 bytes_t;
typedef u64 hex_t;

struct event_base {
	ktime_ns_t time DOC("when it happened, UTC");
	cgroup_id_t cgroup_id DOC("id of the cgroup, the inode number of its directory");
	u32 pid DOC("process id as the host sees it (kernel: tgid)");
	u32 tid DOC("thread id as the host sees it (kernel: pid)");
	u32 ppid DOC("process id of the parent");
	u32 uid DOC("real user id as the host sees it");
	u32 gid DOC("real group id as the host sees it");
	namespace_t mnt_ns DOC("mount namespace, its inode number");
	namespace_t pid_ns DOC("PID namespace, its inode number");
	namespace_t user_ns DOC("user namespace, its inode number");
	char comm[16] DOC("name of the thread's program, at most 15 characters");
};

/* Loss accounting: emitted = delivered + filtered in user space + lost, always. */
enum counter {
	COUNTER_EMITTED,
	COUNTER_RING_FULL,
	COUNTER_FILTER_FULL, /* processes, cgroups or sockets that could not be followed */
	COUNTER_TOTALS_FULL, /* calls of totals_add() for which the table had no room */
	COUNTER_UNANSWERED,  /* requests of io_uring told without what came of them, for want of room to wait for it */
	COUNTER_MAX,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_MAX);
	__type(key, u32);
	__type(value, u64);
} counters SEC(".maps");

/* Tells the loader the counters' names, in order. */
const enum counter *const volatile counter_type = 0;

static __always_inline void count(u32 which)
{
	u64 *value = bpf_map_lookup_elem(&counters, &which);

	if (value)
		__sync_fetch_and_add(value,
				     1); /* a program can be interrupted by another of its object, on its own CPU */
}

/* Declares the ring and tells the loader which struct travels in it. */
#define EVENTS(event_struct, ring_bytes)                                                                               \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                                    \
		__uint(max_entries, ring_bytes);                                                                       \
	} events SEC(".maps");                                                                                         \
	const event_struct *const volatile event_type = 0

/* A record of the ring, or NULL; either way it is counted. Its memory is not zeroed: set every member. */
#define event_reserve(event_struct)                                                                                    \
	({                                                                                                             \
		event_struct *reserved_ = bpf_ringbuf_reserve(&events, sizeof(event_struct), 0);                       \
		count(COUNTER_EMITTED);                                                                                \
		if (!reserved_)                                                                                        \
			count(COUNTER_RING_FULL);                                                                      \
		reserved_;                                                                                             \
	})

/* Without flags the kernel wakes the reader exactly when it had nothing left to read: ring_buffer commit, 5.8+. */
#define event_submit(event) bpf_ringbuf_submit(event, 0)

/*
 * Programs of several trackers on the same hook run one after the other by tail calls: to enter one of its own for each
 * costs the kernel 25 ns, a jump from one to the next 2 or 3. The loader links them (kernel/relay.py); a program ends
 * by jumping on, and goes on behind that where there is no next one.
 *
 *	RELAY(count_btf);
 *	SEC("tp_btf/sys_exit") int BPF_PROG(count_btf, …) { …; relay(ctx, count_btf); return 0; }
 */
#define RELAY(program)                                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                                                 \
		__uint(max_entries, 1);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, u32);                                                                                    \
	} program##_next SEC(".maps")
#define relay(ctx, program) bpf_tail_call_static(ctx, &program##_next, 0)

/*
 * Counting in the kernel: two tables take turns. User space lets programs go on with the other one, waits until none of
 * them is still at work in the first, and empties that: so nothing is lost between reading and clearing. The rows are
 * columns as those of an event; the keys are the program's own business.
 *
 *	struct total { struct event_base; u64 count; };
 *	TOTALS(struct key, struct total, 16384);
 *
 *	total = totals_find(&key) ?: totals_add(&key, &first);
 *	if (total)
 *		__sync_fetch_and_add(&total->count, 1);
 *
 * Equal keys must mean rows that may be added up. A row may be changed on several CPUs at once. Every member of `first`
 * must be set, but for a string's bytes behind its length. Preallocated, as the filter is. A table that is half full
 * rings a bell, so that user space comes for it early; it makes `rows` and `rung` 0 again.
 */
#define TOTALS(key_struct, total_struct, entries)                                                                      \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, 1);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, u32);                                                                                    \
	} totals_turn SEC(".maps");                                                                                    \
	struct totals {                                                                                                \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(max_entries, entries);                                                                          \
		__type(key, key_struct);                                                                               \
		__type(value, total_struct);                                                                           \
	};                                                                                                             \
	struct totals totals_0 SEC(".maps"), totals_1 SEC(".maps");                                                    \
	struct totals_fill {                                                                                           \
		u32 rows, rung;                                                                                        \
	};                                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, 2);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, struct totals_fill);                                                                     \
	} totals_fills SEC(".maps");                                                                                   \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                                    \
		__uint(max_entries, 65536); /* the loader makes it one page */                                         \
	} totals_bell SEC(".maps");                                                                                    \
	const total_struct *const volatile total_type = 0;                                                             \
	const volatile u32 totals_half = (entries) / 2;                                                                \
                                                                                                                       \
	static __always_inline void totals_added(u32 turn)                                                             \
	{                                                                                                              \
		struct totals_fill *fill = bpf_map_lookup_elem(&totals_fills, &turn);                                  \
                                                                                                                       \
		if (!fill)                                                                                             \
			return;                                                                                        \
		__sync_fetch_and_add(&fill->rows, 1); /* what was there before, 5.10 cannot say: so look again */      \
		if (fill->rung || *(volatile u32 *)&fill->rows < totals_half)                                          \
			return;                                                                                        \
		fill->rung = 1; /* by two at once: then it rings twice */                                              \
		bpf_ringbuf_output(&totals_bell, &turn, sizeof(turn), 0);                                              \
	}                                                                                                              \
                                                                                                                       \
	/* Which table counts now. What is done in several steps must stay with one. */                                \
	static __always_inline u32 totals_now(void)                                                                    \
	{                                                                                                              \
		u32 zero = 0, *turn = bpf_map_lookup_elem(&totals_turn, &zero);                                        \
                                                                                                                       \
		return turn && *turn;                                                                                  \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline total_struct *totals_find_in(u32 turn, const key_struct *key)                           \
	{                                                                                                              \
		if (turn) { /* two calls and not one with a chosen map: only so does the JIT inline them */            \
			total_struct *total = bpf_map_lookup_elem(&totals_1, key);                                     \
                                                                                                                       \
			barrier(); /* else the compiler makes one of them */                                           \
			return total;                                                                                  \
		}                                                                                                      \
		return bpf_map_lookup_elem(&totals_0, key);                                                            \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline total_struct *totals_add_in(u32 turn, const key_struct *key, const total_struct *first) \
	{                                                                                                              \
		total_struct *total;                                                                                   \
                                                                                                                       \
		if (turn) {                                                                                            \
			if (!bpf_map_update_elem(&totals_1, key, first, BPF_NOEXIST))                                  \
				totals_added(1);                                                                       \
			total = bpf_map_lookup_elem(&totals_1, key);                                                   \
		} else {                                                                                               \
			if (!bpf_map_update_elem(&totals_0, key, first, BPF_NOEXIST))                                  \
				totals_added(0);                                                                       \
			total = bpf_map_lookup_elem(&totals_0, key);                                                   \
		}                                                                                                      \
		if (!total)                                                                                            \
			count(COUNTER_TOTALS_FULL);                                                                    \
		return total;                                                                                          \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline __attribute__((unused)) total_struct *totals_find(const key_struct *key)                \
	{                                                                                                              \
		return totals_find_in(totals_now(), key);                                                              \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline __attribute__((unused)) total_struct *totals_add(const key_struct *key,                 \
										const total_struct *first)             \
	{                                                                                                              \
		return totals_add_in(totals_now(), key, first);                                                        \
	}

/*
 * In front of the tables, for what happens at every system call: each CPU counts a few hundred keys by itself, without
 * a hash of the kernel's and without a locked instruction, which is half the price. Whoever has a row may take a slot
 * that nobody has had in this interval; user space adds what is counted there to the row's `count`
 * (kernel/front.py). A key's size is a multiple of 8. Only for programs of one hook that the kernel runs one after the
 * other on a CPU.
 *
 *	TOTALS_FRONT(struct key);
 *
 *	turn = totals_now();
 *	slot = totals_slot(turn, &key);
 *	if (slot && slot->count) {
 *		slot->count++;
 *		return 0;
 *	}
 *	total = totals_find_in(turn, &key) ?: totals_add_in(turn, &key, &first);
 *	if (total && slot)
 *		totals_take(slot, &key);
 *	else if (total)
 *		__sync_fetch_and_add(&total->count, 1);
 */
#define TOTALS_SLOTS 512
#define HASH_PRIME 0x9e3779b97f4a7c15ULL

static __always_inline u64 hash_words(const u64 *words, u32 count)
{
	u64 hash = 0;

#pragma clang loop unroll(full)
	for (u32 index = 0; index < count; index++)
		hash = (hash ^ words[index]) * HASH_PRIME;
	return hash;
}

static __always_inline bool same_words(const u64 *words, const u64 *others, u32 count)
{
	u64 differ = 0;

#pragma clang loop unroll(full)
	for (u32 index = 0; index < count; index++)
		differ |= words[index] ^ others[index];
	return !differ;
}

#define TOTALS_FRONT(key_struct)                                                                                       \
	struct totals_slot {                                                                                           \
		key_struct key;                                                                                        \
		u64 count;                                                                                             \
	};                                                                                                             \
	struct totals_slots {                                                                                          \
		struct totals_slot slots[TOTALS_SLOTS];                                                                \
	};                                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                               \
		__uint(max_entries, 2);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, struct totals_slots);                                                                    \
	} totals_front SEC(".maps");                                                                                   \
                                                                                                                       \
	/* The key's own slot, or one that is free for it; NULL when another key has it. */                            \
	static __always_inline struct totals_slot *totals_slot(u32 turn, const key_struct *key)                        \
	{                                                                                                              \
		struct totals_slots *front = bpf_map_lookup_elem(&totals_front, &turn);                                \
		u64 place = hash_words((const u64 *)key, sizeof(*key) / 8) >> 32;                                      \
		struct totals_slot *slot;                                                                              \
                                                                                                                       \
		if (!front)                                                                                            \
			return 0;                                                                                      \
		slot = &front->slots[place % TOTALS_SLOTS];                                                            \
		if (same_words((const u64 *)&slot->key, (const u64 *)key, sizeof(*key) / 8) || !slot->count)           \
			return slot;                                                                                   \
		return 0;                                                                                              \
	}                                                                                                              \
                                                                                                                       \
	/* For a key that has a row. */                                                                                \
	static __always_inline void totals_take(struct totals_slot *slot, const key_struct *key)                       \
	{                                                                                                              \
		slot->key = *key;                                                                                      \
		slot->count = 1;                                                                                       \
	}

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
 * In front of it: how many of the filter's values fall into a slot. Nearly all that happens on a machine is of nobody
 * who is watched, and an empty slot says so for the price of one load instead of a hash. The low half is counted by
 * programs, the high half by user space, each modulo 2^32 and never by the other; their sum is the number. It goes up
 * before a value comes and down after it has gone.
 */
#define FILTER_SLOTS 8192

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FILTER_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, u64);
} filter_slots SEC(".maps");

/* The slot of a value; never NULL, though the verifier wants to see a look. Ids and pids are given out in turn. */
static __always_inline u64 *filter_slot(u64 value)
{
	u32 index = value % FILTER_SLOTS;

	return bpf_map_lookup_elem(&filter_slots, &index);
}

/*
 * A run that asks for few values, and for no kind that grows, has them all in the instructions: whoever has none of
 * them is told without any look at memory.
 */
#define FEW_KINDS immediate(IMMEDIATE_FEW_KINDS) /* of enum filter_kind */

static __always_inline bool filter_may_have(u64 kind, u64 value)
{
	u64 *slot, counts;

	if (FEW_KINDS & kind)
		return (u32)value == (u32)immediate(IMMEDIATE_FEW_0) || (u32)value == (u32)immediate(IMMEDIATE_FEW_1) ||
		       (u32)value == (u32)immediate(IMMEDIATE_FEW_2) || (u32)value == (u32)immediate(IMMEDIATE_FEW_3);
	slot = filter_slot(value);
	counts = slot ? *(volatile u64 *)slot : 0; /* one load, so that both halves are of one moment */
	return (u32)(counts + (counts >> 32));
}

static __always_inline u8 *filter_find(u64 kind, u64 value)
{
	struct filter_key key = {.kind = kind, .value = value};

	return filter_may_have(kind, value) ? bpf_map_lookup_elem(&filter, &key) : 0;
}

/* Which hierarchy tells containers apart: 0 is cgroup v2, else the v1 hierarchy of a controller. */
enum cgroup_controller {
	CGROUP_V2,
	CGROUP_PIDS,
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_DEVICES,
};

static __always_inline u64 task_cgroup_v1(struct task_struct *task)
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
	return BPF_CORE_READ(css, cgroup, kn, id);
}

static __always_inline u64 task_cgroup_id(struct task_struct *task)
{
	if (CGROUP_CONTROLLER != CGROUP_V2)
		return task_cgroup_v1(task);
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
	return CGROUP_CONTROLLER == CGROUP_V2 ? task->cgroups->dfl_cgrp->kn->id : task_cgroup_v1(task);
}

/* What is cheapest to know comes first; the agent, which is asked about last, is never watched. */
#define FILTER(pid, uid, mnt_ns, cgroup_id, pid_ns)                                                                    \
	((!(FILTER_KINDS & FILTER_PID) || filter_find(FILTER_PID, pid)) &&                                             \
	 (!(FILTER_KINDS & FILTER_UID) || filter_find(FILTER_UID, uid)) &&                                             \
	 (!(FILTER_KINDS & FILTER_MNT_NS) || filter_find(FILTER_MNT_NS, mnt_ns)) &&                                    \
	 (!(FILTER_KINDS & FILTER_CGROUP) || filter_find(FILTER_CGROUP, cgroup_id)) &&                                 \
	 (!(FILTER_KINDS & FILTER_PID_NS) || filter_find(FILTER_PID_NS, pid_ns)) && (pid) != agent_pid)

/* Whether the task is one we were asked to watch: any task, by probe reads, the dearest. */
static __always_inline bool filter_pass(struct task_struct *task)
{
	return FILTER((u32)BPF_CORE_READ(task, tgid), BPF_CORE_READ(task, cred, uid.val), task_mnt_ns(task),
		      task_cgroup_id(task), task_pid_ns(task));
}

/* The same of an argument of a tp_btf program: the cheapest. */
static __always_inline bool filter_pass_typed(struct task_struct *task)
{
	return FILTER((u32)task->tgid, task->cred->uid.val, task->nsproxy->mnt_ns->ns.inum, typed_task_cgroup_id(task),
		      task_pid_ns(task));
}

/* The same of the current task. */
static __always_inline bool filter_pass_current(void)
{
	if (!CURRENT_IS_TYPED)
		return FILTER(bpf_get_current_pid_tgid() >> 32, (u32)bpf_get_current_uid_gid(),
			      task_mnt_ns(current_task()), task_cgroup_id(current_task()), task_pid_ns(current_task()));
	return filter_pass_typed(bpf_get_current_task_btf());
}

static __always_inline void event_fill(struct event_base *base, struct task_struct *task)
{
	base->time = bpf_ktime_get_boot_ns();
	base->cgroup_id = task_cgroup_id(task);
	base->pid = BPF_CORE_READ(task, tgid);
	base->tid = BPF_CORE_READ(task, pid);
	base->ppid = BPF_CORE_READ(task, real_parent, tgid);
	base->uid = BPF_CORE_READ(task, cred, uid.val);
	base->gid = BPF_CORE_READ(task, cred, gid.val);
	base->mnt_ns = task_mnt_ns(task);
	base->pid_ns = task_pid_ns(task);
	base->user_ns = BPF_CORE_READ(task, cred, user_ns, ns.inum);
	BPF_CORE_READ_INTO(&base->comm, task, comm);
}

/* The same of the current task, cheaper. */
static __always_inline void event_fill_current(struct event_base *base)
{
	struct task_struct *task;
	u64 pid_tgid;

	if (!CURRENT_IS_TYPED) {
		event_fill(base, current_task());
		return;
	}
	task = bpf_get_current_task_btf();
	pid_tgid = bpf_get_current_pid_tgid();
	base->time = bpf_ktime_get_boot_ns();
	base->cgroup_id = typed_task_cgroup_id(task);
	base->pid = pid_tgid >> 32;
	base->tid = pid_tgid;
	base->ppid = task->real_parent->tgid;
	base->uid = task->cred->uid.val;
	base->gid = task->cred->gid.val;
	base->mnt_ns = task->nsproxy->mnt_ns->ns.inum;
	base->pid_ns = task_pid_ns(task);
	base->user_ns = task->cred->user_ns->ns.inum;
	bpf_get_current_comm(base->comm, sizeof(base->comm));
}

#endif
