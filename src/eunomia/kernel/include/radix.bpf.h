/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel's radix trees (include/linux/xarray.h), in which things are found by small numbers: struct idr. */
#ifndef __RADIX_BPF_H
#define __RADIX_BPF_H

#include "eunomia.bpf.h"

#define RADIX_BITS 6 /* of an index at each step */
#define RADIX_SLOTS (1 << RADIX_BITS)
#define RADIX_LEAST_NODE 4096UL /* below it an entry is a value of the tree's own */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct xa_node {
	unsigned char shift;
	void *slots[RADIX_SLOTS];
};

struct xarray {
	void *xa_head;
};

struct idr {
	struct xarray idr_rt;
};

#pragma clang attribute pop

/* What a tree holds at an index of at most `depth`, a constant, times RADIX_BITS bits; NULL for nothing. */
static __always_inline void *radix_find(const void *head, u32 index, int depth)
{
	u64 entry = (u64)head;
	bool top = true;

#pragma clang loop unroll(full)
	for (int step = 0; step < depth; step++) {
		struct xa_node *node = (void *)(entry & ~3ULL);
		u32 shift, slot;

		if ((entry & 3) != 2 || entry < RADIX_LEAST_NODE) /* xa_is_node() */
			break;
		shift = BPF_CORE_READ(node, shift) & 31;
		if (top && (u64)index >> shift >> RADIX_BITS)
			return 0;
		top = false;
		slot = index >> shift & (RADIX_SLOTS - 1);
		if (bpf_probe_read_kernel(&entry, sizeof(entry),
					  (void *)node + bpf_core_field_offset(struct xa_node, slots) +
						  slot * sizeof(entry)))
			return 0;
	}
	/* A tree of nothing but index 0 is that entry itself. */
	return entry & 3 || (top && index) ? 0 : (void *)entry;
}

#endif
