/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Sockets that are asked of io_uring: told when they are there, or at once where nothing is said of them later. */
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

static __always_inline int on_uring_socket(struct io_kiocb *asked, s32 result)
{
	struct io_socket *socket = uring_arguments(asked);
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
	call->args[0] = (u32)BPF_CORE_READ(socket, domain);
	call->args[1] = (u32)BPF_CORE_READ(socket, type);
	call->args[2] = (u32)BPF_CORE_READ(socket, protocol);
	call->result = result >= 0 && BPF_CORE_READ(socket, file_slot) ? NO_DESCRIPTOR : result;
	start(request);
	if (!read_socket(call, request, call->args) || !(wanted >> request->kind & 1) || !filter_pass_current() ||
	    !is_worth_it(request))
		return 0;
	if (request->fd == NO_DESCRIPTOR)
		request->fd = NONE;
	return report(0);
}

static __always_inline bool is_socket(struct io_kiocb *asked)
{
	return bpf_core_type_exists(struct io_socket) && BPF_CORE_READ(asked, opcode) == URING_SOCKET;
}

static __always_inline int on_submitted(struct io_kiocb *asked)
{
	if (!is_socket(asked) || !(BPF_CORE_READ(asked, flags) & URING_NO_COMPLETION))
		return 0;
	return on_uring_socket(asked, NO_DESCRIPTOR);
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
	if (!answer.request || !is_socket(answer.request) || (answer.result < 0 && !failed))
		return 0;
	return on_uring_socket(answer.request, answer.result);
}

#endif
