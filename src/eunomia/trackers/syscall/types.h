/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What only this tracker looks at in the kernel: see vmlinux.h. */
#ifndef __SYSCALL_TYPES_H
#define __SYSCALL_TYPES_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct___exec {
	u64 self_exec_id; /* 64 bits since 5.7 */
};

#pragma clang attribute pop

#endif
