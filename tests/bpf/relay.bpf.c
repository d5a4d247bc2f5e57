// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts the system calls of one process: by a program that relays, and by one that does not. */
#include "eunomia.bpf.h"

struct event {
	struct event_base;
};

EVENTS(struct event, 4096);

const volatile u32 relay_pid = 0;

static __always_inline void count_mine(void)
{
	if (bpf_get_current_pid_tgid() >> 32 == relay_pid)
		count(COUNTER_EMITTED);
}

RELAY(relay_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(relay_btf)
{
	count_mine();
	relay(ctx, relay_btf);
	return 0;
}

RELAY(enter_btf);

SEC("tp_btf/sys_enter")
int BPF_PROG(enter_btf)
{
	count_mine();
	relay(ctx, enter_btf);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(alone_btf)
{
	count_mine();
	return 0;
}
