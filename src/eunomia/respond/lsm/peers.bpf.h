/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the policy says of the other side of a connection. */
#ifndef __PEERS_BPF_H
#define __PEERS_BPF_H

#include "event.bpf.h"
#include "types.h"

#define AF_UNSPEC 0
#define AF_INET 2
#define AF_INET6 10
#define MOST_PEERS 128

const volatile u32 peer_count DOC("how many of `peers` are set") = 0;
const volatile bool peers_allowed DOC("whether others than those may be connected to") = true;

/* The most particular comes first. */
struct peer {
	u64 address[2]; /* IPv4 as IPv6 maps it (RFC 4291, 2.5.5.2) */
	u64 mask[2];
	u16 low, high; /* ports */
	u32 allowed;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MOST_PEERS);
	__type(key, u32);
	__type(value, struct peer);
} peers SEC(".maps");

struct end {
	u64 address[2];
	u16 port;
	u16 family;
};

/* Reads where to; says whether that is an address of the internet. */
static __always_inline bool read_end(const struct socket *sock, const void *from, struct end *end)
{
	struct address_in6 six = {};
	struct address_in four = {};

	if (bpf_probe_read_kernel(&four, sizeof(four), from))
		return false;
	end->family = four.family;
	/* udp_sendmsg() takes an IPv4 address that says nothing of its family: net/ipv4/udp.c */
	if (four.family == AF_INET ||
	    (four.family == AF_UNSPEC && BPF_CORE_READ(sock, sk, __sk_common.skc_family) == AF_INET)) {
		end->address[0] = 0;
		end->address[1] = 0xffff0000ULL | (u64)four.address << 32; /* little endian, as both machines are */
		end->port = __builtin_bswap16(four.port);
		return true;
	}
	if (four.family != AF_INET6 || bpf_probe_read_kernel(&six, sizeof(six), from))
		return false;
	end->address[0] = six.address[0];
	end->address[1] = six.address[1];
	end->port = __builtin_bswap16(six.port);
	return true;
}

static __always_inline bool fits(const struct peer *peer, const struct end *end)
{
	return (end->address[0] & peer->mask[0]) == peer->address[0] &&
	       (end->address[1] & peer->mask[1]) == peer->address[1] && end->port >= peer->low &&
	       end->port <= peer->high;
}

static __always_inline bool may_reach(const struct end *end)
{
#pragma clang loop unroll(disable)
	for (u32 place = 0; place < MOST_PEERS; place++) {
		u32 key = place;
		struct peer *peer;

		if (place >= peer_count)
			break;
		peer = bpf_map_lookup_elem(&peers, &key);
		if (peer && fits(peer, end))
			return peer->allowed;
	}
	return peers_allowed;
}

static __noinline int check_peer(const struct socket *sock, const void *address)
{
	struct end end = {};
	struct event *event;

	if (!read_end(sock, address, &end) || may_reach(&end))
		return 0;
	event = begin(ASKED_CONNECT);
	if (event) {
		event->family = end.family;
		event->port = end.port;
		__builtin_memcpy(event->address, end.address, sizeof(event->address));
		event_submit(event);
	}
	return answer();
}

#endif
