/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Histograms of times: the slot that one is counted in. */
#ifndef __SLOT_BPF_H
#define __SLOT_BPF_H

#include "eunomia.bpf.h"

/*
 * The smallest n with 2^n us at least as long. A global function: the verifier looks into it once, and its many ways
 * are one for those who call it.
 */
__noinline u32 log2_us(u64 took_ns)
{
	u64 rest = took_ns ? (took_ns - 1) / 1000 : 0;
	u32 n = 0;

#pragma clang loop unroll(full)
	for (u32 bit = 32; bit; bit /= 2)
		if (rest >> bit) {
			rest >>= bit;
			n += bit;
		}
	return n + !!rest;
}

#endif
