// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which system calls, and which values of some of their arguments, have been used in each cgroup.
 *
 * A row says of 256 numbers in turn, a page, which of them were met: codes of calls, or values of one argument of one
 * call. Each has a byte of its own, since to store one needs no atomic operation, which programs have but since 5.12.
 *
 * Nothing can be lost between a use and its row: what is not yet marked is marked before the call goes on, on whatever
 * CPU; rows are taken out only when no program is at work in their table any more (TOTALS); and in the other table all
 * is unmarked again. A use that a full table has no room for is counted.
 *
 * Calls are looked at where they begin, since some never return. What a seccomp filter refuses does not come that far.
 */
#include "syscall.bpf.h"
#include "arrivals.bpf.h"
#include "totals.bpf.h"
#include "types.h"

#define PAGE 256
#define MOST_PAGES 64 /* of one argument; with more nothing can be said of it */

enum phase {
	PHASE_RUNTIME,
	PHASE_RUNTIME_FILTERED,
	PHASE_WORKLOAD,
};

/*
 * The calls with an argument that profiles restrict. Docker's own profile looks at that of clone, personality and
 * socket; of the others some values are dangerous and the rest is everyday: namespaces (unshare, setns), typing into a
 * terminal (ioctl TIOCSTI), kernel keys, reading other processes, loading programs into the kernel. Seccomp cannot look
 * behind pointers, so clone3's flags and what 32-bit socketcall is given are out of its reach.
 */
enum call {
	CALL_OTHER,
	/* The first argument: */
	CALL_BPF,
	CALL_CLONE,
	CALL_KEYCTL,
	CALL_PERSONALITY,
	CALL_PRCTL,
	CALL_PTRACE,
	CALL_SOCKET,
	CALL_SOCKETCALL,
	CALL_SOCKETPAIR,
	CALL_UNSHARE,
	/* The second: */
	CALL_IOCTL,
	CALL_SETNS,
};

/* Equal layouts of key and row in this: what numbers they are. */
struct key {
	u64 cgroup_id;
	u64 page;
	u16 code; /* SYSCALL_NONE: they are codes of calls */
	u8 argument;
	u8 phase;
	u32 _pad;
};

struct total {
	struct event_base;
	u64 page DOC("from which number on, in pages");
	enum phase phase DOC("runtime (before the first exec), runtime_filtered (bound by seccomp), or workload");
	u32 pages DOC("how many more pages of this argument there are");
	u16 code DOC("the call whose argument it is; none where the numbers are calls");
	u8 argument DOC("which argument, from 0");
	bool too_many DOC("whether there were more values than are kept");
	u8 _pad[4];
	u8 seen[PAGE] DOC("which of the numbers were met");
};

TOTALS(struct key, struct total, 16384);
CALLS(enum call);

const volatile bool arguments DOC("whether values of arguments are told") = true;

/* A row is too much for the stack. The bytes of `seen` stay zeros here. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct total);
} blank SEC(".maps");

static __always_inline struct total *put(const struct key *key)
{
	u32 zero = 0;
	struct total *first = bpf_map_lookup_elem(&blank, &zero);

	if (!first)
		return 0;
	event_fill_current((struct event_base *)first);
	first->page = key->page;
	first->phase = key->phase;
	first->pages = 0;
	first->code = key->code;
	first->argument = key->argument;
	first->too_many = false;
	return totals_add(key, first);
}

/* Whether an argument may have another page. Its first one counts them: about, since nobody waits for anybody. */
static __noinline bool has_room(const struct key *key)
{
	struct key head = *key;
	struct total *first;

	head.page = 0;
	first = totals_find(&head) ?: put(&head);
	if (!first)
		return false;
	if (first->pages >= MOST_PAGES) {
		first->too_many = true;
		return false;
	}
	__sync_fetch_and_add(&first->pages, 1);
	return true;
}

static __always_inline struct total *add(const struct key *key)
{
	if (key->code != SYSCALL_NONE && key->page && !has_room(key))
		return 0;
	return put(key);
}

static __always_inline enum phase phase_in(u64 cgroup_id)
{
	struct task_struct___usage *task = (struct task_struct___usage *)current_task();

	if (!is_arrival(cgroup_id))
		return PHASE_WORKLOAD;
	return BPF_CORE_READ(task, seccomp.mode) == SECCOMP_MODE_FILTER ? PHASE_RUNTIME_FILTERED : PHASE_RUNTIME;
}

/* The workload has not used it in this turn, so it matters whose doing it is. */
static __noinline int first_use(const struct key *of_workload, u32 place)
{
	struct key key = *of_workload;
	struct total *row;

	key.phase = phase_in(key.cgroup_id);
	row = totals_find(&key) ?: add(&key);
	if (row)
		row->seen[place % PAGE] = 1;
	return 0;
}

static __always_inline void use(struct key *key, u64 number)
{
	u32 place = number % PAGE;
	struct total *row;

	key->page = number / PAGE;
	row = totals_find(key);
	if (!row || !row->seen[place])
		first_use(key, place);
}

static __always_inline u64 value_of(struct pt_regs *regs, u32 code, u32 call, bool typed)
{
	u64 value = call < CALL_IOCTL ? syscall_arg_of(typed, regs, code, 0) : syscall_arg_of(typed, regs, code, 1);

	/* The kernel takes 32 bits of a request, and libraries differ in what they put above. */
	return call == CALL_IOCTL ? (u32)value : value;
}

static __always_inline int on_enter(struct pt_regs *regs, u32 nr, bool typed)
{
	struct key key = {.code = SYSCALL_NONE, .phase = PHASE_WORKLOAD};
	struct task_struct *caller = syscall_caller();
	u32 code, call;

	if (!(CURRENT_IS_TYPED ? filter_pass_typed(caller) : filter_pass_current()))
		return 0;
	code = syscall_code_by(caller, nr);
	if (code >= SYSCALL_CODES)
		return 0;
	key.cgroup_id = CURRENT_IS_TYPED ? typed_task_cgroup_id(caller) : task_cgroup_id(caller);
	use(&key, code);
	call = calls[code];
	if (!arguments || call == CALL_OTHER)
		return 0;
	key.code = code;
	key.argument = call >= CALL_IOCTL;
	use(&key, value_of(regs, code, call, typed));
	return 0;
}

RELAY(use_btf);

SEC("tp_btf/sys_enter")
int BPF_PROG(use_btf, struct pt_regs *regs, long nr)
{
	on_enter(regs, nr, true);
	relay(ctx, use_btf);
	return 0;
}

SEC("raw_tp/sys_enter")
int BPF_PROG(use_raw, struct pt_regs *regs, long nr)
{
	return on_enter(regs, nr, false);
}
