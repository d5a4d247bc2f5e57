/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types that this tracker alone looks into, as flavours of those in vmlinux.h. */
#ifndef __PROCESS_TYPES_H
#define __PROCESS_TYPES_H

#include "vmlinux.h"

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Eight bytes, of whatever members: one number since 6.3, two halves before. */
struct capabilities___any {
	u64 val;
};

struct group_info {
	int ngroups;
};

struct cred___process {
	kuid_t uid, euid, suid, fsuid;
	kgid_t gid, egid, sgid, fsgid;
	struct capabilities___any cap_inheritable, cap_permitted, cap_effective, cap_ambient;
	struct group_info *group_info;
	struct user_namespace *user_ns;
};

struct cgroup_namespace {
	struct ns_common ns;
};

struct ipc_namespace {
	struct ns_common ns;
};

struct net {
	struct ns_common ns;
};

struct time_namespace {
	struct ns_common ns;
};

struct uts_namespace {
	struct ns_common ns;
};

struct nsproxy___process {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
	struct time_namespace *time_ns_for_children;
	struct cgroup_namespace *cgroup_ns;
};

struct task_struct___process {
	unsigned int flags;
	unsigned int in_execve : 1;
	struct nsproxy___process *nsproxy;
	struct cred___process *cred;
};

/* The program file, and what stands on the first descriptors. */
struct super_block {
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	unsigned int i_nlink;
	u32 i_rdev;
	unsigned long i_ino;
	struct super_block *i_sb;
};

/* When it was last changed has moved twice: 6.6 and 6.11. */
struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

struct inode___until_6_5 {
	struct timespec64 i_ctime;
};

struct inode___until_6_10 {
	struct timespec64 __i_ctime;
};

struct inode___parts {
	s64 i_ctime_sec;
	u32 i_ctime_nsec;
};

struct dentry___process {
	struct inode *d_inode;
};

struct file___process {
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct___files {
	struct files_struct *files;
};

struct in6_addr {
	u8 bytes[16];
};

struct sock_common {
	u32 skc_daddr;
	__be16 skc_dport;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr;
};

struct sock {
	struct sock_common __sk_common;
};

struct socket {
	struct sock *sk;
};

#pragma clang attribute pop

#endif
