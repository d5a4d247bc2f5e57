/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The same calls, asked of io_uring. A request waits here from its submission, where it is known who asks and by what
 * name, until its completion, where it is known what came of it. One that says nothing when it succeeds is reported as
 * having succeeded unless it has failed by the end of the call; if it fails later, it is reported again. One that has
 * waited for the longest time is reported, as if it had succeeded, when there is no room for another; that is counted.
 */
#ifndef __FILES_SUBMITTED_BPF_H
#define __FILES_SUBMITTED_BPF_H

#include "uring.bpf.h"

#define WAITING 256
#define WAITERS (4 * WAITING)
#define GIVE_UPS 32
#define E2BIG 7
#define EEXIST 17
#define ECANCELED 125
#if defined(__TARGET_ARCH_arm64)
#define O_LARGEFILE 0400000 /* which io_uring puts there by itself */
#else
#define O_LARGEFILE 0100000
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct filename {
	const char *name;
};

struct open_how {
	u64 flags;
	u64 mode;
};

struct io_open {
	int dfd;
	u32 file_slot;
	struct filename *filename;
	struct open_how how;
};

struct io_rename {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

struct io_unlink {
	int dfd;
	int flags;
	struct filename *filename;
};

struct io_mkdir {
	int dfd;
	unsigned short mode;
	struct filename *filename;
};

struct io_link { /* since 5.19; before, one type for each kind */
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

struct io_symlink {
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
};

struct io_hardlink {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

struct io_ftrunc { /* since 6.9 */
	s64 len;
};

#pragma clang attribute pop

/* What was asked, by ring and the caller's number for it; of what is silent by the request's address, which is even. */
struct waiting_key {
	u64 ring;
	u64 user_data;
};

struct waiting {
	struct event event;
	struct request request; /* here for want of room on the stack */
	struct io_kiocb *asked;
	u64 user_data;
	u8 opcode;
	u8 told;       /* as having succeeded; it may still fail */
	u8 unasked;    /* only reads, and the name that was given is not one of those to report */
	u8 descriptor; /* the file gets one, and not a place in the ring's own table */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WAITING);
	__type(key, struct waiting_key);
	__type(value, struct waiting);
} waitings SEC(".maps");

/* The order in which they came; those that wait no longer among them, whose time is not that of what waits then. */
struct waiter {
	struct waiting_key key;
	u64 time;
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, WAITERS);
	__type(value, struct waiter);
} waiters SEC(".maps");

/* Of what is silent: requests that a task has submitted in its current call. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WAITING);
	__type(key, struct uring_silent);
	__type(value, u64);
} silent_requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct waiting);
} new_waitings SEC(".maps");

/*
 * What operations keep of their arguments, each in a function of its own: the compiler would load a member's offset
 * early, where the kernel has no such type. The names are the kernel's own copies.
 */
static __always_inline u64 copied(struct filename *filename)
{
	return (u64)BPF_CORE_READ(filename, name);
}

static __noinline int read_submitted_open(struct io_open *open, struct request *request)
{
	if (!request)
		return 0;
	request->kind = KIND_OPEN;
	request->dirfd = BPF_CORE_READ(open, dfd);
	request->name = copied(BPF_CORE_READ(open, filename));
	request->flags = BPF_CORE_READ(open, how.flags) & ~O_LARGEFILE;
	if (request->flags & (O_CREAT | __O_TMPFILE))
		request->mode = BPF_CORE_READ(open, how.mode) & 07777;
	return 1;
}

static __noinline int read_submitted_rename(struct io_rename *rename, struct request *request)
{
	if (!request)
		return 0;
	request->kind = KIND_RENAME;
	request->dirfd = BPF_CORE_READ(rename, old_dfd);
	request->name = copied(BPF_CORE_READ(rename, oldpath));
	request->new_dirfd = BPF_CORE_READ(rename, new_dfd);
	request->new_name = copied(BPF_CORE_READ(rename, newpath));
	request->flags = BPF_CORE_READ(rename, flags);
	return 1;
}

static __noinline int read_submitted_unlink(struct io_unlink *unlink, struct request *request)
{
	if (!request)
		return 0;
	request->flags = BPF_CORE_READ(unlink, flags);
	request->kind = request->flags & AT_REMOVEDIR ? KIND_RMDIR : KIND_UNLINK;
	request->dirfd = BPF_CORE_READ(unlink, dfd);
	request->name = copied(BPF_CORE_READ(unlink, filename));
	return 1;
}

static __noinline int read_submitted_mkdir(struct io_mkdir *mkdir, struct request *request)
{
	if (!request)
		return 0;
	request->kind = KIND_MKDIR;
	request->dirfd = BPF_CORE_READ(mkdir, dfd);
	request->name = copied(BPF_CORE_READ(mkdir, filename));
	request->mode = BPF_CORE_READ(mkdir, mode) & 07777;
	return 1;
}

static __noinline int read_submitted_symlink(struct io_symlink *link, struct request *request)
{
	if (!request)
		return 0;
	request->kind = KIND_SYMLINK;
	request->name = copied(BPF_CORE_READ(link, oldpath));
	request->new_dirfd = BPF_CORE_READ(link, new_dfd);
	request->new_name = copied(BPF_CORE_READ(link, newpath));
	return 1;
}

static __noinline int read_submitted_hardlink(struct io_hardlink *link, struct request *request)
{
	if (!request)
		return 0;
	request->kind = KIND_LINK;
	request->dirfd = BPF_CORE_READ(link, old_dfd);
	request->name = copied(BPF_CORE_READ(link, oldpath));
	request->new_dirfd = BPF_CORE_READ(link, new_dfd);
	request->new_name = copied(BPF_CORE_READ(link, newpath));
	request->flags = BPF_CORE_READ(link, flags);
	return 1;
}

static __noinline int read_submitted_link(struct io_link *link, struct request *request, bool symbolic)
{
	if (!request)
		return 0;
	request->kind = symbolic ? KIND_SYMLINK : KIND_LINK;
	request->dirfd = symbolic ? AT_FDCWD : BPF_CORE_READ(link, old_dfd);
	request->name = copied(BPF_CORE_READ(link, oldpath));
	request->new_dirfd = BPF_CORE_READ(link, new_dfd);
	request->new_name = copied(BPF_CORE_READ(link, newpath));
	request->flags = symbolic ? 0 : BPF_CORE_READ(link, flags);
	return 1;
}

static __noinline int read_submitted_truncate(struct io_ftrunc *truncate, struct request *request)
{
	if (!request)
		return 0;
	request->kind = KIND_TRUNCATE;
	request->size = BPF_CORE_READ(truncate, len);
	request->dirfd = NOWHERE; /* it has no name */
	return 1;
}

static __noinline s32 submitted_fd(struct io_kiocb *asked)
{
	return BPF_CORE_READ(asked, flags) & URING_FIXED_FILE ? NONE : BPF_CORE_READ(asked, cqe.fd);
}

static __always_inline bool read_submitted(struct io_kiocb *asked, struct request *request)
{
	void *arguments = uring_arguments(asked);

	switch (BPF_CORE_READ(asked, opcode)) {
	case URING_OPENAT:
	case URING_OPENAT2:
		return read_submitted_open(arguments, request);
	case URING_RENAMEAT:
		return bpf_core_type_exists(struct io_rename) && read_submitted_rename(arguments, request);
	case URING_UNLINKAT:
		return bpf_core_type_exists(struct io_unlink) && read_submitted_unlink(arguments, request);
	case URING_MKDIRAT:
		return bpf_core_type_exists(struct io_mkdir) && read_submitted_mkdir(arguments, request);
	case URING_SYMLINKAT:
		if (bpf_core_type_exists(struct io_link))
			return read_submitted_link(arguments, request, true);
		return bpf_core_type_exists(struct io_symlink) && read_submitted_symlink(arguments, request);
	case URING_LINKAT:
		if (bpf_core_type_exists(struct io_link))
			return read_submitted_link(arguments, request, false);
		return bpf_core_type_exists(struct io_hardlink) && read_submitted_hardlink(arguments, request);
	case URING_FTRUNCATE:
		return bpf_core_type_exists(struct io_ftrunc) && read_submitted_truncate(arguments, request);
	}
	return false;
}

static __always_inline void report_waiting(struct waiting *waiting)
{
	count(COUNTER_EMITTED);
	if (bpf_ringbuf_output(&events, &waiting->event, sizeof(waiting->event), 0))
		count(COUNTER_RING_FULL);
}

/* Makes room by reporting the oldest that waits, if the one that came first still does. */
static __noinline int give_up_oldest(void)
{
	struct waiter oldest = {};
	struct waiting *waiting;

	if (bpf_map_pop_elem(&waiters, &oldest))
		return 0;
	waiting = bpf_map_lookup_elem(&waitings, &oldest.key);
	if (!waiting || waiting->event.time != oldest.time)
		return 1;
	if (!waiting->told) {
		count(COUNTER_UNANSWERED);
		report_waiting(waiting);
	}
	bpf_map_delete_elem(&waitings, &oldest.key);
	return 1;
}

/* Whether it waits now: not when another one of its ring's does that is called the same. */
static __always_inline bool wait_for_answer(const struct waiting_key *key, struct waiting *waiting)
{
	struct waiter waiter = {.key = *key, .time = waiting->event.time};
	bool listed = false;
	long failure;

#pragma clang loop unroll(disable)
	for (int round = 0; round < GIVE_UPS; round++) {
		listed = listed || !bpf_map_push_elem(&waiters, &waiter, 0);
		failure = listed ? bpf_map_update_elem(&waitings, key, waiting, BPF_NOEXIST) : -E2BIG;
		if (!failure)
			return true;
		/* Before 6.4 the result has 32 bits: kernel commit d7ba4cc900bf. */
		if ((s32)failure == -EEXIST || !give_up_oldest())
			break;
	}
	count(COUNTER_UNANSWERED);
	return false;
}

static __always_inline void fill_submitted(struct event *event, struct place *place, const struct request *request)
{
	struct file___files *file = request->fd == NONE ? 0 : file_of(request->fd);

	event->name_len = 0;
	event->new_path_len = 0;
	event->new_host_path_len = 0;
	event->new_named = 0;
	if (file) {
		event->named = 0;
		fill_opened(event, place, file);
		fill_place(event, place);
		return;
	}
	place_copied(place, request->dirfd, request->name);
	event->named = request->name && event->event != KIND_SYMLINK;
	if (request->name)
		fill_name(event, place);
	if (event->event == KIND_SYMLINK)
		place_text(place);
	fill_place(event, place);
	if (request->new_name) {
		place_copied(place, request->new_dirfd, request->new_name);
		fill_new_place(event, place);
	}
}

static __always_inline void name_silent(const struct io_kiocb *asked, struct waiting_key *key)
{
	key->ring = (u64)asked | 1;
	key->user_data = 0;
}

/* Whether it waits, not to be told yet: for its answer, or for the end of the call that submits it. */
static __always_inline bool begin_wait(struct io_kiocb *asked, struct waiting *waiting)
{
	struct uring_silent silent = {};
	struct waiting_key key = {};
	u64 address = (u64)asked;

	waiting->told = 0;
	if (!(BPF_CORE_READ(asked, flags) & URING_NO_COMPLETION)) {
		key.ring = (u64)BPF_CORE_READ(asked, ctx);
		key.user_data = waiting->user_data;
		return wait_for_answer(&key, waiting);
	}
	if (!URING_KNOWS_REQUEST)
		return false;
	waiting->told = !uring_keep(asked, &silent) ||
			bpf_map_update_elem(&silent_requests, &silent, &address, BPF_ANY);
	name_silent(asked, &key);
	bpf_map_delete_elem(&waitings, &key); /* that of an earlier request, which has succeeded then */
	return wait_for_answer(&key, waiting) && !waiting->told;
}

static __always_inline int on_submitted(struct io_kiocb *asked)
{
	struct request *request;
	struct waiting *waiting;
	struct place *place;
	u32 zero = 0;

	place = bpf_map_lookup_elem(&places, &zero);
	waiting = bpf_map_lookup_elem(&new_waitings, &zero);
	if (!place || !waiting)
		return 0;
	request = &waiting->request;
	start(request);
	if (!read_submitted(asked, request) || !filter_pass_current())
		return 0;
	if (bpf_core_type_exists(struct io_ftrunc) && request->kind == KIND_TRUNCATE)
		request->fd = submitted_fd(asked);
	event_fill_current((struct event_base *)&waiting->event);
	fill_request(&waiting->event, request, 0);
	fill_submitted(&waiting->event, place, request);
	waiting->asked = asked;
	waiting->descriptor = request->kind == KIND_OPEN &&
			      !BPF_CORE_READ((struct io_open *)uring_arguments(asked), file_slot);
	/* Only of what will be looked at once it is open: a link can have any name. */
	waiting->unasked = waiting->descriptor && !all_reads && only_reads(request->kind, request->flags) &&
			   !is_read_name_given(place);
	waiting->user_data = uring_user_data(asked);
	waiting->opcode = BPF_CORE_READ(asked, opcode);
	if (!begin_wait(asked, waiting))
		report_waiting(waiting);
	return 0;
}

/* The file behind a request that succeeded, where it is there to be looked at: another task may say that it is done. */
static __always_inline struct file___files *file_behind(struct waiting *waiting, const struct uring_answer *answer)
{
	struct io_kiocb *request = answer->request;

	if (waiting->event.event == KIND_TRUNCATE)
		return request ? BPF_CORE_READ(request, file) : 0;
	if (!waiting->descriptor || bpf_get_current_pid_tgid() >> 32 != waiting->event.pid)
		return 0;
	return file_of(answer->result);
}

/* What would have been silent, and has failed. Requests are used again, also for others' sake. */
static __always_inline struct waiting *find_silent(const struct uring_answer *answer, struct waiting_key *key)
{
	struct io_kiocb *request = answer->request;
	struct waiting *waiting;

	name_silent(request, key);
	waiting = bpf_map_lookup_elem(&waitings, key);
	if (!waiting || (answer->result < 0 && waiting->user_data == answer->user_data &&
			 waiting->opcode == BPF_CORE_READ(request, opcode)))
		return waiting;
	if (!waiting->told)
		report_waiting(waiting);
	bpf_map_delete_elem(&waitings, key);
	return 0;
}

static __always_inline int on_answer(const struct uring_answer *answer)
{
	struct waiting *waiting;
	struct file___files *file = 0;
	struct waiting_key key = {};
	struct place *place;
	struct path path;
	u32 zero = 0;

	if (!answer)
		return 0;
	key.ring = answer->ring;
	key.user_data = answer->user_data;
	waiting = bpf_map_lookup_elem(&waitings, &key);
	if (answer->request && (!waiting || waiting->asked != answer->request))
		waiting = find_silent(answer, &key);
	place = bpf_map_lookup_elem(&places, &zero);
	/* Answers that are of no request may say anything, by the caller's wish (IORING_OP_MSG_RING). */
	if (!waiting || !place || (URING_KNOWS_REQUEST && answer->request != waiting->asked))
		return 0;
	waiting->event.error = answer->result < 0 ? -answer->result : 0;
	if (answer->result >= 0) {
		if (waiting->descriptor)
			waiting->event.fd = answer->result;
		file = file_behind(waiting, answer);
	}
	if (file) {
		path_of(file, &path);
	}
	/* Where what was asked for has a name that matters and what is there has not, another file may have been put
	 * there in between: then what was asked for is told. */
	if (file && (all_reads || waiting->unasked || !only_reads(waiting->event.event, waiting->event.flags) ||
		     is_read_name_of(path.dentry))) {
		waiting->unasked = waiting->unasked && !is_read_name_of(path.dentry);
		fill_opened(&waiting->event, place, file);
		waiting->event.named = 0;
		fill_place(&waiting->event, place);
	}
	if (answer->result < 0 ? failed && !waiting->unasked : !(waiting->unasked && file))
		report_waiting(waiting);
	bpf_map_delete_elem(&waitings, &key);
	return 0;
}

/*
 * The ring has no room for an answer. Which request it belongs to is not told, and a caller may make an answer say what
 * it likes (IORING_NOP_INJECT_RESULT): the request is reported like one that is never answered.
 */
static __always_inline int on_overflow(u64 ring, u64 user_data)
{
	struct waiting_key key = {.ring = ring, .user_data = user_data};
	struct waiting *waiting = bpf_map_lookup_elem(&waitings, &key);

	if (!waiting)
		return 0;
	report_waiting(waiting);
	bpf_map_delete_elem(&waitings, &key);
	return 0;
}

/* The call is over, or begins to wait, and what has not failed by then has succeeded or goes on. */
static __noinline int on_call_over(void)
{
	struct uring_silent silent = {};
	struct waiting_key key = {};
	u32 asks = uring_silent_end(&silent);
	struct waiting *waiting;
	u64 *request;

#pragma clang loop unroll(disable)
	for (u32 number = 0; number < URING_SILENT; number++) {
		if (number >= asks)
			break;
		silent.number = number;
		request = bpf_map_lookup_elem(&silent_requests, &silent);
		if (!request)
			continue;
		name_silent((void *)*request, &key);
		bpf_map_delete_elem(&silent_requests, &silent);
		waiting = bpf_map_lookup_elem(&waitings, &key);
		if (!waiting || waiting->told)
			continue;
		waiting->told = 1;
		report_waiting(waiting);
	}
	return 0;
}

#include "uring_hooks.bpf.h"

/* A chain has broken: what follows in it never happens, and where the first one was silent nothing more is said. */
SEC("raw_tp/io_uring_fail_link")
int BPF_PROG(uring_fail_link, u64 broken, u64 link)
{
	struct io_kiocb *request = (void *)link;
	struct uring_answer answer = {.result = -ECANCELED};

	answer.ring = (u64)BPF_CORE_READ(request, ctx);
	answer.request = URING_KNOWS_REQUEST ? request : 0;
	answer.user_data = uring_user_data(request);
	return on_answer(&answer);
}

SEC("raw_tp/io_uring_cqe_overflow")
int BPF_PROG(uring_overflow, u64 ring, u64 user_data)
{
	return on_overflow(ring, user_data);
}

#endif
