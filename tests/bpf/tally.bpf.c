// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts on demand: a call of setpriority(2) with a `which` that there is not, by its second argument. */
#include "syscall.bpf.h"

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
CALLS(enum call);

const volatile u32 tally_pid = 0;

static __always_inline int on_exit(struct pt_regs *regs)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct key key = {.pid = bpf_get_current_pid_tgid() >> 32};
	u32 code = syscall_code(regs);
	struct total *total, first = {};

	if (key.pid != tally_pid || syscall_call(code) != CALL_SETPRIORITY)
		return 0;
	key.number = syscall_arg(regs, code, 1);
	total = totals_find(&key);
	if (!total) {
		event_fill((struct event_base *)&first, task);
		first.number = key.number;
		first.syscall = code;
		total = totals_add(&key, &first);
	}
	if (total)
		__sync_fetch_and_add(&total->count, 1);
	return 0;
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
