/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types that only this tracker looks into; see vmlinux.h. */
#ifndef __TCP_TYPES_H
#define __TCP_TYPES_H

#include "vmlinux.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct in6_addr {
	union {
		u8 u6_addr8[16];
	} in6_u;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

enum sock_flags { SOCK_DONE = 1 };

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags;
};

struct sock {
	struct sock_common __sk_common;
	int sk_err;
	kuid_t sk_uid;
	u16 sk_protocol;
	u16 sk_type;
};

struct inet_sock {
	__be16 inet_sport;
};

struct tcp_sock {
	u64 bytes_received;
	u64 bytes_sent;
	u64 bytes_retrans;
	u32 total_retrans;
	u32 srtt_us;
	struct list_head tsorted_sent_queue;
};

struct socket {
	struct sock *sk;
};

struct inode {
	unsigned short i_mode;
};

struct file___socket {
	struct inode *f_inode;
	void *private_data;
};

struct task_struct___flags {
	unsigned int flags;
};

struct proto_accept_arg {
	int flags;
};

#pragma clang attribute pop

/* What an iterator's program is given: kernel/bpf/task_iter.c. Not relocated, it is an interface. */
struct bpf_iter__task_file {
	void *meta;
	struct task_struct *task;
	u32 fd;
	u32 _pad;
	struct file *file;
};

#endif
