// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Maps of several types for tests that read them; there is no program here. */
#include "eunomia.bpf.h"

#define DEVMAP_HASH 25 /* enum bpf_map_type, of 5.4: has no batched look-up */

struct pair {
	u64 first;
	u32 second;
	u32 third;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 20000);
	__type(key, u64);
	__type(value, struct pair);
} t_hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 20000);
	__type(key, struct pair);
	__type(value, u8);
} t_lru SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, u64);
} t_array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 5000);
	__type(key, u32);
	__type(value, struct pair);
} t_odd_array SEC(".maps");

struct {
	__uint(type, DEVMAP_HASH);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, u32);
} t_devices SEC(".maps");
