/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Events at any rate: `prctl(PR_SET_NAME)` of one thread makes as many as were asked for. The hook is no system call's
 * tracepoint, so the rest of the machine does not pay for it. Each event is filtered and filled as a tracker's is.
 */
#ifndef __FLOOD_BPF_H
#define __FLOOD_BPF_H

#include "eunomia.bpf.h"

#define MOST_EVENTS 1000

enum kind {
	KIND_FIRST,
	KIND_LATER,
};

const volatile u32 producer_tid = 0;
const volatile u32 events_per_call = 1;

#define FLOOD(emit)                                                                                                    \
	static __always_inline int on_rename(void)                                                                     \
	{                                                                                                              \
		if ((u32)bpf_get_current_pid_tgid() != producer_tid)                                                   \
			return 0;                                                                                      \
		for (u32 index = 0; index < MOST_EVENTS && index < events_per_call; index++)                           \
			emit(index);                                                                                   \
		return 0;                                                                                              \
	}                                                                                                              \
                                                                                                                       \
	SEC("tp_btf/task_rename")                                                                                      \
	int BPF_PROG(flood_btf, struct task_struct *task, const char *comm)                                            \
	{                                                                                                              \
		return on_rename();                                                                                    \
	}                                                                                                              \
                                                                                                                       \
	SEC("raw_tp/task_rename")                                                                                      \
	int BPF_PROG(flood_raw, struct task_struct *task, const char *comm)                                            \
	{                                                                                                              \
		return on_rename();                                                                                    \
	}

#endif
