/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Changing the filter from within the kernel. */
#ifndef __FOLLOW_BPF_H
#define __FOLLOW_BPF_H

#include "eunomia.bpf.h"

enum {
	WATCHED = 1,
	UNDECIDED = 2, /* passes for now; user space confirms it or takes it out */
};

/* The programs' half of a value's slot; both architectures have the low half first. */
static __always_inline void count_value(u64 value, s32 change)
{
	__sync_fetch_and_add((s32 *)filter_slot(value), change);
}

static __always_inline void put(u64 kind, u64 value, u8 state)
{
	struct filter_key key = {.kind = kind, .value = value};

	count_value(value, 1);
	if (!bpf_map_update_elem(&filter, &key, &state, BPF_NOEXIST))
		return;
	count_value(value, -1);
	if (!filter_holds(kind, value))
		count(COUNTER_FILTER_FULL);
}

static __always_inline void take_out(u64 kind, u64 value)
{
	struct filter_key key = {.kind = kind, .value = value};

	/* Looking first takes no lock, and nearly everything that goes is none of ours. */
	if (filter_find(kind, value) && !bpf_map_delete_elem(&filter, &key))
		count_value(value, -1);
}

#endif
