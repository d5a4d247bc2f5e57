// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Events on demand: a system call of one process, of a number that nobody uses, says what becomes of each record. */
#include "eunomia.bpf.h"

struct event {
	struct event_base;
	u64 number DOC("as the caller says it");
	char text[13];
};

EVENTS(struct event, 64 * 1024);

const volatile u32 flood_pid = 0;
const volatile u32 flood_syscall = 0;

enum flood {
	FLOOD_EMIT,
	FLOOD_DISCARD,
};

static __always_inline int on_enter(struct pt_regs *regs, long id)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct event *event;

	if (bpf_get_current_pid_tgid() >> 32 != flood_pid || id != flood_syscall)
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill((struct event_base *)event, task);
	event->number = PT_REGS_PARM2_CORE_SYSCALL(regs);
	__builtin_memcpy(event->text, "thirteen char", 13);
	if (PT_REGS_PARM1_CORE_SYSCALL(regs) == FLOOD_DISCARD)
		bpf_ringbuf_discard(event, 0);
	else
		event_submit(event);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(flood_btf, struct pt_regs *regs, long id)
{
	return on_enter(regs, id);
}

SEC("raw_tp/sys_enter")
int BPF_PROG(flood_raw, struct pt_regs *regs, long id)
{
	return on_enter(regs, id);
}
