/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The programs on io_uring's tracepoints. Whoever includes this has, before:
 *
 *	on_submitted(struct io_kiocb *)			a request is taken over,
 *	on_answer(const struct uring_answer *)		one is answered,
 *	on_call_over(void)				the call that submits is over, or begins to wait.
 */
#ifndef __URING_HOOKS_BPF_H
#define __URING_HOOKS_BPF_H

#include "uring.bpf.h"

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
