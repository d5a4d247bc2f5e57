/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Both ends of a connection, and which ones are asked for. */
#ifndef __TCP_PAIR_BPF_H
#define __TCP_PAIR_BPF_H

#include "eunomia.bpf.h"
#include "types.h"

#define AF_INET6 10
#define MOST_RANGES 32

struct port_range {
	u16 low;
	u16 high;
};

struct network {
	u64 address[2];
	u64 mask[2];
};

const volatile u32 port_ranges DOC("how many of `ports` are set; 0 for any port") = 0;
const volatile struct port_range ports[MOST_RANGES] = {};
const volatile u32 network_count DOC("how many of `networks` are set; 0 for any address") = 0;
const volatile struct network networks[MOST_RANGES] = {};

/* Addresses, IPv4 ones as IPv6 maps them (RFC 4291, 2.5.5.2): this side's in front, then the other's. */
struct pair {
	u64 address[4];
	u16 sport, dport;
};

static __always_inline u64 mapped(__be32 address)
{
	return 0xffff0000ULL | (u64)address << 32; /* little endian, as both architectures are */
}

static __always_inline void read_pair(const struct sock *sk, struct pair *pair)
{
	pair->sport = __builtin_bswap16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	pair->dport = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6 &&
	    bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
		bpf_core_read(&pair->address[0], 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(&pair->address[2], 16, &sk->__sk_common.skc_v6_daddr);
		return;
	}
	pair->address[0] = 0;
	pair->address[1] = mapped(BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	pair->address[2] = 0;
	pair->address[3] = mapped(BPF_CORE_READ(sk, __sk_common.skc_daddr));
}

static __always_inline bool has_port(const struct pair *pair)
{
	for (u32 index = 0; index < MOST_RANGES && index < port_ranges; index++) {
		u16 low = ports[index].low, high = ports[index].high;

		if ((pair->sport >= low && pair->sport <= high) || (pair->dport >= low && pair->dport <= high))
			return true;
	}
	return false;
}

static __always_inline bool has_address(const struct pair *pair)
{
	for (u32 index = 0; index < MOST_RANGES && index < network_count; index++) {
		u64 first = networks[index].address[0], second = networks[index].address[1];
		u64 mask_1 = networks[index].mask[0], mask_2 = networks[index].mask[1];

		if (((pair->address[0] & mask_1) == first && (pair->address[1] & mask_2) == second) ||
		    ((pair->address[2] & mask_1) == first && (pair->address[3] & mask_2) == second))
			return true;
	}
	return false;
}

static __always_inline bool pair_pass(const struct pair *pair)
{
	return (!port_ranges || has_port(pair)) && (!network_count || has_address(pair));
}

#endif
