/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What only this tracker looks at in the kernel: see vmlinux.h. */
#ifndef __USAGE_TYPES_H
#define __USAGE_TYPES_H

#define PF_FORKNOEXEC 0x40    /* include/linux/sched.h: forked, and no exec since */
#define SECCOMP_MODE_FILTER 2 /* include/uapi/linux/seccomp.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seccomp {
	int mode;
};

struct task_struct___usage {
	unsigned int flags;
	struct seccomp seccomp;
};

struct mount___usage {
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
};

#pragma clang attribute pop

#endif
