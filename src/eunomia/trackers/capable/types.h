/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What only this tracker looks at in the kernel: see vmlinux.h. */
#ifndef __CAPABLE_TYPES_H
#define __CAPABLE_TYPES_H

#include "syscall.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* kernel_cap_t: 64 bits, until 6.3 as two numbers. */
struct capabilities___any {
	u32 cap[2];
};

struct cred___capable {
	kuid_t uid, euid, suid;
	kgid_t gid, egid, sgid;
	struct capabilities___any cap_inheritable, cap_permitted, cap_bset;
	struct user_namespace *user_ns;
};

struct super_block___capable {
	unsigned long s_magic;
};

struct inode___capable {
	struct super_block___capable *i_sb;
};

struct file___capable {
	struct inode___capable *f_inode;
	struct path f_path;
};

struct fdtable {
	unsigned int max_fds;
	struct file___capable **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct___capable {
	const struct cred *real_cred; /* its own; `cred` may be lent to it */
	struct files_struct *files;
	void *stack;
};

#pragma clang attribute pop

#endif
