/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The event, and how texts and the other process come into it. */
#ifndef __SENSITIVE_EVENT_BPF_H
#define __SENSITIVE_EVENT_BPF_H

#include "calls.bpf.h"
#include "path.bpf.h"
#include "types.h"

#define TEXT_BYTES 256

struct event {
	struct event_base;
	enum kind event DOC("which call it was; see the tracker's README");
	errno_t error DOC("why it failed; none when it did not");
	exit_code_t fd DOC("the descriptor that it is about: the new one, or the one that was given");
	u32 command_nr DOC("number of the command of bpf, ptrace, keyctl and the like");
	u32 flags DOC("flags of the call");
	optional_u32_t target_pid
		DOC("the other process: ptrace, process_vm_*, perf_event_open, setns, pidfd_getfd, clone_ns");
	char target_comm[16] DOC("name of that process's thread");
	u32 family_nr DOC("address family of a socket");
	u32 type_nr DOC("type of a socket, a BPF program or map, a perf event");
	u32 protocol_nr DOC("protocol of a socket");
	ip_t ip DOC("address of a socket");
	u16 port DOC("port: bind, listen: one's own; dup_stdio: the other side's");
	u8 path_truncated : 1 DOC("whether a path lacks a part");
	u8 named : 1 DOC("whether the path is made of the name that a call was given");
	u8 _unused : 6;
	u8 has_address : 1 DOC("whether there is an address");
	u8 _unused2 : 7;
	u64 inode DOC("inode number of the file; setns: of the namespace");
	u32 device DOC("device of its file system");
	u16 name_len;
	u16 path_len;
	u16 host_path_len;
	u16 path2_len;
	u16 text_len;
	hex_t arguments[6] DOC("its arguments, as they are in the registers");
	char name[TEXT_BYTES] DOC("the name as it was given to the call, at most 255 bytes of it");
	char path[PATH_BYTES] DOC("path of the file or directory as the process sees it; mount: where it lies");
	char host_path[PATH_BYTES] DOC("path of the same file on the host; none when the host cannot see it");
	char path2[TEXT_BYTES] DOC("the second name: what is mounted, where pivot_root puts the old root");
	char text[TEXT_BYTES] DOC("type of a file system or namespace, name of a memfd, module, key or host");
};

EVENTS(struct event, 2 * 1024 * 1024);

static __always_inline u32 length_of(long got)
{
	return got > 1 ? got - 1 : 0;
}

static __always_inline u32 read_user_text(char *out, u64 address)
{
	return address ? length_of(bpf_probe_read_user_str(out, TEXT_BYTES, (void *)address)) : 0;
}

static __always_inline u32 read_kernel_text(char *out, const char *from)
{
	return length_of(bpf_probe_read_kernel_str(out, TEXT_BYTES, from));
}

static __always_inline void set_target(struct event *event, struct task_struct *task)
{
	event->target_pid = BPF_CORE_READ(task, tgid);
	BPF_CORE_READ_INTO(&event->target_comm, task, comm);
}

#endif
