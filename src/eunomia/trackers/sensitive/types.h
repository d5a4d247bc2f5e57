/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types that only this tracker looks into; see vmlinux.h. ___x is a flavour: the kernel's type without it. */
#ifndef __SENSITIVE_TYPES_H
#define __SENSITIVE_TYPES_H

#include "vmlinux.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* The mounts of a namespace: a tree by their age, since 6.8; before, a list, the oldest first. */
struct rb_node {
	struct rb_node *rb_right;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct mnt_namespace___tree {
	struct rb_root mounts;
};

struct mount___tree {
	struct rb_node mnt_node;
};

struct list_head___newest {
	struct list_head___newest *prev;
};

struct mnt_namespace___list {
	struct list_head___newest list;
};

struct mount___of_list {
	struct list_head___newest mnt_list;
};

struct mount___source {
	const char *mnt_devname;
};

struct file_system_type {
	const char *name;
};

struct super_block___sensitive {
	unsigned long s_magic;
	struct file_system_type *s_type;
};

struct vfsmount___sensitive {
	struct super_block___sensitive *mnt_sb;
};

/* What a file of /proc/PID/ns stands for. */
struct proc_ns_operations {
	const char *name;
};

struct ns_common___kind {
	const struct proc_ns_operations *ops;
};

struct inode___sensitive {
	unsigned short i_mode;
	unsigned long i_ino;
	struct super_block___sensitive *i_sb;
	void *i_private;
};

struct file___sensitive {
	struct inode___sensitive *f_inode;
	void *private_data;
};

struct in6_addr {
	u8 u6_addr8[16];
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	u16 sk_type;
	u16 sk_protocol;
};

struct socket {
	struct sock *sk;
};

#pragma clang attribute pop

#endif
