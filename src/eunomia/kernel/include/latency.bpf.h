/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How long a system call took: noted where it begins, asked for where it returns. */
#ifndef __LATENCY_BPF_H
#define __LATENCY_BPF_H

#include "syscall.bpf.h"

/*
 * One entry for each thread, kept for its next call. It names its call, because threads that are killed leave theirs
 * behind and their ids come back.
 */
struct begun {
	u64 at;
	u32 code;
	u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct begun);
} begun SEC(".maps");

static __always_inline void latency_begin(u32 tid, u32 code)
{
	struct begun first = {.code = code}, *here = bpf_map_lookup_elem(&begun, &tid);

	first.at = bpf_ktime_get_ns();
	if (here)
		*here = first;
	else
		bpf_map_update_elem(&begun, &tid, &first, BPF_ANY);
}

/* Nanoseconds since; 0 when it began before we looked. */
static __always_inline u64 latency_end(u32 tid, u32 code)
{
	struct begun *here = bpf_map_lookup_elem(&begun, &tid);
	u64 took;

	if (!here || !here->at || here->code != code)
		return 0;
	took = bpf_ktime_get_ns() - here->at;
	here->at = 0;
	return took ?: 1;
}

static __always_inline void latency_add(u64 *total, u64 *most, u64 took)
{
	__sync_fetch_and_add(total, took);
	/* Two at once may overwrite each other, so look again. */
#pragma clang loop unroll(full)
	for (int again = 0; again < 3; again++)
		if (took > *(volatile u64 *)most)
			*(volatile u64 *)most = took;
}

#endif
