// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts on demand: a call of setpriority(2) with a `which` that there is not, by its second argument. */
#include "syscall.bpf.h"
#include "totals.bpf.h"

enum call {
	CALL_OTHER,
	CALL_SETPRIORITY,
};

struct key {
	u32 pid;
	u32 number;
};

struct total {
	struct event_base;
	u64 count DOC("how often it was called");
	u32 number DOC("as the caller says it");
	syscall_nr_t syscall DOC("which call it was");
};

TOTALS(struct key, struct total, 256);
TOTALS_FRONT(struct key);
CALLS(enum call);

const volatile u32 tally_pid = 0;
const volatile bool tally_front = false;

static __always_inline int count_call(const struct key *key, u32 code)
{
	struct totals_slot *slot = 0;
	struct total *total, first = {};
	u32 turn = totals_now();

	if (tally_front)
		slot = totals_slot(turn, key);
	if (slot && slot->count) {
		slot->count++;
		return 0;
	}
	total = totals_find_in(turn, key);
	if (!total) {
		event_fill((struct event_base *)&first, current_task());
		first.number = key->number;
		first.syscall = code;
		total = totals_add_in(turn, key, &first);
	}
	if (total && slot)
		totals_take(slot, key);
	else if (total)
		__sync_fetch_and_add(&total->count, 1);
	return 0;
}

static __always_inline int on_exit(struct pt_regs *regs)
{
	struct key key = {.pid = bpf_get_current_pid_tgid() >> 32};
	u32 code = syscall_code(regs);

	if (key.pid != tally_pid || syscall_call(code) != CALL_SETPRIORITY)
		return 0;
	key.number = syscall_arg(regs, code, 1);
	return count_call(&key, code);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tally_btf, struct pt_regs *regs)
{
	return on_exit(regs);
}

SEC("raw_tp/sys_exit")
int BPF_PROG(tally_raw, struct pt_regs *regs)
{
	return on_exit(regs);
}
