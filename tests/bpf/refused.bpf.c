// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs that work, and programs that fail at each step on the way into the kernel. */
#include "eunomia.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} refused_marks SEC(".maps");

struct event {
	struct event_base;
};

EVENTS(struct event, 4096);

static __always_inline int mark(u32 place)
{
	u32 zero = 0;
	u64 *value = bpf_map_lookup_elem(&refused_marks, &zero);

	if (value)
		value[place] += 1;
	return 0;
}

SEC("raw_tp/sys_enter")
int works_first(void *ctx)
{
	return mark(0);
}

SEC("raw_tp/sys_enter")
int works_second(void *ctx)
{
	return mark(0);
}

SEC("raw_tp/sys_enter")
int out_of_bounds(void *ctx)
{
	return mark(4);
}

SEC("raw_tp/sys_enter") /* which has two arguments: the kernel looks when a program is attached */
int attaches_never(u64 *ctx)
{
	return mark(0) + (ctx[5] & 1);
}

SEC("raw_tp/eunomia_no_such_tracepoint")
int ruled_out_raw(void *ctx)
{
	return mark(0);
}

SEC("tracepoint/eunomia/no_such_event")
int ruled_out(void *ctx)
{
	return mark(0);
}
