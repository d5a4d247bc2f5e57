/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Requests of io_uring, which are no system calls: seen where they are submitted, when the kernel has taken the
 * caller's names and addresses over, and where they complete. Whoever does not use io_uring does not come here.
 *
 * A request is submitted and completed with the same ring and the same number of the caller's (user_data), which is how
 * the two are joined: only later kernels say at its completion which request it was (uring_completed()).
 */
#ifndef __URING_BPF_H
#define __URING_BPF_H

#include "eunomia.bpf.h"

enum uring_operation { /* include/uapi/linux/io_uring.h */
		       URING_CONNECT = 16,
		       URING_OPENAT = 18,
		       URING_OPENAT2 = 28,
		       URING_RENAMEAT = 35,
		       URING_UNLINKAT = 36,
		       URING_MKDIRAT = 37,
		       URING_SYMLINKAT = 38,
		       URING_LINKAT = 39,
		       URING_SOCKET = 45,
		       URING_FTRUNCATE = 55,
};

#define URING_FIXED_FILE (1 << 0)    /* IOSQE_FIXED_FILE: its file is of the ring's own table */
#define URING_NO_COMPLETION (1 << 6) /* IOSQE_CQE_SKIP_SUCCESS: nothing is said of it when it succeeds */
#define URING_POLLED (1 << 1)	     /* IORING_SETUP_SQPOLL: a thread of the kernel's takes the ring's requests */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct io_cqe {
	u64 user_data;
	s32 res;
	s32 fd; /* until it completes: the descriptor that it is about, since 5.19 */
};

struct io_ring_ctx {
	u32 flags;
};

/* Its first member shares its place with what an operation keeps of its arguments. */
struct io_kiocb {
	void *file;
	u8 opcode;
	u32 flags; /* the lower half, since 6.8 */
	struct io_ring_ctx *ctx;
	struct io_cqe cqe;
};

struct io_kiocb___until_5_18 {
	u64 user_data;
};

struct trace_event_raw_io_uring_submit_sqe___since_5_15 { /* and since 5.10.162 */
	void *req;
};

struct trace_event_raw_io_uring_complete___since_5_18 {
	void *req;
};

#pragma clang attribute pop

/* What a completion says: `request` where the kernel tells it. */
struct uring_answer {
	u64 ring;
	struct io_kiocb *request;
	u64 user_data;
	s32 result;
};

#define URING_KNOWS_REQUEST bpf_core_field_exists(((struct trace_event_raw_io_uring_complete___since_5_18 *)0)->req)

/* What an operation keeps of its arguments: struct io_open and its like. */
static __always_inline void *uring_arguments(struct io_kiocb *request)
{
	return (void *)request + bpf_core_field_offset(struct io_kiocb, file);
}

/* Functions of their own: the compiler would load a member's offset early, where the kernel has no such member. */
static __noinline u64 uring_user_data_until_5_18(struct io_kiocb *request)
{
	return BPF_CORE_READ((struct io_kiocb___until_5_18 *)request, user_data);
}

static __noinline u64 uring_user_data_since(struct io_kiocb *request)
{
	return BPF_CORE_READ(request, cqe.user_data);
}

static __noinline s64 uring_result(struct io_kiocb *request)
{
	return BPF_CORE_READ(request, cqe.res);
}

static __always_inline u64 uring_user_data(struct io_kiocb *request)
{
	return bpf_core_field_exists(((struct io_kiocb *)0)->cqe) ? uring_user_data_since(request)
								  : uring_user_data_until_5_18(request);
}

/*
 * The request of io_uring_submit_sqe, which is called (ring, request, …) first and (request, …) from 6.0 on. Where it
 * does not tell the request at all, the loader finds no such member, and the kernel refuses the program.
 */
static __always_inline struct io_kiocb *uring_submitted(u64 first, u64 second)
{
	struct io_kiocb *request = (void *)second;
	u32 told = bpf_core_field_offset(struct trace_event_raw_io_uring_submit_sqe___since_5_15, req);

	return told && BPF_CORE_READ(request, ctx) == (void *)first ? request : (void *)first;
}

/*
 * Requests that say nothing when they succeed do say when they fail, which nearly all do before the call that submits
 * them returns, or begins to wait: until then they are kept, by task and number. How many a task has:
 */
#define URING_SILENT 16

/* Small, for it lies on the stack: a chain of calls has 512 bytes in all, and that of `sensitive` needs every one. */
struct uring_silent {
	u32 task; /* thread id as the host sees it */
	u32 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, u32);
} uring_silents SEC(".maps");

/* Whether such a request can be kept, and as which. Where a thread of the kernel's submits it, no call returns. */
static __always_inline bool uring_keep(struct io_kiocb *asked, struct uring_silent *silent)
{
	u32 *asks, none = 0;

	if (!URING_KNOWS_REQUEST || BPF_CORE_READ(asked, ctx, flags) & URING_POLLED)
		return false;
	silent->task = bpf_get_current_pid_tgid();
	bpf_map_update_elem(&uring_silents, &silent->task, &none, BPF_NOEXIST);
	asks = bpf_map_lookup_elem(&uring_silents, &silent->task);
	if (!asks || *asks >= URING_SILENT) {
		count(COUNTER_UNANSWERED);
		return false;
	}
	silent->number = (*asks)++; /* the task's own: nobody else counts there */
	return true;
}

/* How many the current task has; none has it from now on. */
static __always_inline u32 uring_silent_end(struct uring_silent *silent)
{
	u32 *asks, number;

	silent->task = bpf_get_current_pid_tgid();
	asks = bpf_map_lookup_elem(&uring_silents, &silent->task);
	number = asks ? *asks : 0;
	if (number)
		bpf_map_delete_elem(&uring_silents, &silent->task);
	return number;
}

/* The arguments of io_uring_complete: (ring, user_data, result) until 5.17, then (ring, request, …). */
static __always_inline void uring_completed(u64 first, u64 second, u64 third, struct uring_answer *answer)
{
	struct io_kiocb *request = (void *)second;

	answer->ring = first;
	if (URING_KNOWS_REQUEST) {
		answer->request = request;
		answer->user_data = uring_user_data_since(request);
		answer->result = uring_result(request);
	} else {
		answer->request = 0;
		answer->user_data = second;
		answer->result = third;
	}
}

#endif
