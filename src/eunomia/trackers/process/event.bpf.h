/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The event, and how one is begun. */
#ifndef __PROCESS_EVENT_BPF_H
#define __PROCESS_EVENT_BPF_H

#include "path.bpf.h"
#include "syscall.bpf.h"
#include "types.h"

#define ARGS_BYTES 2048
#define ARG_BYTES 512 /* of one argument, of an exec that failed */
#define ARGS_COUNT 64 /* likewise */
#define FILE_BYTES 512
#define INTERPRETER_BYTES 256
#define SIGNAL_GROUP_EXIT 0x4 /* include/linux/sched/signal.h */
#define NO_EXIT_CODE -1
#define EEXIST 17

enum kind {
	KIND_EXEC,
	KIND_EXEC_FAILED,
	KIND_FORK,
	KIND_EXIT,
	KIND_CREDENTIALS,
	KIND_NAMESPACE,
	KIND_COMM,
};

enum namespace {
	NAMESPACE_CGROUP,
	NAMESPACE_IPC,
	NAMESPACE_MNT,
	NAMESPACE_NET,
	NAMESPACE_PID,
	NAMESPACE_TIME,
	NAMESPACE_USER,
	NAMESPACE_UTS,
};
#define NO_NAMESPACE 255

typedef u32 optional_id_t; /* NO_ID: none */
#define NO_ID 0xffffffff
typedef u64 capabilities_t; /* a bit for each; NO_CAPABILITIES: none told */
#define NO_CAPABILITIES (~0ULL)

enum stream {
	STREAM_TTY,
	STREAM_PIPE,
	STREAM_SOCKET,
	STREAM_FILE,
	STREAM_NULL,
};
#define NO_STREAM 255

struct credentials {
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u64 inheritable, permitted, effective, ambient;
	u64 groups; /* where the list of them lies: a new one is a new list */
};

struct event {
	struct event_base;
	enum kind event DOC("what happened");
	char parent_comm[16] DOC("name of the parent process");
	exit_code_t exit_code DOC("exit: the code given to exit(2); none when a signal ended the process");
	duration_ns_t duration DOC("exit: how long the process lived, in nanoseconds");
	signal_nr_t signal DOC("exit: the signal that ended the process");
	errno_t error DOC("exec_failed, credentials, namespace: why it failed");
	syscall_nr_t syscall DOC("credentials, namespace: the call that did it, where the way to it tells");
	enum namespace namespace DOC("namespace: its kind; of pid and time, the one for children");
	namespace_t old_ns DOC("namespace: the one before, its inode number");
	namespace_t new_ns DOC("namespace: the one now, its inode number");
	char old_comm[16] DOC("comm: the name before");
	optional_id_t old_uid DOC("credentials: real user id before");
	optional_id_t old_euid DOC("credentials: effective user id before");
	optional_id_t old_suid DOC("credentials: saved user id before");
	optional_id_t euid DOC("credentials: effective user id now");
	optional_id_t old_gid DOC("credentials: real group id before");
	optional_id_t old_egid DOC("credentials: effective group id before");
	optional_id_t egid DOC("credentials: effective group id now");
	capabilities_t old_effective DOC("credentials: effective capabilities before");
	capabilities_t effective DOC("credentials: effective capabilities now");
	capabilities_t old_permitted DOC("credentials: permitted capabilities before");
	capabilities_t permitted DOC("credentials: permitted capabilities now");
	optional_u64_t exe_inode DOC("exec: inode number of the program file");
	optional_u64_t exe_ctime_ns DOC("exec: when that file was last changed, in nanoseconds since 1970");
	optional_bool_t
		exe_upper_layer DOC("exec: whether it was written into its container; none where no overlay is");
	optional_bool_t exe_memfd DOC("exec: whether it lies in memory only (memfd_create(2))");
	optional_bool_t exe_deleted DOC("exec: whether it has no name any more");
	optional_bool_t exe_on_host DOC("exec: whether it was run in the host's mount namespace");
	enum stream stdin DOC("exec: what standard input is, tty, pipe, socket, file or null; none when closed");
	enum stream stdout DOC("exec: the same of standard output");
	optional_u32_t stdin_port DOC("exec: port of the other side when standard input is a connected IP socket");
	optional_ip_t stdin_peer DOC("exec: its address");
	u8 args_truncated : 1 DOC("whether args lacks its end");
	u8 path_truncated : 1 DOC("whether a path lacks a part");
	u8 _unused : 6;
	u16 filename_len;
	u16 args_len;
	u16 executable_len;
	u16 cwd_len;
	u16 interpreter_len;
	char filename[FILE_BYTES] DOC("the file as it was named to execve(2)");
	argv_t args[ARGS_BYTES] DOC("the argument list, the program's own name first");
	char executable[PATH_BYTES] DOC("path of the program file that runs, for a script its interpreter's");
	char cwd[PATH_BYTES] DOC("working directory, as the process sees it");
	char interpreter[INTERPRETER_BYTES] DOC("exec of a script: the interpreter its first line names");
};

EVENTS(struct event, 8 * 1024 * 1024);

const volatile u32 host_mnt_ns DOC("the host's mount namespace; 0 when it is not known") = 0;

/* Everything an event of another kind leaves out; the strings' bytes behind their length are never read. */
static __always_inline void clear(struct event *event, enum kind kind)
{
	event->event = kind;
	event->exit_code = NO_EXIT_CODE;
	event->duration = 0;
	event->signal = 0;
	event->error = 0;
	event->syscall = SYSCALL_NONE;
	event->namespace = NO_NAMESPACE;
	event->old_ns = 0;
	event->new_ns = 0;
	event->old_comm[0] = 0;
	event->old_uid = NO_ID;
	event->old_euid = NO_ID;
	event->old_suid = NO_ID;
	event->euid = NO_ID;
	event->old_gid = NO_ID;
	event->old_egid = NO_ID;
	event->egid = NO_ID;
	event->old_effective = NO_CAPABILITIES;
	event->effective = NO_CAPABILITIES;
	event->old_permitted = NO_CAPABILITIES;
	event->permitted = NO_CAPABILITIES;
	event->exe_inode = 0;
	event->exe_ctime_ns = 0;
	event->exe_upper_layer = OPTIONAL_NONE;
	event->exe_memfd = OPTIONAL_NONE;
	event->exe_deleted = OPTIONAL_NONE;
	event->exe_on_host = OPTIONAL_NONE;
	event->stdin = NO_STREAM;
	event->stdout = NO_STREAM;
	event->stdin_port = 0;
	__builtin_memset(event->stdin_peer, 0, sizeof(event->stdin_peer));
	event->args_truncated = 0;
	event->path_truncated = 0;
	event->filename_len = 0;
	event->args_len = 0;
	event->executable_len = 0;
	event->cwd_len = 0;
	event->interpreter_len = 0;
}

/* What every event tells beyond its prefix. */
static __always_inline void fill(struct event *event, struct task_struct *task, enum kind kind)
{
	BPF_CORE_READ_INTO(&event->parent_comm, task, real_parent, group_leader, comm);
	clear(event, kind);
}

#endif
