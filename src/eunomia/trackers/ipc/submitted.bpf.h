/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Unix sockets that are connected by io_uring. */
#ifndef __IPC_SUBMITTED_BPF_H
#define __IPC_SUBMITTED_BPF_H

#include "unix.bpf.h"
#include "uring.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct io_connect {
	void *addr;
	int addr_len;
};

#pragma clang attribute pop

/* What was asked for: an address in the caller's memory. */
struct wish {
	struct io_kiocb *asked;
	const void *address;
	u32 length;
	u32 _unused;
};

/* Those that say nothing when they succeed, until the call that submits them is over. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct uring_silent);
	__type(value, struct wish);
} wishes SEC(".maps");

/* By the address that it was given. A global function: the verifier looks into it once, not for each number of a loop.
 */
__noinline int tell_connect(u64 address, u64 length)
{
	struct found *found;

	if (!is_unix_address((const void *)address))
		return 0;
	found = begin(OPERATION_UNIX_CONNECT, KIND_UNIX, 0);
	if (!found)
		return 0;
	read_user_address(found, (const void *)address, length);
	return report(found);
}

static __noinline int on_submitted(struct io_kiocb *asked)
{
	struct io_connect *connect = uring_arguments(asked);
	struct uring_silent silent = {};
	struct wish wish = {.asked = asked};

	if (BPF_CORE_READ(asked, opcode) != URING_CONNECT ||
	    (URING_KNOWS_REQUEST && !(BPF_CORE_READ(asked, flags) & URING_NO_COMPLETION)))
		return 0;
	wish.address = BPF_CORE_READ(connect, addr);
	wish.length = BPF_CORE_READ(connect, addr_len);
	if (!is_unix_address(wish.address) || !filter_pass_current())
		return 0;
	if (uring_keep(asked, &silent) && !bpf_map_update_elem(&wishes, &silent, &wish, BPF_ANY))
		return 0;
	return tell_connect((u64)wish.address, wish.length);
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
static __noinline int on_call_over(void)
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
		tell_connect((u64)wish->address, wish->length);
		bpf_map_delete_elem(&wishes, &silent);
	}
	return 0;
}

static __noinline int on_answer(const struct uring_answer *answer)
{
	struct io_kiocb *asked = answer ? answer->request : 0;
	struct io_connect *connect;

	if (!asked || BPF_CORE_READ(asked, opcode) != URING_CONNECT)
		return 0;
	if (answer->result < 0)
		forget_wish(asked);
	connect = uring_arguments(asked);
	return report_connect(unix_sock_behind(BPF_CORE_READ(asked, file)), BPF_CORE_READ(connect, addr),
			      BPF_CORE_READ(connect, addr_len), answer->result);
}

SEC("raw_tp/io_uring_submit_req")
int BPF_PROG(submit_req, u64 request)
{
	return on_submitted((void *)request);
}

SEC("raw_tp/io_uring_submit_sqe")
int BPF_PROG(submit_sqe, u64 first, u64 second)
{
	return on_submitted(uring_submitted(first, second));
}

SEC("raw_tp/io_uring_complete")
int BPF_PROG(uring_done, u64 first, u64 second, u64 third)
{
	struct uring_answer answer;

	uring_completed(first, second, third, &answer);
	return on_answer(&answer);
}

SEC("raw_tp/io_uring_cqring_wait")
int BPF_PROG(uring_wait, u64 ring, u64 events)
{
	return on_call_over();
}

#endif
