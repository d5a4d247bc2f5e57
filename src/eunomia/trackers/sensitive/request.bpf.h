/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a call was asked to do: from registers, and what they point to, to one form for all calls. */
#ifndef __SENSITIVE_REQUEST_BPF_H
#define __SENSITIVE_REQUEST_BPF_H

#include "calls.bpf.h"
#include "place.bpf.h"

#define NONE -1

#define AF_UNIX 1 /* include/linux/socket.h */
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define NETLINK_ROUTE 0
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_TYPE_MASK 0xf

#define SYS_SOCKET 1 /* include/uapi/linux/net.h */
#define SYS_BIND 2
#define SYS_LISTEN 4
#define SYS_ACCEPT 5
#define SYS_ACCEPT4 18

#define F_DUPFD 0 /* include/uapi/linux/fcntl.h */
#define F_DUPFD_CLOEXEC 1030
#define STDERR 2

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

#define MS_REMOUNT 0x20 /* include/uapi/linux/mount.h */
#define MS_MOVE 0x2000
#define MS_REC 0x4000 /* bind with all that lies below: the newest mount is one of those */
#define MS_CHANGE_TYPE (0x20000 | 0x40000 | 0x80000 | 0x100000) /* unbindable, private, slave, shared */

#define OPEN_TREE_CLONE 1 /* a copy of a mount, which lies nowhere yet */

#define PERSONALITY_QUERY 0xffffffff
#define RESTART2 0xa1b2c3d4 /* LINUX_REBOOT_CMD_RESTART2 */

/* Requests that begin a trace, or write to what is traced; the rest is the daily work of a debugger. */
#define PTRACE_SETREGSET 0x4205
#define PTRACE_SEIZE 0x4206
#define PTRACE_LOW                                                                                                     \
	(1 << 0 /* TRACEME */ | 1 << 4 /* POKETEXT */ | 1 << 5 /* POKEDATA */ | 1 << 6 /* POKEUSR */ |                 \
	 1 << 13 /* SETREGS */ | 1 << 15 /* SETFPREGS */ | 1 << 16 /* ATTACH */ | 1 << 19 /* SETFPXREGS */)
#define PTRACE_TRACEME 0

/* Commands of bpf(2) on the elements of a map: those who may give them hold the map already. */
#define BPF_ELEMENTS                                                                                                   \
	(1ULL << 1 | 1ULL << 2 | 1ULL << 3 | 1ULL << 4 | 1ULL << 21 | 1ULL << 22 | 1ULL << 24 | 1ULL << 25 |           \
	 1ULL << 26 | 1ULL << 27)
#define BPF_MAP_CREATE 0
#define BPF_PROG_LOAD 5
#define BPF_MAP_NAME 28 /* their places in union bpf_attr */
#define BPF_PROG_NAME 48
#define BPF_NAME_BYTES 16

/* How the path is found. */
enum where {
	WHERE_NOWHERE,
	WHERE_NAME,  /* `name` below `dirfd`, as text */
	WHERE_FILE,  /* that of the open file `file` */
	WHERE_ROOT,  /* the process's root directory, as it now is */
	WHERE_MOUNT, /* the newest mount of the process's mount namespace */
};

/* A call that returns: its arguments, whatever entry it came through. */
struct returned {
	long result;
	u32 call;
	u32 compat;
	u64 args[6];
};

struct request {
	enum kind kind;
	enum where where;
	u64 name; /* addresses of strings */
	u64 name2;
	u64 text;
	u64 address; /* of a struct sockaddr */
	s32 fd;	     /* that is reported */
	s32 file;
	s32 dirfd;
	s32 socket;
	s32 pid; /* as the caller numbers processes */
	u32 flags;
	u32 command;
	u32 family;
	u32 type;
	u32 protocol;
	bool listens;
};

static __always_inline void name_at(struct request *request, s32 dirfd, u64 name)
{
	request->where = WHERE_NAME;
	request->dirfd = dirfd;
	request->name = name;
}

static __always_inline void file_at(struct request *request, s32 fd)
{
	request->where = WHERE_FILE;
	request->file = fd;
}

static __always_inline u32 user_u32(u64 address)
{
	u32 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline u64 user_u64(u64 address)
{
	u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

/* A descriptor 0 … 2 that now is another file; user space is told when that is a socket. */
static __always_inline bool is_stdio(const struct returned *call, struct request *request)
{
	request->kind = KIND_DUP_STDIO;
	request->fd = call->result;
	request->socket = call->result;
	return call->result >= 0 && call->result <= STDERR;
}

static __always_inline bool read_socket(const struct returned *call, struct request *request, const u64 *args)
{
	u32 type = args[1] & SOCK_TYPE_MASK;

	request->kind = KIND_SOCKET;
	request->family = args[0];
	request->type = type;
	request->flags = args[1] & ~SOCK_TYPE_MASK;
	request->protocol = args[2];
	if (call->result >= 0)
		request->fd = call->result;
	if (request->family == AF_UNIX || ((request->family == AF_INET || request->family == AF_INET6) &&
					   (type == SOCK_STREAM || type == SOCK_DGRAM)))
		return is_stdio(call, request);
	return request->family != AF_NETLINK || request->protocol != NETLINK_ROUTE; /* of every look-up of a name */
}

static __always_inline bool read_bind(struct request *request, const u64 *args)
{
	request->kind = KIND_BIND;
	request->fd = args[0];
	request->socket = args[0];
	request->address = args[1];
	return true;
}

static __always_inline bool read_listen(struct request *request, const u64 *args)
{
	request->kind = KIND_LISTEN;
	request->fd = args[0];
	request->socket = args[0];
	request->listens = true;
	return true;
}

static __always_inline bool read_socketcall(const struct returned *call, struct request *request)
{
	u32 given[3] = {};
	u64 args[3];

	bpf_probe_read_user(given, sizeof(given), (void *)call->args[1]);
	args[0] = given[0];
	args[1] = given[1];
	args[2] = given[2];
	switch (call->args[0]) {
	case SYS_SOCKET:
		return read_socket(call, request, args);
	case SYS_BIND:
		return read_bind(request, args);
	case SYS_LISTEN:
		return read_listen(request, args);
	case SYS_ACCEPT:
	case SYS_ACCEPT4:
		return is_stdio(call, request);
	}
	return false;
}

static __always_inline bool read_mount(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	request->kind = KIND_MOUNT;
	request->name2 = args[0];
	name_at(request, AT_FDCWD, args[1]);
	request->text = args[2];
	request->flags = args[3];
	if (!call->result && !(args[3] & (MS_REMOUNT | MS_MOVE | MS_REC | MS_CHANGE_TYPE)))
		request->where = WHERE_MOUNT;
	return true;
}

static __always_inline bool read_move_mount(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	request->kind = KIND_MOVE_MOUNT;
	request->flags = args[4];
	name_at(request, args[2], args[3]);
	request->name2 = args[1];
	if (!call->result && (s32)args[0] >= 0)
		file_at(request, args[0]); /* that mount now lies there */
	return true;
}

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
	return command >= 64 || !(1ULL << command & BPF_ELEMENTS);
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

/* Of the quota calls: the command, and the path of the device or the file that says which file system. */
static __always_inline bool read_quota(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	request->kind = KIND_QUOTACTL;
	if (call->call == CALL_QUOTACTL_FD) {
		file_at(request, args[0]);
		request->command = args[1];
	} else {
		request->command = args[0];
		if (args[1])
			name_at(request, AT_FDCWD, args[1]);
	}
	return true;
}

static __always_inline bool read_setns(const struct returned *call, struct request *request)
{
	request->kind = KIND_SETNS;
	request->file = call->args[0];
	request->fd = call->args[0];
	request->flags = call->args[1];
	return true;
}

static __always_inline bool read_mount_call(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	switch (call->call) {
	case CALL_MOUNT:
		return read_mount(call, request);
	case CALL_UMOUNT:
	case CALL_UMOUNT2:
		request->kind = KIND_UMOUNT;
		name_at(request, AT_FDCWD, args[0]);
		request->flags = call->call == CALL_UMOUNT ? 0 : args[1];
		return true;
	case CALL_MOUNT_SETATTR:
		request->kind = KIND_MOUNT_SETATTR;
		name_at(request, args[0], args[1]);
		request->flags = user_u64(args[3]); /* attr_set */
		return true;
	case CALL_MOVE_MOUNT:
		return read_move_mount(call, request);
	case CALL_OPEN_TREE:
	case CALL_OPEN_TREE_ATTR:
		request->kind = KIND_OPEN_TREE;
		request->flags = args[2];
		name_at(request, args[0], args[1]);
		break;
	case CALL_FSOPEN:
		request->kind = KIND_FSOPEN;
		request->text = args[0];
		request->flags = args[1];
		break;
	case CALL_FSCONFIG:
		request->kind = KIND_FSCONFIG;
		request->command = args[1];
		request->text = args[2];
		if (request->command == 1 || request->command == 3) /* FSCONFIG_SET_STRING, _PATH */
			request->name2 = args[3];
		request->fd = args[0];
		return true;
	case CALL_FSMOUNT:
		request->kind = KIND_FSMOUNT;
		request->flags = args[2];
		break;
	case CALL_PIVOT_ROOT:
	case CALL_CHROOT:
		request->kind = call->call == CALL_CHROOT ? KIND_CHROOT : KIND_PIVOT_ROOT;
		name_at(request, AT_FDCWD, args[0]);
		if (call->call == CALL_PIVOT_ROOT)
			request->name2 = args[1];
		if (!call->result)
			request->where = WHERE_ROOT;
		return true;
	}
	if (call->result >= 0) {
		request->fd = call->result;
		if (call->call != CALL_FSOPEN && !(request->kind == KIND_OPEN_TREE && args[2] & OPEN_TREE_CLONE))
			file_at(request, call->result);
	}
	return true;
}

static __always_inline bool read_kernel_call(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	switch (call->call) {
	case CALL_INIT_MODULE:
		request->kind = KIND_INIT_MODULE;
		request->text = args[2]; /* its parameters: the name lies in the image */
		return true;
	case CALL_FINIT_MODULE:
		request->kind = KIND_FINIT_MODULE;
		request->text = args[1];
		request->flags = args[2];
		file_at(request, args[0]);
		return true;
	case CALL_DELETE_MODULE:
		request->kind = KIND_DELETE_MODULE;
		request->text = args[0];
		request->flags = args[1];
		return true;
	case CALL_KEXEC_LOAD:
		request->kind = KIND_KEXEC_LOAD;
		request->flags = args[3];
		return true;
	case CALL_KEXEC_FILE_LOAD:
		request->kind = KIND_KEXEC_FILE_LOAD;
		request->text = args[3];
		request->flags = args[4];
		file_at(request, args[0]);
		return true;
	case CALL_REBOOT:
		request->kind = KIND_REBOOT;
		request->command = args[2];
		if (request->command == RESTART2)
			request->text = args[3];
		return true;
	case CALL_SWAPON:
		request->kind = KIND_SWAPON;
		request->flags = args[1];
		name_at(request, AT_FDCWD, args[0]);
		return true;
	case CALL_SETTIMEOFDAY:
	case CALL_CLOCK_SETTIME:
	case CALL_CLOCK_SETTIME64:
		request->kind = call->call == CALL_SETTIMEOFDAY ? KIND_SETTIMEOFDAY : KIND_CLOCK_SETTIME;
		return true;
	case CALL_SETHOSTNAME:
		request->kind = KIND_SETHOSTNAME;
		request->text = args[0];
		return true;
	case CALL_PERSONALITY:
		request->kind = KIND_PERSONALITY;
		request->flags = args[0];
		return request->flags != PERSONALITY_QUERY;
	case CALL_QUOTACTL:
	case CALL_QUOTACTL_FD:
		return read_quota(call, request);
	case CALL_ACCT:
		request->kind = KIND_ACCT;
		if (args[0])
			name_at(request, AT_FDCWD, args[0]);
		return true;
	case CALL_IOPL:
	case CALL_IOPERM:
		request->kind = call->call == CALL_IOPL ? KIND_IOPL : KIND_IOPERM;
		return true;
	case CALL_KEYCTL:
		request->kind = KIND_KEYCTL;
		request->command = args[0];
		return true;
	case CALL_ADD_KEY:
	case CALL_REQUEST_KEY:
		request->kind = call->call == CALL_ADD_KEY ? KIND_ADD_KEY : KIND_REQUEST_KEY;
		request->name2 = args[0];
		request->text = args[1];
		return true;
	}
	return false;
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

static __always_inline bool read_socket_call(const struct returned *call, struct request *request)
{
	u32 command = call->args[1];

	switch (call->call) {
	case CALL_SOCKET:
		return read_socket(call, request, call->args);
	case CALL_SOCKETCALL:
		return read_socketcall(call, request);
	case CALL_BIND:
		return read_bind(request, call->args);
	case CALL_LISTEN:
		return read_listen(request, call->args);
	case CALL_FCNTL:
	case CALL_FCNTL64:
		return (command == F_DUPFD || command == F_DUPFD_CLOEXEC) && is_stdio(call, request);
	}
	return is_stdio(call, request);
}

/* What the call was asked; false for what nobody wants to know. */
static __always_inline bool read_request(const struct returned *call, struct request *request)
{
	if (call->call <= CALL_CHROOT)
		return read_mount_call(call, request);
	if (call->call >= CALL_INIT_MODULE && call->call <= CALL_REQUEST_KEY)
		return read_kernel_call(call, request);
	if (call->call >= CALL_SOCKET && call->call <= CALL_FCNTL64)
		return read_socket_call(call, request);
	return read_process_call(call, request);
}

#endif
