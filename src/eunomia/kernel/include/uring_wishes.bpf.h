/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Requests that say nothing when they succeed: what they were asked for is kept until the call that submits them is
 * over, and told then, unless they have said that they failed. Whoever includes this has, before:
 *
 *	struct wish { struct io_kiocb *asked; … };
 *	tell_unfailed(const struct wish *)		what has succeeded, or goes on.
 */
#ifndef __URING_WISHES_BPF_H
#define __URING_WISHES_BPF_H

#include "uring.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct uring_silent);
	__type(value, struct wish);
} wishes SEC(".maps");

/* What cannot be kept is told at once. */
static __always_inline int keep_wish(const struct wish *wish)
{
	struct uring_silent silent = {};

	if (uring_keep(wish->asked, &silent) && !bpf_map_update_elem(&wishes, &silent, wish, BPF_ANY))
		return 0;
	return tell_unfailed(wish);
}

/* One that would have been silent has failed, and says so. */
static __noinline int forget_wish(struct io_kiocb *asked)
{
	struct uring_silent silent = {.task = bpf_get_current_pid_tgid()};
	u32 *asks = bpf_map_lookup_elem(&uring_silents, &silent.task);
	struct wish *wish;

	if (!asks)
		return 0;
#pragma clang loop unroll(disable)
	for (u32 number = 0; number < URING_SILENT; number++) {
		if (number >= *asks)
			break;
		silent.number = number;
		wish = bpf_map_lookup_elem(&wishes, &silent);
		if (wish && wish->asked == asked)
			bpf_map_delete_elem(&wishes, &silent);
	}
	return 0;
}

/* The call is over, or begins to wait: what has not failed by then has succeeded or goes on. */
static __always_inline int tell_wishes(void)
{
	struct uring_silent silent = {};
	u32 asks = uring_silent_end(&silent);
	struct wish *wish;

#pragma clang loop unroll(disable)
	for (u32 number = 0; number < URING_SILENT; number++) {
		if (number >= asks)
			break;
		silent.number = number;
		wish = bpf_map_lookup_elem(&wishes, &silent);
		if (!wish)
			continue;
		tell_unfailed(wish);
		bpf_map_delete_elem(&wishes, &silent);
	}
	return 0;
}

#endif
