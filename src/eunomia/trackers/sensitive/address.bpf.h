/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Addresses of sockets: as a call was given them, and as the kernel has them. */
#ifndef __SENSITIVE_ADDRESS_BPF_H
#define __SENSITIVE_ADDRESS_BPF_H

#include "ask_sockets.bpf.h"
#include "event.bpf.h"

#define S_IFSOCK_MODE 0140000
#define S_IFMT_MODE 0170000

static __always_inline void set_ipv4(struct event *event, u32 address)
{
	__builtin_memset(event->ip, 0, sizeof(event->ip));
	event->ip[10] = 0xff;
	event->ip[11] = 0xff;
	__builtin_memcpy(&event->ip[12], &address, sizeof(address));
	event->has_address = 1;
}

/* The address that bind(2) was given. */
static __always_inline void fill_given_address(struct event *event, u64 address)
{
	struct {
		u16 family, port;
		u32 address_or_flow;
		u8 address[16];
	} given = {};

	bpf_probe_read_user(&given, 8, (void *)address);
	event->family_nr = given.family;
	if (given.family == AF_INET) {
		set_ipv4(event, given.address_or_flow);
	} else if (given.family == AF_INET6) {
		bpf_probe_read_user(&given, sizeof(given), (void *)address);
		__builtin_memcpy(event->ip, given.address, sizeof(event->ip));
		event->has_address = 1;
	} else {
		return;
	}
	event->port = __builtin_bswap16(given.port);
}

/* One's own address of a socket that listens, else the other side's. */
static __always_inline void fill_address(struct event *event, struct sock *sk, bool own)
{
	event->port = own ? BPF_CORE_READ(sk, __sk_common.skc_num)
			  : __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (!event->port && !own)
		return;
	if (event->family_nr == AF_INET) {
		set_ipv4(event,
			 own ? BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr) : BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else {
		event->has_address = 1;
		if (own)
			BPF_CORE_READ_INTO(&event->ip, sk, __sk_common.skc_v6_rcv_saddr);
		else
			BPF_CORE_READ_INTO(&event->ip, sk, __sk_common.skc_v6_daddr);
	}
}

static __always_inline struct sock *socket_of(s32 fd)
{
	struct file___sensitive *file = (void *)file_of(fd);
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT_MODE) != S_IFSOCK_MODE)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __noinline int fill_socket(struct event *event, const struct request *request)
{
	struct sock *sk;

	if (!event || !request)
		return 0;
	sk = request->socket == NONE ? 0 : socket_of(request->socket);
	if (sk) {
		event->family_nr = BPF_CORE_READ(sk, __sk_common.skc_family);
		event->type_nr = BPF_CORE_READ(sk, sk_type);
		event->protocol_nr = BPF_CORE_READ(sk, sk_protocol);
	}
	if (request->address)
		fill_given_address(event, request->address);
	else if (sk && (event->family_nr == AF_INET || event->family_nr == AF_INET6))
		fill_address(event, sk, request->listens);
	return 0;
}

#endif
