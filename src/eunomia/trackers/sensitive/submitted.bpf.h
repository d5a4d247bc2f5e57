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

static __always_inline int tell_unfailed(const struct wish *wish)
{
	return tell_wish(wish, NO_DESCRIPTOR);
}

#include "uring_wishes.bpf.h"

static __always_inline int on_submitted(struct io_kiocb *asked)
{
	struct wish wish = {};

	if (!is_socket(asked) || !(BPF_CORE_READ(asked, flags) & URING_NO_COMPLETION) || !filter_pass_current())
		return 0;
	read_wish(asked, &wish);
	return keep_wish(&wish);
}

static __always_inline int on_call_over(void)
{
	return tell_wishes();
}

static __always_inline int on_answer(const struct uring_answer *answer)
{
	struct wish wish = {};

	if (!answer->request || !is_socket(answer->request))
		return 0;
	if (answer->result < 0) {
		forget_wish(answer->request);
		if (!failed)
			return 0;
	}
	read_wish(answer->request, &wish);
	return tell_wish(&wish, answer->result);
}

#include "uring_hooks.bpf.h"

#endif
