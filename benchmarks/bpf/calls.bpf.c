// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* At every system call: nothing, and what a tracker does first. */
#include "eunomia.bpf.h"

SEC("raw_tp/sys_enter")
int empty_call(void *ctx)
{
	return 0;
}

static __noinline int passed(void)
{
	count(COUNTER_EMITTED);
	return 0;
}

SEC("raw_tp/sys_enter")
int filtered_call(void *ctx)
{
	return filter_pass_current() ? passed() : 0;
}
