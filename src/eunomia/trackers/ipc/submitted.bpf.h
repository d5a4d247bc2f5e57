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

static __always_inline int tell_unfailed(const struct wish *wish)
{
	return tell_connect((u64)wish->address, wish->length);
}

#include "uring_wishes.bpf.h"

static __noinline int on_submitted(struct io_kiocb *asked)
{
	struct io_connect *connect = uring_arguments(asked);
	struct wish wish = {.asked = asked};

	if (BPF_CORE_READ(asked, opcode) != URING_CONNECT ||
	    (URING_KNOWS_REQUEST && !(BPF_CORE_READ(asked, flags) & URING_NO_COMPLETION)))
		return 0;
	wish.address = BPF_CORE_READ(connect, addr);
	wish.length = BPF_CORE_READ(connect, addr_len);
	if (!is_unix_address(wish.address) || !filter_pass_current())
		return 0;
	return keep_wish(&wish);
}

static __noinline int on_call_over(void)
{
	return tell_wishes();
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

#include "uring_hooks.bpf.h"

#endif
