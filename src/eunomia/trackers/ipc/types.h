/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types that this tracker alone looks into; where vmlinux.h has the type, a flavour with the members it lacks.
 */
#ifndef __IPC_TYPES_H
#define __IPC_TYPES_H

#include "radix.bpf.h"

#define AF_UNIX 1
#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFSOCK 0140000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	u32 s_dev;
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct file___ipc {
	struct path f_path;
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

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct pid___ipc {
	struct hlist_head tasks[4]; /* by enum pid_type */
	struct upid numbers[1];
};

struct ipc_ids {
	struct idr ipcs_idr;
};

struct ipc_namespace {
	struct ipc_ids ids[3];
	struct ns_common ns;
};

struct net {
	struct ns_common ns;
};

struct nsproxy___ipc {
	struct ipc_namespace *ipc_ns;
	struct net *net_ns;
};

struct task_struct___ipc {
	struct files_struct *files;
	struct nsproxy___ipc *nsproxy;
	struct hlist_node pid_links[4]; /* by enum pid_type */
};

struct kern_ipc_perm {
	int id;
	int key;
};

struct shmid_kernel {
	struct kern_ipc_perm shm_perm;
	unsigned long shm_segsz;
	struct pid *shm_cprid;
};

struct msg_queue {
	struct kern_ipc_perm q_perm;
	struct pid *q_lspid;
	struct pid *q_lrpid;
};

struct sem_array {
	struct kern_ipc_perm sem_perm;
};

struct sock_common {
	unsigned short skc_family;
};

struct socket;

struct sock {
	struct socket *sk_socket;
	struct sock_common __sk_common;
	u16 sk_type;
	struct pid *sk_peer_pid;
};

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[1];
};

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
};

struct socket {
	struct file___ipc *file;
	struct sock *sk;
};

struct kernel_siginfo {
	int si_code;
};

#pragma clang attribute pop

#endif
