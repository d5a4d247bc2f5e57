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

#include "filter.bpf.h"

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
