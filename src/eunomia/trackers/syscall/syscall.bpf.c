// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "syscall.bpf.h"

#define ENOSYS 38
#define MAX_ERRNO 4095
#define ARGS 6

enum kind {
	KIND_CALL,
	KIND_FIRST,
};

enum abi {
	ABI_NATIVE,
	ABI_COMPAT32,
	ABI_X32,
};

/* Calls that never return. */
enum call {
	CALL_OTHER,
	CALL_EXIT,
	CALL_EXIT_GROUP,
};

struct event {
	struct event_base;
	enum kind event DOC("call, or first: the process had not made this call before");
	syscall_nr_t syscall DOC("the call's name");
	errno_t error DOC("why it failed");
	enum abi abi DOC("native, compat32: by the 32-bit entry, or x32");
	u32 nr DOC("the call's number at that entry");
	s64 returned DOC("what it returned; nothing is known of it at a first use and of a call that never returns");
	duration_ns_t latency DOC("how long it took, with --latency");
	hex_t arguments[ARGS] DOC("its arguments, as they are in the registers");
};

EVENTS(struct event, 8 * 1024 * 1024);

/* One process, one call, one outcome. A pid is not given out again within an interval. */
struct key {
	u32 pid;
	syscall_nr_t code;
	errno_t error;
};

struct total {
	struct event_base;
	u64 count DOC("how often it was made");
	duration_ns_t total_latency DOC("how long these calls took in all, with --latency");
	duration_ns_t max_latency DOC("how long the longest of them took, with --latency");
	enum abi abi DOC("native, compat32: by the 32-bit entry, or x32");
	syscall_nr_t syscall DOC("the call's name");
	errno_t error DOC("how it failed");
	u32 nr DOC("the call's number at that entry");
};

TOTALS(struct key, struct total, 16384);
CALLS(enum call);

const volatile bool timed DOC("whether calls are timed") = false;
const volatile bool chosen DOC("whether only some calls are wanted") = false;
const volatile u8 wanted[SYSCALL_CODES] DOC("which ones, by code") = {};
/* The kernel forgets the number of this one, so that it is not restarted: at its return it is -1. */
const volatile u16 sigreturn_codes[2] DOC("rt_sigreturn, by entry") = {};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* a thread that ends within a call leaves its entry behind */
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} entered SEC(".maps");

static __always_inline bool is_wanted(u32 code)
{
	return !chosen || (code < SYSCALL_CODES && wanted[code]);
}

static __always_inline u32 returned_code(u32 nr, long result)
{
	if (nr == (u32)-1 && result != -ENOSYS)
		return sigreturn_codes[syscall_is_compat()];
	return syscall_code_of(nr);
}

static __always_inline u32 nr_of(u32 code, u32 nr)
{
	return code == SYSCALL_NONE ? nr : code % SYSCALL_ENTRY;
}

static __always_inline enum abi abi_of(u32 code)
{
	return code < SYSCALL_CODES ? code / SYSCALL_ENTRY : ABI_NATIVE;
}

/* Time: one entry for each thread, kept for its next call. */

static __always_inline int on_enter(u32 nr)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 now, *begun;

	if (!is_wanted(syscall_code_of(nr)) || !filter_pass_current())
		return 0;
	now = bpf_ktime_get_ns();
	begun = bpf_map_lookup_elem(&entered, &tid);
	if (begun)
		*begun = now;
	else
		bpf_map_update_elem(&entered, &tid, &now, BPF_ANY);
	return 0;
}

static __always_inline u64 latency(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 took, *begun;

	if (!timed)
		return 0;
	begun = bpf_map_lookup_elem(&entered, &tid);
	if (!begun || !*begun) /* it began before we did */
		return 0;
	took = bpf_ktime_get_ns() - *begun;
	*begun = 0;
	return took ?: 1;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(enter_btf, struct pt_regs *regs, long nr)
{
	return on_enter(nr);
}

SEC("raw_tp/sys_enter")
int BPF_PROG(enter_raw, struct pt_regs *regs, long nr)
{
	return on_enter(nr);
}

/* Counting. */

static __always_inline int on_count(u32 nr, long result)
{
	u32 code = returned_code(nr, result);
	struct key key = {.code = code};
	struct total *total;
	u64 took;

	if (!is_wanted(code) || !filter_pass_current())
		return 0;
	took = latency();
	key.pid = bpf_get_current_pid_tgid() >> 32;
	if (result < 0 && result >= -MAX_ERRNO)
		key.error = -result;
	total = totals_find(&key);
	if (!total) {
		struct total first = {};

		event_fill_current((struct event_base *)&first);
		first.syscall = code;
		first.error = key.error;
		first.abi = abi_of(code);
		first.nr = nr_of(code, nr);
		total = totals_add(&key, &first);
		if (!total)
			return 0;
	}
	__sync_fetch_and_add(&total->count, 1);
	if (took) {
		__sync_fetch_and_add(&total->total_latency, took);
		if (took > total->max_latency) /* two at once: the longer one may be lost, by a moment */
			total->max_latency = took;
	}
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(count_btf, struct pt_regs *regs, long result)
{
	return on_count(SYSCALL_NR_TYPED(regs), result);
}

SEC("raw_tp/sys_exit")
int BPF_PROG(count_raw, struct pt_regs *regs, long result)
{
	return on_count(SYSCALL_NR(regs), result);
}

/* Every call. */

static __always_inline struct event *begin(struct pt_regs *regs, u32 code, u32 nr, enum kind kind)
{
	struct event *event = event_reserve(struct event);

	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	event->event = kind;
	event->syscall = code;
	event->error = 0;
	event->abi = abi_of(code);
	event->nr = nr_of(code, nr);
	event->returned = 0;
	event->latency = 0;
#pragma clang loop unroll(full)
	for (u32 index = 0; index < ARGS; index++)
		event->arguments[index] = syscall_arg(regs, code, index);
	return event;
}

static __always_inline int on_return(struct pt_regs *regs, u32 nr, long result)
{
	u32 code = returned_code(nr, result);
	struct event *event;
	u64 took;

	if (!is_wanted(code) || !filter_pass_current())
		return 0;
	took = latency();
	event = begin(regs, code, nr, KIND_CALL);
	if (!event)
		return 0;
	event->returned = result;
	event->latency = took;
	if (result < 0 && result >= -MAX_ERRNO)
		event->error = -result;
	event_submit(event);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(return_btf, struct pt_regs *regs, long result)
{
	return on_return(regs, SYSCALL_NR_TYPED(regs), result);
}

SEC("raw_tp/sys_exit")
int BPF_PROG(return_raw, struct pt_regs *regs, long result)
{
	return on_return(regs, SYSCALL_NR(regs), result);
}

static __always_inline int on_last(struct pt_regs *regs, u32 nr)
{
	u32 code = syscall_code_of(nr);
	struct event *event;

	if (!syscall_call(code) || !is_wanted(code) || !filter_pass_current())
		return 0;
	event = begin(regs, code, nr, KIND_CALL);
	if (event)
		event_submit(event);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(last_btf, struct pt_regs *regs, long nr)
{
	return on_last(regs, nr);
}

SEC("raw_tp/sys_enter")
int BPF_PROG(last_raw, struct pt_regs *regs, long nr)
{
	return on_last(regs, nr);
}

/* The first use by a process, where the call begins: so those that fail or never return are there as well. */

struct use {
	u32 pid;
	u32 code;
	u64 started; /* of the process: pids come back */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* a use that was forgotten is told again, never left out */
	__uint(max_entries, 65536);
	__type(key, struct use);
	__type(value, u8);
} uses SEC(".maps");

static __always_inline int on_first(struct pt_regs *regs, u32 nr)
{
	struct use use = {.pid = bpf_get_current_pid_tgid() >> 32, .code = syscall_code_of(nr)};
	struct event *event;
	u8 seen = 1;

	if (!is_wanted(use.code) || !filter_pass_current())
		return 0;
	use.started = BPF_CORE_READ(current_task(), group_leader, start_boottime);
	if (bpf_map_lookup_elem(&uses, &use))
		return 0;
	event = begin(regs, use.code, nr, KIND_FIRST);
	if (!event) /* it may be told at the next use */
		return 0;
	event_submit(event);
	bpf_map_update_elem(&uses, &use, &seen, BPF_ANY);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(first_btf, struct pt_regs *regs, long nr)
{
	return on_first(regs, nr);
}

SEC("raw_tp/sys_enter")
int BPF_PROG(first_raw, struct pt_regs *regs, long nr)
{
	return on_first(regs, nr);
}
