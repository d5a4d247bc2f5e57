/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Kernel types of files and mounts; see vmlinux.h. ___x is a flavour: the kernel's type without it. */
#ifndef __FILE_TYPES_H
#define __FILE_TYPES_H

#include "eunomia.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inode {
	unsigned short i_mode;
	unsigned int i_flags;
	unsigned long i_ino;
};

struct file___files {
	unsigned int f_mode;
	struct inode *f_inode;
	struct path f_path;
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

struct qstr___files {
	u64 hash_len;
};

struct super_block {
	u32 s_dev;
	struct dentry *s_root;
};

struct vfsmount___files {
	struct super_block *mnt_sb;
};

struct dentry___files {
	struct qstr___files d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
};

/* The mounts of a file system: a list, the oldest first, until 6.17; then a chain, the newest first. */
struct list_head {
	struct list_head *next;
};

struct super_block___list {
	struct list_head s_mounts;
};

struct super_block___chain {
	struct mount *s_mounts;
};

struct mount___list {
	struct list_head mnt_instance;
};

struct mount___files {
	struct mnt_namespace *mnt_ns;
	struct list_head mnt_mounts; /* those that lie on it, each by its mnt_child */
	struct list_head mnt_child;
};

struct mount___chain {
	struct mount *mnt_next_for_sb;
};

#pragma clang attribute pop

#endif
