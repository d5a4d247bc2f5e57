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

/* One of which nothing is heard again is reported at once, by the address that it was given. */
static __noinline int on_submitted(struct io_kiocb *asked)
{
	struct io_connect *connect = uring_arguments(asked);
	struct found *found;
	void *address;

	if (BPF_CORE_READ(asked, opcode) != URING_CONNECT ||
	    (URING_KNOWS_REQUEST && !(BPF_CORE_READ(asked, flags) & URING_NO_COMPLETION)))
		return 0;
	address = BPF_CORE_READ(connect, addr);
	if (!is_unix_address(address))
		return 0;
	found = begin(OPERATION_UNIX_CONNECT, KIND_UNIX, 0);
	if (!found)
		return 0;
	read_user_address(found, address, BPF_CORE_READ(connect, addr_len));
	return report(found);
}

static __noinline int on_answer(const struct uring_answer *answer)
{
	struct io_kiocb *asked = answer ? answer->request : 0;
	struct io_connect *connect;

	if (!asked || BPF_CORE_READ(asked, opcode) != URING_CONNECT)
		return 0;
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

#endif
