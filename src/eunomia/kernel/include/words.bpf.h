/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Keys as words of 8 bytes: hashed and compared by programs themselves. */
#ifndef __WORDS_BPF_H
#define __WORDS_BPF_H

#include "vmlinux.h"

#define HASH_PRIME 0x9e3779b97f4a7c15ULL

static __always_inline u64 hash_words(const u64 *words, u32 count)
{
	u64 hash = 0;

#pragma clang loop unroll(full)
	for (u32 index = 0; index < count; index++)
		hash = (hash ^ words[index]) * HASH_PRIME;
	return hash;
}

static __always_inline bool same_words(const u64 *words, const u64 *others, u32 count)
{
	u64 differ = 0;

#pragma clang loop unroll(full)
	for (u32 index = 0; index < count; index++)
		differ |= words[index] ^ others[index];
	return !differ;
}

#endif
