/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Sockets that are asked of io_uring: told when they are there; those of which nothing is said then, when the call
 * ends. */
#ifndef __SENSITIVE_SUBMITTED_BPF_H
#define __SENSITIVE_SUBMITTED_BPF_H

#include "uring.bpf.h"

#define NO_DESCRIPTOR 0x7fffffff

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct io_socket { /* since 5.19 */
	int domain;
	int type;
	int protocol;
	u32 file_slot;
};

#pragma clang attribute pop

/* What was asked for. */
struct wish {
	struct io_kiocb *asked;
	u32 domain;
	u32 type;
	u32 protocol;
	u32 slotted; /* the socket gets a place in the ring's own table, and no descriptor */
};

/* Those that say nothing when they succeed, until the call that submits them is over. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct uring_silent);
	__type(value, struct wish);
} wishes SEC(".maps");

static __always_inline bool is_socket(struct io_kiocb *asked)
{
	return bpf_core_type_exists(struct io_socket) && BPF_CORE_READ(asked, opcode) == URING_SOCKET;
}

static __noinline int read_wish(struct io_kiocb *asked, struct wish *wish)
{
	struct io_socket *socket = uring_arguments(asked);

	if (!wish)
		return 0;
	wish->asked = asked;
	wish->domain = BPF_CORE_READ(socket, domain);
	wish->type = BPF_CORE_READ(socket, type);
	wish->protocol = BPF_CORE_READ(socket, protocol);
	wish->slotted = BPF_CORE_READ(socket, file_slot) != 0;
	return 1;
}

/* Inline, as is all that calls it: `report` leads as deep as the kernel lets calls go. */
static __always_inline int tell_wish(const struct wish *wish, s64 result)
{
	struct request *request;
	struct returned *call;
	struct work *work;
	u32 zero = 0;

	work = bpf_map_lookup_elem(&works, &zero);
	if (!work)
		return 0;
	call = &work->call;
	request = &work->request;
	__builtin_memset(call, 0, sizeof(*call));
	call->args[0] = wish->domain;
	call->args[1] = wish->type;
	call->args[2] = wish->protocol;
	call->result = result >= 0 && wish->slotted ? NO_DESCRIPTOR : result;
	start(request);
	if (!read_socket(call, request, call->args) || !(wanted >> request->kind & 1) || !filter_pass_current() ||
	    !is_worth_it(request))
		return 0;
	if (request->fd == NO_DESCRIPTOR)
		request->fd = NONE;
	return report(0);
}

static __always_inline int on_submitted(struct io_kiocb *asked)
{
	struct uring_silent silent = {};
	struct wish wish = {};

	if (!is_socket(asked) || !(BPF_CORE_READ(asked, flags) & URING_NO_COMPLETION) || !filter_pass_current())
		return 0;
	read_wish(asked, &wish);
	if (uring_keep(asked, &silent) && !bpf_map_update_elem(&wishes, &silent, &wish, BPF_ANY))
		return 0;
	return tell_wish(&wish, NO_DESCRIPTOR);
}

/* One that would have been silent has failed, and says so. */
static __always_inline void forget_wish(struct io_kiocb *asked)
{
	struct uring_silent silent = {.task = bpf_get_current_pid_tgid()};
	u32 *asks = bpf_map_lookup_elem(&uring_silents, &silent.task);
	struct wish *wish;

	if (!asks)
		return;
#pragma clang loop unroll(disable)
	for (u32 number = 0; number < URING_SILENT; number++) {
		if (number >= *asks)
			break;
		silent.number = number;
		wish = bpf_map_lookup_elem(&wishes, &silent);
		if (wish && wish->asked == asked)
			bpf_map_delete_elem(&wishes, &silent);
	}
}

/* The call is over, or begins to wait: what has not failed by then has succeeded or goes on. */
static __always_inline int on_call_over(void)
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
		tell_wish(wish, NO_DESCRIPTOR);
		bpf_map_delete_elem(&wishes, &silent);
	}
	return 0;
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
	struct wish wish = {};

	uring_completed(first, second, third, &answer);
	if (!answer.request || !is_socket(answer.request))
		return 0;
	if (answer.result < 0) {
		forget_wish(answer.request);
		if (!failed)
			return 0;
	}
	read_wish(answer.request, &wish);
	return tell_wish(&wish, answer.result);
}

SEC("raw_tp/io_uring_cqring_wait")
int BPF_PROG(uring_wait, u64 ring, u64 events)
{
	return on_call_over();
}

#endif
