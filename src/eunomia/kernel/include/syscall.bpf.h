/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * System calls, seen where they return: raw_tp or tp_btf sys_exit (struct pt_regs *regs, long result). The registers
 * still hold the number and the arguments there, so that one hook does; its result is known; and what the kernel has
 * read from user memory is present.
 *
 * A program that wants some calls only names them as `enum call { CALL_OTHER, CALL_READ, CALL_OPENAT … }` and says
 * CALLS(enum call): lower case and without CALL_ these are the kernel's names. The loader fills `calls` from it, for
 * all entries of the machine, so that no number stands in a program:
 *
 *	u32 code = syscall_code(regs);
 *	switch (syscall_call(code)) { case CALL_READ: … }
 */
#ifndef __SYSCALL_BPF_H
#define __SYSCALL_BPF_H

#include "eunomia.bpf.h"

/* SYSCALL_ENTRY times the entry (0: the machine's own, 1: 32 bit, 2: x32), plus the number there. */
typedef u16 syscall_nr_t;

/* What a call returns; those from -SYSCALL_MAX_ERRNO to -1 are errors (include/linux/err.h). */
typedef s64 syscall_result_t;
#define SYSCALL_NO_RESULT (-0x7fffffffffffffffLL - 1)
#define SYSCALL_MAX_ERRNO 4095

#define SYSCALL_ENTRY 1024
#define SYSCALL_CODES (3 * SYSCALL_ENTRY)
#define SYSCALL_NONE 0xffff

/* TYPED: for programs on tp_btf, whose `regs` may be followed by plain loads. */
#if defined(__TARGET_ARCH_x86)
#define SYSCALL_NR(regs) ((u32)BPF_CORE_READ(regs, orig_ax))
#define SYSCALL_NR_TYPED(regs) ((u32)(regs)->orig_ax)
#define SYSCALL_INFO status
#define SYSCALL_COMPAT_BIT 2 /* TS_COMPAT; it is cleared only after sys_exit has been traced */
#define SYSCALL_X32 0x40000000
#elif defined(__TARGET_ARCH_arm64)
#define SYSCALL_NR(regs) ((u32)BPF_CORE_READ(regs, syscallno))
#define SYSCALL_NR_TYPED(regs) ((u32)(regs)->syscallno)
#define SYSCALL_INFO flags
#define SYSCALL_COMPAT_BIT (1 << 22) /* TIF_32BIT */
#define SYSCALL_X32 0
#endif

/* The current task, asked for once by programs that run at every call, and a member of it by the cheapest way. */
static __always_inline struct task_struct *syscall_caller(void)
{
	return CURRENT_IS_TYPED ? bpf_get_current_task_btf() : current_task();
}

#define SYSCALL_CALLER(caller, member)                                                                                 \
	({                                                                                                             \
		typeof(caller) caller_ = (caller); /* else its own place would be relocated with the member's */       \
		CURRENT_IS_TYPED ? caller_->member : BPF_CORE_READ(caller_, member);                                   \
	})

/* Whether its current call came in by the 32-bit entry. */
static __always_inline bool syscall_is_compat(struct task_struct *caller)
{
	return SYSCALL_CALLER(caller, thread_info.SYSCALL_INFO) & SYSCALL_COMPAT_BIT;
}

/* Tells the loader the enum of calls, and makes the table that it fills. */
#define CALLS(call_enum)                                                                                               \
	const volatile u8 calls[SYSCALL_CODES] = {};                                                                   \
	const call_enum *const volatile call_type = 0

/* The code of a number, or SYSCALL_NONE for one that is no call: programs may ask for any. */
static __always_inline u32 syscall_code_by(struct task_struct *caller, u32 nr)
{
	u32 entry = 0;

	if (syscall_is_compat(caller)) {
		entry = 1;
	} else if (nr & SYSCALL_X32) {
		entry = 2;
		nr &= ~SYSCALL_X32;
	}
	return nr < SYSCALL_ENTRY ? entry * SYSCALL_ENTRY + nr : SYSCALL_NONE;
}

static __always_inline u32 syscall_code_of(u32 nr)
{
	return syscall_code_by(syscall_caller(), nr);
}

/* The code of the call that begins or returns. */
static __always_inline u32 syscall_code(struct pt_regs *regs)
{
	return syscall_code_of(SYSCALL_NR(regs));
}

/* The same for a program on tp_btf, cheaper. */
static __always_inline u32 syscall_code_typed(struct pt_regs *regs)
{
	return syscall_code_of(SYSCALL_NR_TYPED(regs));
}

/* One of `enum call`; 0 for all calls that it does not name. */
#define syscall_call(code) ((code) < SYSCALL_CODES ? calls[(code)] : 0)

#define SYSCALL_REGISTER(typed, regs, member) ((typed) ? (regs)->member : BPF_CORE_READ(regs, member))

/* Argument 0 … 5 of a call, as the caller's entry passes it; `typed`, a constant: whether regs may be followed. */
static __always_inline u64 syscall_arg_of(bool typed, struct pt_regs *regs, u32 code, u32 index)
{
	bool compat = code / SYSCALL_ENTRY == 1;

#if defined(__TARGET_ARCH_x86)
	if (compat) /* int 0x80: ebx, ecx, edx, esi, edi, ebp */
		return (u32)(index == 0	  ? SYSCALL_REGISTER(typed, regs, bx)
			     : index == 1 ? SYSCALL_REGISTER(typed, regs, cx)
			     : index == 2 ? SYSCALL_REGISTER(typed, regs, dx)
			     : index == 3 ? SYSCALL_REGISTER(typed, regs, si)
			     : index == 4 ? SYSCALL_REGISTER(typed, regs, di)
					  : SYSCALL_REGISTER(typed, regs, bp));
	return index == 0   ? SYSCALL_REGISTER(typed, regs, di)
	       : index == 1 ? SYSCALL_REGISTER(typed, regs, si)
	       : index == 2 ? SYSCALL_REGISTER(typed, regs, dx)
	       : index == 3 ? SYSCALL_REGISTER(typed, regs, r10)
	       : index == 4 ? SYSCALL_REGISTER(typed, regs, r8)
			    : SYSCALL_REGISTER(typed, regs, r9);
#elif defined(__TARGET_ARCH_arm64)
	u64 value = index == 0 ? SYSCALL_REGISTER(typed, regs, orig_x0)
			       : SYSCALL_REGISTER(typed, regs, regs[index]); /* x0 has the result */
	return compat ? (u32)value : value;
#endif
}

static __always_inline u64 syscall_arg(struct pt_regs *regs, u32 code, u32 index)
{
	return syscall_arg_of(false, regs, code, index);
}

#endif
