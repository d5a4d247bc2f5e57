/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What calls on sockets and descriptors were asked to do. */
#ifndef __SENSITIVE_ASK_SOCKETS_BPF_H
#define __SENSITIVE_ASK_SOCKETS_BPF_H

#include "request.bpf.h"

#define AF_UNIX 1 /* include/linux/socket.h */
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define NETLINK_ROUTE 0
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_TYPE_MASK 0xf

#define SYS_SOCKET 1 /* include/uapi/linux/net.h */
#define SYS_BIND 2
#define SYS_LISTEN 4
#define SYS_ACCEPT 5
#define SYS_ACCEPT4 18

#define F_DUPFD 0 /* include/uapi/linux/fcntl.h */
#define F_DUPFD_CLOEXEC 1030
#define STDERR 2

/* A descriptor 0 … 2 that now is another file; user space is told when that is a socket. */
static __always_inline bool is_stdio(const struct returned *call, struct request *request)
{
	request->kind = KIND_DUP_STDIO;
	request->fd = call->result;
	request->socket = call->result;
	return call->result >= 0 && call->result <= STDERR;
}

static __always_inline bool read_socket(const struct returned *call, struct request *request, const u64 *args)
{
	u32 type = args[1] & SOCK_TYPE_MASK;

	request->kind = KIND_SOCKET;
	request->family = args[0];
	request->type = type;
	request->flags = args[1] & ~SOCK_TYPE_MASK;
	request->protocol = args[2];
	if (call->result >= 0)
		request->fd = call->result;
	if (request->family == AF_UNIX || ((request->family == AF_INET || request->family == AF_INET6) &&
					   (type == SOCK_STREAM || type == SOCK_DGRAM)))
		return is_stdio(call, request);
	return request->family != AF_NETLINK || request->protocol != NETLINK_ROUTE; /* of every look-up of a name */
}

static __always_inline bool read_bind(struct request *request, const u64 *args)
{
	request->kind = KIND_BIND;
	request->fd = args[0];
	request->socket = args[0];
	request->address = args[1];
	return true;
}

static __always_inline bool read_listen(struct request *request, const u64 *args)
{
	request->kind = KIND_LISTEN;
	request->fd = args[0];
	request->socket = args[0];
	request->listens = true;
	return true;
}

static __always_inline bool read_socketcall(const struct returned *call, struct request *request)
{
	u32 given[3] = {};
	u64 args[3];

	bpf_probe_read_user(given, sizeof(given), (void *)call->args[1]);
	args[0] = given[0];
	args[1] = given[1];
	args[2] = given[2];
	switch (call->args[0]) {
	case SYS_SOCKET:
		return read_socket(call, request, args);
	case SYS_BIND:
		return read_bind(request, args);
	case SYS_LISTEN:
		return read_listen(request, args);
	case SYS_ACCEPT:
	case SYS_ACCEPT4:
		return is_stdio(call, request);
	}
	return false;
}

static __always_inline bool read_socket_call(const struct returned *call, struct request *request)
{
	u32 command = call->args[1];

	switch (call->call) {
	case CALL_SOCKET:
		return read_socket(call, request, call->args);
	case CALL_SOCKETCALL:
		return read_socketcall(call, request);
	case CALL_BIND:
		return read_bind(request, call->args);
	case CALL_LISTEN:
		return read_listen(request, call->args);
	case CALL_FCNTL:
	case CALL_FCNTL64:
		return (command == F_DUPFD || command == F_DUPFD_CLOEXEC) && is_stdio(call, request);
	}
	return is_stdio(call, request);
}

#endif
