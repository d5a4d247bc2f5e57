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

#pragma clang attribute pop

#endif
