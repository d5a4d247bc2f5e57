/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types that only these programs look into; see vmlinux.h. */
#ifndef __LSM_TYPES_H
#define __LSM_TYPES_H

#include "vmlinux.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inode {
	unsigned short i_mode;
};

struct dentry___lsm {
	struct inode *d_inode;
};

struct file___lsm {
	unsigned int f_mode;
	struct inode *f_inode;
};

struct mount___lsm {
	struct mnt_namespace *mnt_ns;
};

struct mm_struct___lsm {
	struct file *exe_file;
};

struct task_struct___lsm {
	unsigned int flags;
	struct mm_struct___lsm *mm;
	const struct cred *real_cred; /* its own */
	const struct cred *cred;      /* may be lent to it */
	void *io_uring;
};

struct sock_common {
	unsigned short skc_family;
};

struct sock {
	struct sock_common __sk_common;
};

struct socket {
	struct sock *sk;
};

struct msghdr {
	void *msg_name;
};

#pragma clang attribute pop

/* Interfaces, not relocated: include/uapi/linux/in.h, in6.h */
struct address_in {
	u16 family;
	__be16 port;
	__be32 address;
};

struct address_in6 {
	u16 family;
	__be16 port;
	u32 flow;
	u64 address[2];
};

#endif
