/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What ids and arguments tell of a question: whether the call would have done the same without the capability. Often
 * the kernel asks before it knows whether it needs the answer; the functions named here are the kernel's that ask.
 */
#ifndef __CAPABLE_KNOWLEDGE_BPF_H
#define __CAPABLE_KNOWLEDGE_BPF_H

#include "types.h"

/* include/uapi/linux/capability.h */
#define CAP_FSETID 4
#define CAP_SETGID 6
#define CAP_SETUID 7
#define CAP_SETPCAP 8
#define CAP_NET_ADMIN 12
#define CAP_SYS_PTRACE 19
#define CAP_SYS_ADMIN 21
#define CAP_SYS_RESOURCE 24

#define USER_NS_INIT 0xeffffffd /* PROC_USER_INIT_INO */
#define TMPFS_MAGIC 0x01021994
#define S_ISGID 02000
#define THREAD_SIZE 16384    /* but with KASAN, and with pages of 64 KiB */
#define UNCHANGED 0xffffffff /* an id of -1 */

/* include/uapi/linux/sched.h: those of new namespaces, but for the user's */
#define CLONE_NEWTIME 0x00000080 /* of unshare and clone3; clone has the signal there */
#define CLONE_NAMESPACES (0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000)

#define CAPABILITY_VERSION_1 0x19980330

/* The defaults of /proc/sys/fs/mqueue/msg_max and msgsize_max. */
#define MQ_MOST_MESSAGES 10
#define MQ_MOST_BYTES 8192

enum call {
	CALL_OTHER,
	CALL_SETUID,
	CALL_SETUID32,
	CALL_SETRESUID,
	CALL_SETRESUID32,
	CALL_SETGID,
	CALL_SETGID32,
	CALL_SETRESGID,
	CALL_SETRESGID32,
	CALL_CLONE,
	CALL_CLONE3,
	CALL_UNSHARE,
	CALL_CAPSET,
	CALL_CHMOD,
	CALL_FCHMOD,
	CALL_FCHMODAT,
	CALL_FCHMODAT2,
	CALL_IOCTL,
	CALL_MQ_OPEN,
	CALL_READ,
	CALL_PREAD64,
	CALL_READV,
	CALL_WRITE,
	CALL_PWRITE64,
	CALL_WRITEV,
	CALL_PWRITEV,
	CALL_FALLOCATE,
	CALL_SENDFILE,
	CALL_SENDFILE64,
	CALL_SPLICE,
	CALL_COPY_FILE_RANGE,
	CALL_ACCESS,
	CALL_FACCESSAT,
	CALL_FACCESSAT2,
};

CALLS(enum call);

/* At the end of the current task's stack, as the kernel lays it out; NULL where they cannot be a program's. */
static __always_inline struct pt_regs *regs_on_stack(void)
{
	struct task_struct___capable *task = (void *)current_task();
	struct pt_regs *regs;

	regs = BPF_CORE_READ(task, stack) + THREAD_SIZE - bpf_core_type_size(struct pt_regs);
#if defined(__TARGET_ARCH_x86)
	return (BPF_CORE_READ(regs, cs) & 3) == 3 && (BPF_CORE_READ(regs, ss) & 3) == 3 ? regs : 0; /* ring 3 */
#elif defined(__TARGET_ARCH_arm64)
	return BPF_CORE_READ(regs, pc) && BPF_CORE_READ(regs, sp) && !(BPF_CORE_READ(regs, pstate) & 0xf) ? regs
													  : 0; /* EL0 */
#endif
}

/* A question, where it was asked. */
struct question {
	const struct cred___capable *cred;
	struct pt_regs *regs; /* of the call; NULL where nobody tells */
	u32 code;	      /* of the call */
	u32 capability;
};

#define QUESTION_ARG(question, index) syscall_arg((question)->regs, (question)->code, index)

static __always_inline u64 read_capabilities(const void *set)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), set);
	return value;
}

#define CAPABILITIES(cred, member)                                                                                     \
	read_capabilities((const void *)(cred) + bpf_core_field_offset(struct cred___capable, member))

/* A program's numbers are the kernel's in the first user namespace alone. */
static __always_inline bool ids_are_global(const struct question *question)
{
	const struct cred___capable *cred = question->cred; /* else its place in `question` would be relocated, too */

	return BPF_CORE_READ(cred, user_ns, ns.inum) == USER_NS_INIT;
}

/* __sys_setuid(), __sys_setgid(): asked first. Without it only the effective id changes, and only to one of the others.
 */
static __always_inline u8 sets_what_is(const struct question *question, u32 real, u32 saved)
{
	u32 wanted = QUESTION_ARG(question, 0);

	return ids_are_global(question) ? wanted == real && wanted == saved : OPTIONAL_NONE;
}

/* __sys_setresuid(), __sys_setresgid(): asked first until 5.18. Without it any id may become one of the three. */
static __always_inline u8 swaps_what_is(const struct question *question, u32 real, u32 effective, u32 saved)
{
	u8 does = ids_are_global(question) ? 1 : OPTIONAL_NONE;

#pragma clang loop unroll(full)
	for (u32 index = 0; index < 3; index++) {
		u32 wanted = QUESTION_ARG(question, index);

		if (does == 1 && wanted != UNCHANGED && wanted != real && wanted != effective && wanted != saved)
			does = 0;
	}
	return does;
}

#define REAL_AND_SAVED(cred, kind) BPF_CORE_READ(cred, kind##id.val), BPF_CORE_READ(cred, s##kind##id.val)
#define ALL_THREE(cred, kind)                                                                                          \
	BPF_CORE_READ(cred, kind##id.val), BPF_CORE_READ(cred, e##kind##id.val), BPF_CORE_READ(cred, s##kind##id.val)

/* struct clone_args, include/uapi/linux/sched.h */
struct clone_args {
	u64 flags;
	u64 others[7];
	u64 set_tid, set_tid_size;
};

/* copy_process(), dup_mmap(): the memory's copy asks as any memory does, see `vm_enough_memory` in capabilities.py. */
static __always_inline u8 clone3_makes_no_namespace(const struct question *question)
{
	struct clone_args args = {};
	u64 bytes = QUESTION_ARG(question, 1);

	if (bytes > sizeof(args))
		bytes = sizeof(args);
	if (bpf_probe_read_user(&args, bytes, (const void *)QUESTION_ARG(question, 0)))
		return OPTIONAL_NONE;
	return !(args.flags & (CLONE_NAMESPACES | CLONE_NEWTIME)) && !args.set_tid_size;
}

/* cap_capset(): asked first, of use only for inheritable capabilities that are not there yet. */
static __always_inline u8 inherits_what_is(const struct question *question)
{
	u64 had = CAPABILITIES(question->cred, cap_inheritable) | CAPABILITIES(question->cred, cap_permitted);
	struct {
		u32 effective, permitted, inheritable;
	} wanted[2] = {};
	const void *data = (const void *)QUESTION_ARG(question, 1);
	u32 version = 0;

	bpf_probe_read_user(&version, sizeof(version), (const void *)QUESTION_ARG(question, 0));
	if (bpf_probe_read_user(&wanted[0], sizeof(wanted[0]), data))
		return OPTIONAL_NONE;
	if (version != CAPABILITY_VERSION_1 &&
	    bpf_probe_read_user(&wanted[1], sizeof(wanted[1]), data + sizeof(wanted[0])))
		return OPTIONAL_NONE;
	return !((wanted[0].inheritable | (u64)wanted[1].inheritable << 32) & ~had);
}

/* dev_load(): asked for an interface that is not there, before its driver is loaded; these only read (sockios.h). */
static __always_inline u8 reads_an_interface(const struct question *question)
{
	switch ((u32)QUESTION_ARG(question, 1)) {
	case 0x8913: /* SIOCGIFFLAGS */
	case 0x8915: /* SIOCGIFADDR */
	case 0x8917: /* SIOCGIFDSTADDR */
	case 0x8919: /* SIOCGIFBRDADDR */
	case 0x891b: /* SIOCGIFNETMASK */
	case 0x891d: /* SIOCGIFMETRIC */
	case 0x891f: /* SIOCGIFMEM */
	case 0x8921: /* SIOCGIFMTU */
	case 0x8927: /* SIOCGIFHWADDR */
	case 0x8929: /* SIOCGIFSLAVE */
	case 0x8933: /* SIOCGIFINDEX */
	case 0x8942: /* SIOCGIFTXQLEN */
	case 0x8970: /* SIOCGIFMAP */
		return 1;
	}
	return OPTIONAL_NONE;
}

/* mq_attr_ok(): asked first, of use only for queues larger than anybody may have. */
static __always_inline u8 queue_is_small(const struct question *question)
{
	struct {
		s64 flags, messages, bytes;
	} wanted = {};

	if (question->code >= SYSCALL_ENTRY || /* other entries' numbers have 32 bits */
	    bpf_probe_read_user(&wanted, sizeof(wanted), (const void *)QUESTION_ARG(question, 3)))
		return OPTIONAL_NONE;
	return wanted.messages <= MQ_MOST_MESSAGES && wanted.bytes <= MQ_MOST_BYTES;
}

static __always_inline struct file___capable *file_of(u32 fd)
{
	struct fdtable *table = BPF_CORE_READ((struct task_struct___capable *)current_task(), files, fdt);
	struct file___capable *file = 0;

	if (fd < BPF_CORE_READ(table, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	return file;
}

/* do_task_stat(): without it some numbers in /proc/PID/stat are 0. */
static __always_inline u8 is_stat(u32 fd)
{
	struct file___capable *file = file_of(fd);
	char name[8] = {};

	if (!file)
		return OPTIONAL_NONE;
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	return *(u64 *)name == 0x74617473 /* "stat" */ ? 1 : OPTIONAL_NONE;
}

/* shmem_inode_acct_block(): what is written to a tmpfs is memory. */
static __always_inline u8 is_in_memory(u32 fd)
{
	struct file___capable *file = file_of(fd);

	return file && BPF_CORE_READ(file, f_inode, i_sb, s_magic) == TMPFS_MAGIC ? 1 : OPTIONAL_NONE;
}

static __always_inline u8 of_admin(const struct question *question, enum call call)
{
	switch (call) {
	case CALL_CLONE:
		return !(QUESTION_ARG(question, 0) & CLONE_NAMESPACES);
	case CALL_CLONE3:
		return clone3_makes_no_namespace(question);
	case CALL_UNSHARE:
		return !(QUESTION_ARG(question, 0) & (CLONE_NAMESPACES | CLONE_NEWTIME));
	case CALL_WRITE:
	case CALL_PWRITE64:
	case CALL_WRITEV:
	case CALL_PWRITEV:
	case CALL_FALLOCATE:
	case CALL_SENDFILE:
	case CALL_SENDFILE64:
		return is_in_memory(QUESTION_ARG(question, 0));
	case CALL_SPLICE:
	case CALL_COPY_FILE_RANGE:
		return is_in_memory(QUESTION_ARG(question, 2));
	default:
		return OPTIONAL_NONE;
	}
}

static __always_inline u8 of_ids(const struct question *question, enum call call)
{
	const struct cred___capable *cred = question->cred;

	switch (call) {
	case CALL_SETUID:
	case CALL_SETUID32:
		return sets_what_is(question, REAL_AND_SAVED(cred, u));
	case CALL_SETGID:
	case CALL_SETGID32:
		return sets_what_is(question, REAL_AND_SAVED(cred, g));
	case CALL_SETRESUID:
	case CALL_SETRESUID32:
		return swaps_what_is(question, ALL_THREE(cred, u));
	case CALL_SETRESGID:
	case CALL_SETRESGID32:
		return swaps_what_is(question, ALL_THREE(cred, g));
	default:
		return OPTIONAL_NONE;
	}
}

/* setattr_prepare(), setattr_copy(): asked whatever the new mode is; without it that has no setgid bit. */
static __always_inline u8 of_mode(const struct question *question, enum call call)
{
	switch (call) {
	case CALL_CHMOD:
	case CALL_FCHMOD:
		return !(QUESTION_ARG(question, 1) & S_ISGID);
	case CALL_FCHMODAT:
	case CALL_FCHMODAT2:
		return !(QUESTION_ARG(question, 2) & S_ISGID);
	default:
		return OPTIONAL_NONE;
	}
}

/* Whether the call would have done the same without: 0, 1, or OPTIONAL_NONE where ids and arguments do not say. */
static __always_inline u8 is_dispensable(const struct question *question)
{
	enum call call;

	if (!question->regs)
		return OPTIONAL_NONE;
	call = syscall_call(question->code);
	if (call == CALL_OTHER)
		return OPTIONAL_NONE;
	switch (question->capability) {
	case CAP_SYS_ADMIN:
		return of_admin(question, call);
	case CAP_SETUID:
	case CAP_SETGID:
		return of_ids(question, call);
	case CAP_FSETID:
		return of_mode(question, call);
	case CAP_SETPCAP:
		return call == CALL_CAPSET ? inherits_what_is(question) : OPTIONAL_NONE;
	case CAP_SYS_PTRACE:
		return call == CALL_READ || call == CALL_PREAD64 || call == CALL_READV
			       ? is_stat(QUESTION_ARG(question, 0))
			       : OPTIONAL_NONE;
	case CAP_NET_ADMIN:
		return call == CALL_IOCTL ? reads_an_interface(question) : OPTIONAL_NONE;
	case CAP_SYS_RESOURCE:
		return call == CALL_MQ_OPEN ? queue_is_small(question) : OPTIONAL_NONE;
	}
	return OPTIONAL_NONE;
}

/* access(2) and its kin answer for the real user, with a copy of the task's own credentials: access_override_creds().
 */
static __always_inline bool is_access(const struct question *question)
{
	enum call call = question->regs ? syscall_call(question->code) : CALL_OTHER;

	return call == CALL_ACCESS || call == CALL_FACCESSAT || call == CALL_FACCESSAT2;
}

static __always_inline bool is_copy(const struct cred___capable *cred, const struct cred___capable *own)
{
	return BPF_CORE_READ(cred, uid.val) == BPF_CORE_READ(own, uid.val) &&
	       BPF_CORE_READ(cred, euid.val) == BPF_CORE_READ(own, euid.val) &&
	       CAPABILITIES(cred, cap_bset) == CAPABILITIES(own, cap_bset);
}

/*
 * Whether it was asked of credentials that the kernel has lent the task for a while, and not for what it may do itself:
 * an overlay file system works on the layers below it with those of who mounted it (ovl_override_creds()). They say
 * nothing of what the task needs.
 */
static __always_inline bool is_borrowed(const struct question *question)
{
	struct task_struct___capable *task = (void *)current_task();
	const struct cred___capable *own = (void *)BPF_CORE_READ(task, real_cred);

	if (question->cred == own || question->cred != (void *)BPF_CORE_READ(current_task(), cred))
		return false;
	return !is_copy(question->cred, own) || (question->regs && !is_access(question));
}

#endif
