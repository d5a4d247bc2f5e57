/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What calls about processes, memory and descriptors of all kinds were asked to do. */
#ifndef __SENSITIVE_ASK_PROCESSES_BPF_H
#define __SENSITIVE_ASK_PROCESSES_BPF_H

#include "request.bpf.h"

#define PROT_WRITE 2 /* include/uapi/asm-generic/mman-common.h */
#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20

#define CLONE_NEWNS 0x00020000 /* include/uapi/linux/sched.h */
#define CLONE_NEWCGROUP 0x02000000
#define CLONE_NEWUTS 0x04000000
#define CLONE_NEWIPC 0x08000000
#define CLONE_NEWUSER 0x10000000
#define CLONE_NEWPID 0x20000000
#define CLONE_NEWNET 0x40000000
#define CLONE_NEWTIME 0x80 /* clone3(2) alone: for clone(2) these bits are the signal */
#define CLONE_NEW                                                                                                      \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

#define TIOCSTI 0x5412 /* include/uapi/asm-generic/ioctls.h, linux/fs.h, linux/loop.h, linux/if_tun.h */
#define TIOCLINUX 0x541C
#define LOOP_SET_FD 0x4C00
#define LOOP_CONFIGURE 0x4C0A
#define FS_IOC_SETFLAGS 0x40086602
#define FS_IOC32_SETFLAGS 0x40046602
#define FS_IOC_FSSETXATTR 0x401c5820
#define TUNSETIFF 0x400454ca

/* Requests that begin a trace, or write to what is traced; the rest is the daily work of a debugger. */
#define PTRACE_SETREGSET 0x4205
#define PTRACE_SEIZE 0x4206
#define PTRACE_LOW                                                                                                     \
	(1 << 0 /* TRACEME */ | 1 << 4 /* POKETEXT */ | 1 << 5 /* POKEDATA */ | 1 << 6 /* POKEUSR */ |                 \
	 1 << 13 /* SETREGS */ | 1 << 15 /* SETFPREGS */ | 1 << 16 /* ATTACH */ | 1 << 19 /* SETFPXREGS */)
#define PTRACE_TRACEME 0

/* Commands of bpf(2) on the elements of a map, which who gives them holds already, and mere questions. */
#define BPF_HARMLESS                                                                                                   \
	(1ULL << 1 /* MAP_LOOKUP_ELEM */ | 1ULL << 2 /* MAP_UPDATE_ELEM */ | 1ULL << 3 /* MAP_DELETE_ELEM */ |         \
	 1ULL << 4 /* MAP_GET_NEXT_KEY */ | 1ULL << 11 /* PROG_GET_NEXT_ID */ | 1ULL << 12 /* MAP_GET_NEXT_ID */ |     \
	 1ULL << 15 /* OBJ_GET_INFO_BY_FD */ | 1ULL << 16 /* PROG_QUERY */ | 1ULL << 20 /* TASK_FD_QUERY */ |          \
	 1ULL << 21 /* MAP_LOOKUP_AND_DELETE_ELEM */ | 1ULL << 22 /* MAP_FREEZE */ |                                   \
	 1ULL << 23 /* BTF_GET_NEXT_ID */ | 0xfULL << 24 /* batches */ | 1ULL << 31 /* LINK_GET_NEXT_ID */)
#define BPF_MAP_CREATE 0
#define BPF_PROG_LOAD 5
#define BPF_MAP_NAME 28 /* their places in union bpf_attr */
#define BPF_PROG_NAME 48
#define BPF_NAME_BYTES 16

static __always_inline bool read_clone(const struct returned *call, struct request *request)
{
	u64 flags = call->args[0], asked = CLONE_NEW;

	if (!call->result) /* in the child */
		return false;
	if (call->call == CALL_CLONE3) {
		flags = user_u64(call->args[0]);
		asked |= CLONE_NEWTIME;
	} else {
		flags &= ~0xffULL;
	}
	request->kind = KIND_CLONE_NS;
	request->flags = flags;
	if (call->result > 0)
		request->pid = call->result;
	return flags & asked;
}

static __always_inline bool read_ptrace(const struct returned *call, struct request *request)
{
	u64 command = call->args[0];

	request->kind = KIND_PTRACE;
	request->command = command;
	if (command != PTRACE_TRACEME)
		request->pid = call->args[1];
	return command < 32 ? 1U << command & PTRACE_LOW : command == PTRACE_SETREGSET || command == PTRACE_SEIZE;
}

static __always_inline bool read_bpf(const struct returned *call, struct request *request)
{
	u64 command = call->args[0], attr = call->args[1];

	request->kind = KIND_BPF;
	request->command = command;
	if (call->result > 0)
		request->fd = call->result;
	if (command == BPF_PROG_LOAD || command == BPF_MAP_CREATE) {
		request->type = user_u32(attr);
		request->text = attr + (command == BPF_PROG_LOAD ? BPF_PROG_NAME : BPF_MAP_NAME);
	}
	return command >= 64 || !(1ULL << command & BPF_HARMLESS);
}

static __always_inline bool read_exec_memory(const struct returned *call, struct request *request)
{
	u64 protection = call->args[2], flags = call->args[3];

	request->kind = KIND_MPROTECT_EXEC;
	if (call->call == CALL_MMAP || call->call == CALL_MMAP2) {
		if (call->compat && call->call == CALL_MMAP) { /* its arguments lie in memory */
			protection = user_u32(call->args[0] + 8);
			flags = user_u32(call->args[0] + 12);
		}
		request->flags = protection;
		return protection & PROT_EXEC && (protection & PROT_WRITE || flags & MAP_ANONYMOUS);
	}
	request->flags = protection;
	return protection & PROT_EXEC;
}

/* Of the thousands of commands those that type for others, make files undeletable, and make devices. */
static __always_inline bool read_ioctl(const struct returned *call, struct request *request)
{
	u32 given;

	request->kind = KIND_IOCTL;
	request->fd = call->args[0];
	request->command = call->args[1];
	file_at(request, call->args[0]);
	switch (request->command) {
	case FS_IOC_SETFLAGS:
	case FS_IOC32_SETFLAGS:
		request->flags = user_u32(call->args[2]);
		return true;
	case FS_IOC_FSSETXATTR: /* the same by other bits: immutable, append, noatime */
		given = user_u32(call->args[2]);
		request->flags = (given & 0x18) << 1 | (given & 0x40) << 1;
		return true;
	case TUNSETIFF:
		request->text = call->args[2];
		return true;
	case TIOCSTI:
	case TIOCLINUX:
	case LOOP_SET_FD:
	case LOOP_CONFIGURE:
		return true;
	}
	return false;
}

static __always_inline bool read_setns(const struct returned *call, struct request *request)
{
	request->kind = KIND_SETNS;
	request->pidfd = call->args[0];
	request->fd = call->args[0];
	request->flags = call->args[1];
	return true;
}

static __always_inline bool read_process_call(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	switch (call->call) {
	case CALL_SETNS:
		return read_setns(call, request);
	case CALL_UNSHARE:
		request->kind = KIND_UNSHARE;
		request->flags = args[0];
		return true;
	case CALL_CLONE:
	case CALL_CLONE3:
		return read_clone(call, request);
	case CALL_PTRACE:
		return read_ptrace(call, request);
	case CALL_PROCESS_VM_READV:
	case CALL_PROCESS_VM_WRITEV:
		request->kind = call->call == CALL_PROCESS_VM_READV ? KIND_PROCESS_VM_READV : KIND_PROCESS_VM_WRITEV;
		request->pid = args[0];
		return true;
	case CALL_PIDFD_GETFD:
		request->kind = KIND_PIDFD_GETFD;
		request->pidfd = args[0];
		if (call->result >= 0)
			file_at(request, call->result);
		break;
	case CALL_BPF:
		return read_bpf(call, request);
	case CALL_PERF_EVENT_OPEN:
		request->kind = KIND_PERF_EVENT_OPEN;
		request->type = user_u32(args[0]);
		request->pid = args[1];
		request->flags = args[4];
		break;
	case CALL_USERFAULTFD:
		request->kind = KIND_USERFAULTFD;
		request->flags = args[0];
		break;
	case CALL_IO_URING_SETUP:
		request->kind = KIND_IO_URING_SETUP;
		request->flags = user_u32(args[1] + 8); /* of struct io_uring_params */
		break;
	case CALL_MEMFD_CREATE:
		request->kind = KIND_MEMFD_CREATE;
		request->text = args[0];
		request->flags = args[1];
		break;
	case CALL_OPEN_BY_HANDLE_AT:
		request->kind = KIND_OPEN_BY_HANDLE_AT;
		request->flags = args[2];
		if (call->result >= 0)
			file_at(request, call->result);
		break;
	case CALL_IOCTL:
		return read_ioctl(call, request);
	case CALL_MMAP:
	case CALL_MMAP2:
	case CALL_MPROTECT:
	case CALL_PKEY_MPROTECT:
		return read_exec_memory(call, request);
	}
	if (call->result >= 0)
		request->fd = call->result;
	return true;
}

#endif
