// SPDX-License-Identifier: Apache-2.0
/* Just enough of io_uring for one request: a ring of our own, one entry, one answer. */
#define _GNU_SOURCE
#include "labtool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *ring_part(int ring, size_t bytes, off_t which)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, which);
}

static long ask(const struct io_uring_sqe *request)
{
	struct io_uring_params made = {0};
	int ring = syscall(SYS_io_uring_setup, 1, &made);

	if (ring < 0)
		return -1;
	char *sent = ring_part(ring, made.sq_off.array + made.sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
	char *answers =
		ring_part(ring, made.cq_off.cqes + made.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	struct io_uring_sqe *entries = ring_part(ring, made.sq_entries * sizeof(*entries), IORING_OFF_SQES);

	if (sent == MAP_FAILED || answers == MAP_FAILED || entries == MAP_FAILED)
		return -1;
	entries[0] = *request;
	*(uint32_t *)(sent + made.sq_off.array) = 0;
	__atomic_store_n((uint32_t *)(sent + made.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -1;
	int result = ((struct io_uring_cqe *)(answers + made.cq_off.cqes))->res;

	if (result < 0) {
		errno = -result;
		return -1;
	}
	return result;
}

long uring_openat(const char *path, int flags, int mode)
{
	struct io_uring_sqe request = {.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)path};

	request.open_flags = flags;
	request.len = mode;
	return ask(&request);
}

long uring_renameat(const char *from, const char *to)
{
	struct io_uring_sqe request = {.opcode = IORING_OP_RENAMEAT, .fd = AT_FDCWD, .addr = (uintptr_t)from};

	request.len = AT_FDCWD;
	request.addr2 = (uintptr_t)to;
	return ask(&request);
}

long uring_unlinkat(const char *path)
{
	struct io_uring_sqe request = {.opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = (uintptr_t)path};

	return ask(&request);
}

long uring_connect(int fd, const void *address, unsigned int length)
{
	struct io_uring_sqe request = {.opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)address};

	request.off = length;
	return ask(&request);
}

long uring_socket(int family, int type, int protocol)
{
	struct io_uring_sqe request = {.opcode = IORING_OP_SOCKET, .fd = family, .off = type, .len = protocol};

	return ask(&request);
}
