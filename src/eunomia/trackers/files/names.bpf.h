/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The names of files whose reading is reported: reads.py lays them out. Names are padded with zeros and sorted by a
 * hash of them; `read_starts` says where in the table those of each hash begin.
 */
#ifndef __FILES_NAMES_BPF_H
#define __FILES_NAMES_BPF_H

#include "place.bpf.h"
#include "words.bpf.h"

#define READ_PLACES 512
#define READ_PLACE_BITS 9
#define READ_NAME_BYTES 64
#define READ_NAME_WORDS (READ_NAME_BYTES / 8)
#define READ_GROUPS 256 /* by the highest byte of a hash, which all of the name has a part in */

const volatile u64 read_names[READ_PLACES][READ_NAME_WORDS] DOC("the names, each at its place") = {};
const volatile u16 read_numbers[READ_GROUPS] DOC("what leads the names of a group to their places") = {};

static __always_inline u32 read_name_place(const u64 *name)
{
	u64 hash = 0;

#pragma clang loop unroll(full)
	for (int word = 0; word < READ_NAME_WORDS; word++) {
		if (!name[word])
			break;
		hash = (hash ^ name[word]) * HASH_PRIME;
		hash ^= hash >> 32;
	}
	return ((hash ^ read_numbers[hash >> 56]) * HASH_PRIME) >> (64 - READ_PLACE_BITS);
}

static __always_inline bool is_read_name(const u64 *name)
{
	u32 place = read_name_place(name);

#pragma clang loop unroll(full)
	for (int word = 0; word < READ_NAME_WORDS; word++) {
		if (read_names[place][word] != name[word])
			return false;
		if (!name[word])
			break;
	}
	return true;
}

/* Whether the file that was found has one of the names. */
static __always_inline bool is_read_name_of(struct dentry *dentry)
{
	u64 name[READ_NAME_WORDS] = {};
	u32 length = BPF_CORE_READ(dentry, d_name.len);
	const unsigned char *from = BPF_CORE_READ(dentry, d_name.name);

	if (!length || length >= READ_NAME_BYTES)
		return false;
	barrier_var(length); /* what is checked must be the very register that is used */
	if (bpf_probe_read_kernel(name, length & (READ_NAME_BYTES - 1), from))
		return false;
	return is_read_name(name);
}

/* Whether the name that a call was given, which has been read, ends in one of them. */
static __always_inline bool is_read_name_given(struct place *place)
{
	u64 name[READ_NAME_WORDS] = {};
	u32 end = place->name_len, length = 0;

#pragma clang loop unroll(disable)
	for (u32 back = 1; back < READ_NAME_BYTES; back++) {
		if (back > end || place->name[(end - back) & (NAMED_BYTES - 1)] == '/')
			break;
		length = back;
	}
	if (!length || length > end || length >= READ_NAME_BYTES)
		return false;
	barrier_var(length);
	if (bpf_probe_read_kernel(name, length & (READ_NAME_BYTES - 1), &place->name[within(end - length)]))
		return false;
	return is_read_name(name);
}

#endif
