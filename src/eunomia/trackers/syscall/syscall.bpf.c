// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "latency.bpf.h"
#include "totals.bpf.h"
#include "types.h"

#define ENOSYS 38
#define ARGS 6
#define SHARES 16

enum kind {
	KIND_CALL,
	KIND_FIRST,
};

enum abi {
	ABI_NATIVE,
	ABI_COMPAT32,
	ABI_X32,
};

/* Those that never return, and those that also return in the process or thread that they make. */
enum call {
	CALL_OTHER,
	CALL_EXIT,
	CALL_EXIT_GROUP,
	CALL_CLONE,
	CALL_CLONE3,
	CALL_FORK,
	CALL_VFORK,
};

struct event {
	struct event_base;
	enum kind event DOC("call, or first: the program had not made this call before");
	syscall_nr_t syscall DOC("the call's name");
	errno_t error DOC("why it failed");
	enum abi abi DOC("native, compat32: by the 32-bit entry, or x32");
	u32 nr DOC("the call's number at that entry");
	syscall_result_t returned DOC("what it returned; nothing where it never returns, or has not yet");
	duration_ns_t latency DOC("how long it took, in nanoseconds, with --latency");
	hex_t arguments[ARGS] DOC("its arguments, as they are in the registers");
};

EVENTS(struct event, 8 * 1024 * 1024);

/*
 * One program, one call, one outcome. A pid alone would not do: what it stands for changes by an exec, by a move to a
 * container's cgroup, and when it is given out again.
 */
struct key {
	u32 pid;
	u16 call; /* its code, and above it which share of the threads this is */
	errno_t error;
	u64 program; /* the address space and the set of cgroups, told apart by where they lie */
};

struct total {
	struct event_base;
	u64 count DOC("how often it was made");
	duration_ns_t total_latency DOC("how long these calls took in all, in nanoseconds, with --latency");
	duration_ns_t max_latency DOC("how long the longest of them took, in nanoseconds, with --latency");
	enum abi abi DOC("native, compat32: by the 32-bit entry, or x32");
	syscall_nr_t syscall DOC("the call's name");
	errno_t error DOC("how it failed");
	u32 nr DOC("the call's number at that entry");
};

TOTALS(struct key, struct total, 32768);
TOTALS_FRONT(struct key);
CALLS(enum call);

const volatile bool timed DOC("whether calls are timed") = false;
const volatile bool chosen DOC("whether only some calls are wanted") = false;
const volatile u8 wanted[SYSCALL_CODES] DOC("which ones, by code") = {};
const volatile u16 sigreturn_codes[2] DOC("rt_sigreturn, by entry") = {};

/* What is in hand where a call begins, returns or is the last one. */
struct moment {
	struct task_struct *caller;
	struct pt_regs *regs;
	u32 code;
	u32 nr;
	s64 result;
	bool typed; /* whether regs may be followed: a constant of each program */
};

/* Whether it was asked for: the cheapest to know first. */
static __always_inline bool is_wanted(struct task_struct *caller, u32 code)
{
	if (chosen && (code >= SYSCALL_CODES || !wanted[code]))
		return false;
	return CURRENT_IS_TYPED ? filter_pass_typed(caller) : filter_pass_current();
}

static __always_inline bool is_last(u32 code)
{
	u32 call = syscall_call(code);

	return call == CALL_EXIT || call == CALL_EXIT_GROUP;
}

static __always_inline bool is_of_new_task(u32 code, long result)
{
	return !result && syscall_call(code) >= CALL_CLONE;
}

/*
 * rt_sigreturn() makes the kernel forget the number, so that the call which the signal interrupted is not restarted. A
 * program can ask for number -1 as well, and gets ENOSYS. What rt_sigreturn() seems to return is a restored register.
 */
static __always_inline bool is_sigreturn(u32 nr, long result)
{
	return nr == (u32)-1 && result != -ENOSYS;
}

static __always_inline struct moment returned(struct pt_regs *regs, u32 nr, long result, bool typed)
{
	struct moment at = {syscall_caller(), regs, 0, nr, result, typed};

	if (is_sigreturn(nr, result)) {
		at.code = sigreturn_codes[syscall_is_compat(at.caller)];
		at.result = SYSCALL_NO_RESULT;
	} else {
		at.code = syscall_code_by(at.caller, nr);
	}
	return at;
}

static __always_inline errno_t error_of(s64 result)
{
	return result < 0 && result >= -SYSCALL_MAX_ERRNO ? -result : 0;
}

static __always_inline u32 nr_of(u32 code, u32 nr)
{
	return code == SYSCALL_NONE ? nr : code % SYSCALL_ENTRY;
}

static __always_inline enum abi abi_of(u32 code)
{
	return code < SYSCALL_CODES ? code / SYSCALL_ENTRY : ABI_NATIVE;
}

static __always_inline int on_enter(u32 nr)
{
	struct task_struct *caller = syscall_caller();
	u32 code = syscall_code_by(caller, nr);

	if (is_wanted(caller, code))
		latency_begin(SYSCALL_CALLER(caller, pid), code);
	return 0;
}

/* How long the call took that returns; 0 when it began before we did, or nobody wants to know. */
static __always_inline u64 latency(const struct moment *at)
{
	return timed ? latency_end(SYSCALL_CALLER(at->caller, pid), at->code) : 0;
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

/* The difference of two pointers is the one thing about them that the verifier takes for a number. */
static __always_inline u64 program_of(struct task_struct *caller)
{
	return (u64)SYSCALL_CALLER(caller, mm) - (u64)SYSCALL_CALLER(caller, cgroups);
}

static __noinline struct total *add(const struct key *key, u32 turn, u32 code, u32 nr)
{
	struct total first = {};

	event_fill_current((struct event_base *)&first);
	BPF_CORE_READ_INTO(&first.comm, current_task(), group_leader, comm); /* threads have names of their own */
	first.syscall = code;
	first.error = key->error;
	first.abi = abi_of(code);
	first.nr = nr_of(code, nr);
	return totals_add_in(turn, key, &first);
}

/* `often`: from the program that every call comes to, the only one that may count in slots. */
static __always_inline int count_call(const struct moment *at, u64 took, bool often)
{
	u32 pid = SYSCALL_CALLER(at->caller, tgid), tid = SYSCALL_CALLER(at->caller, pid);
	struct key key = {.pid = pid, .error = error_of(at->result)};
	struct totals_slot *slot = 0;
	struct total *total;
	u32 turn;

	/* Threads of a process that make the same call on many CPUs would spend their time on one counter's cache line.
	 */
	key.call = (at->code & 0xfff) | (tid - pid) % SHARES << 12;
	key.program = program_of(at->caller);
	turn = totals_now();
	if (often && !timed)
		slot = totals_slot(turn, &key);
	if (slot && slot->count) {
		slot->count++;
		return 0;
	}
	total = totals_find_in(turn, &key) ?: add(&key, turn, at->code, at->nr);
	if (!total)
		return 0;
	if (slot)
		totals_take(slot, &key);
	else
		__sync_fetch_and_add(&total->count, 1);
	if (took)
		latency_add(&total->total_latency, &total->max_latency, took);
	return 0;
}

static __always_inline int on_count(struct pt_regs *regs, u32 nr, long result, bool typed)
{
	struct moment at = returned(regs, nr, result, typed);

	if (!is_wanted(at.caller, at.code) || is_of_new_task(at.code, result))
		return 0;
	return count_call(&at, latency(&at), true);
}

RELAY(count_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(count_btf, struct pt_regs *regs, long result)
{
	on_count(regs, SYSCALL_NR_TYPED(regs), result, true);
	relay(ctx, count_btf);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(count_raw, struct pt_regs *regs, long result)
{
	return on_count(regs, SYSCALL_NR(regs), result, false);
}

/* Every call. */

static __always_inline struct event *begin(const struct moment *at, enum kind kind)
{
	struct event *event = event_reserve(struct event);

	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	event->event = kind;
	event->syscall = at->code;
	event->error = error_of(at->result);
	event->abi = abi_of(at->code);
	event->nr = nr_of(at->code, at->nr);
	event->returned = at->result;
	event->latency = 0;
#pragma clang loop unroll(full)
	for (u32 index = 0; index < ARGS; index++)
		event->arguments[index] = syscall_arg_of(at->typed, at->regs, at->code, index);
	return event;
}

static __always_inline int on_return(struct pt_regs *regs, u32 nr, long result, bool typed)
{
	struct moment at = returned(regs, nr, result, typed);
	struct event *event;
	u64 took;

	if (!is_wanted(at.caller, at.code) || is_of_new_task(at.code, result))
		return 0;
	took = latency(&at);
	event = begin(&at, KIND_CALL);
	if (!event)
		return 0;
	event->latency = took;
	event_submit(event);
	return 0;
}

RELAY(return_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(return_btf, struct pt_regs *regs, long result)
{
	on_return(regs, SYSCALL_NR_TYPED(regs), result, true);
	relay(ctx, return_btf);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(return_raw, struct pt_regs *regs, long result)
{
	return on_return(regs, SYSCALL_NR(regs), result, false);
}

/*
 * The calls that never return. Where the thread ends its registers still have them, and that costs other calls nothing:
 * bpf_task_pt_regs(), 5.15. Elsewhere all calls are looked at where they begin.
 */

static __always_inline struct moment beginning(struct pt_regs *regs, u32 nr, bool typed)
{
	struct moment at = {syscall_caller(), regs, 0, nr, SYSCALL_NO_RESULT, typed};

	at.code = syscall_code_by(at.caller, nr);
	return at;
}

static __always_inline int on_last_count(struct pt_regs *regs, u32 nr, bool typed)
{
	struct moment at = beginning(regs, nr, typed);

	return is_last(at.code) && is_wanted(at.caller, at.code) ? count_call(&at, 0, false) : 0;
}

static __always_inline int on_last(struct pt_regs *regs, u32 nr, bool typed)
{
	struct moment at = beginning(regs, nr, typed);
	struct event *event;

	if (!is_last(at.code) || !is_wanted(at.caller, at.code))
		return 0;
	event = begin(&at, KIND_CALL);
	if (event)
		event_submit(event);
	return 0;
}

static __always_inline struct pt_regs *current_regs(void)
{
	return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(last_count_end)
{
	struct pt_regs *regs = current_regs();

	return on_last_count(regs, SYSCALL_NR_TYPED(regs), true);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(last_count_btf, struct pt_regs *regs, long nr)
{
	return on_last_count(regs, nr, true);
}

SEC("raw_tp/sys_enter")
int BPF_PROG(last_count_raw, struct pt_regs *regs, long nr)
{
	return on_last_count(regs, nr, false);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(last_end)
{
	struct pt_regs *regs = current_regs();

	return on_last(regs, SYSCALL_NR_TYPED(regs), true);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(last_btf, struct pt_regs *regs, long nr)
{
	return on_last(regs, nr, true);
}

SEC("raw_tp/sys_enter")
int BPF_PROG(last_raw, struct pt_regs *regs, long nr)
{
	return on_last(regs, nr, false);
}

/* The first use by a program, where the call begins: so those that fail, block or never return are there as well. */

struct use {
	u64 started; /* of the process: pids come back */
	u32 pid;
	u16 code;
	u16 execs; /* how many there have been before: what is run anew begins anew */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* a use that was forgotten is told again, never left out */
	__uint(max_entries, 65536);
	__type(key, struct use);
	__type(value, u8);
} uses SEC(".maps");

static __always_inline struct use use_of(const struct moment *at)
{
	struct task_struct___exec *program = (struct task_struct___exec *)at->caller;
	struct task_struct *leader = SYSCALL_CALLER(at->caller, group_leader);
	struct use use = {.pid = SYSCALL_CALLER(at->caller, tgid), .code = at->code};

	use.started = SYSCALL_CALLER(leader, start_boottime);
	use.execs = SYSCALL_CALLER(program, self_exec_id);
	return use;
}

static __always_inline int on_first(struct pt_regs *regs, u32 nr, bool typed)
{
	struct moment at = beginning(regs, nr, typed);
	struct event *event;
	struct use use;
	u8 seen = 1;

	if (!is_wanted(at.caller, at.code))
		return 0;
	use = use_of(&at);
	if (bpf_map_lookup_elem(&uses, &use))
		return 0;
	event = begin(&at, KIND_FIRST);
	if (!event) /* lost, and counted; the next use may be told instead */
		return 0;
	event_submit(event);
	bpf_map_update_elem(&uses, &use, &seen, BPF_ANY);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(first_btf, struct pt_regs *regs, long nr)
{
	return on_first(regs, nr, true);
}

SEC("raw_tp/sys_enter")
int BPF_PROG(first_raw, struct pt_regs *regs, long nr)
{
	return on_first(regs, nr, false);
}
