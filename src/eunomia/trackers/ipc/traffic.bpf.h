/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How much goes through pipes, sockets, queues and semaphores: counted for each process and object. */
#ifndef __IPC_TRAFFIC_BPF_H
#define __IPC_TRAFFIC_BPF_H

#include "sysv.bpf.h"
#include "totals.bpf.h"
#include "unix.bpf.h"

typedef u64 bytes_t;

struct total_key {
	u64 space;
	u64 object;
	u32 pid;
	u32 kind;
};

struct total {
	struct event_base;
	enum kind kind DOC("which mechanism");
	enum type type DOC("unix: type of the socket");
	optional_u32_t peer_pid DOC("process id of the other side as the host sees it, where it is known");
	optional_u64_t peer_cgroup_id DOC("id of the other side's cgroup");
	char peer_comm[16] DOC("name of the other side's program");
	optional_u64_t inode DOC("inode number of the pipe, queue or socket");
	ipc_key_t key DOC("System V: the object's key; none for IPC_PRIVATE");
	ipc_id_t ipc_id DOC("System V: the object's id");
	u64 operations DOC("how often something was sent, received, or done with a semaphore");
	u64 sent DOC("how often something was sent");
	optional_bytes_t sent_bytes DOC("how much was sent");
	u64 received DOC("how often something was received");
	optional_bytes_t received_bytes DOC("how much was received");
	u16 name_len;
	char name[NAME_BYTES] DOC("name of the queue, address of the socket (abstract: @…)");
};

TOTALS(struct total_key, struct total, 8192);

enum direction {
	DIRECTION_NONE,
	DIRECTION_SENT,
	DIRECTION_RECEIVED,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct total);
} first_totals SEC(".maps");

static __always_inline void copy_peer(struct total *total, struct found *found)
{
	total->peer_pid = found->event.peer_pid;
	total->peer_cgroup_id = found->event.peer_cgroup_id;
	__builtin_memcpy(total->peer_comm, found->event.peer_comm, sizeof(total->peer_comm));
}

/* A row for what `found` tells of. */
static __noinline struct total *add_total(struct total_key *key, struct found *found)
{
	u32 zero = 0;
	struct total *first = bpf_map_lookup_elem(&first_totals, &zero);

	if (!first || !key || !found)
		return 0;
	event_fill_current((struct event_base *)first);
	first->kind = found->event.kind;
	first->type = found->event.type;
	copy_peer(first, found);
	first->inode = found->event.inode;
	first->key = found->event.key;
	first->ipc_id = found->event.ipc_id;
	first->operations = 0;
	first->sent = 0;
	first->sent_bytes = 0;
	first->received = 0;
	first->received_bytes = 0;
	first->name_len = found->event.name_len;
	__builtin_memcpy(first->name, found->event.name, sizeof(first->name));
	return totals_add(key, first);
}

static __always_inline int add_up(struct total *total, enum direction direction, u64 bytes)
{
	if (!total)
		return 0;
	__sync_fetch_and_add(&total->operations, 1);
	if (direction == DIRECTION_SENT)
		__sync_fetch_and_add(&total->sent, 1);
	else if (direction == DIRECTION_RECEIVED)
		__sync_fetch_and_add(&total->received, 1);
	if (!bytes) /* of a constant 0 the compiler would make an instruction that kernels before 5.12 do not have */
		return 0;
	if (direction == DIRECTION_SENT)
		__sync_fetch_and_add(&total->sent_bytes, bytes);
	else if (direction == DIRECTION_RECEIVED)
		__sync_fetch_and_add(&total->received_bytes, bytes);
	return 0;
}

/* Who is at the other end: asked until there is an answer, since often it has not come by yet. */
static __always_inline void meet_once(struct total *total, struct found *found)
{
	if (total->peer_pid)
		return;
	meet(found);
	copy_peer(total, found);
}

static __noinline int on_sysv_traffic(enum kind kind, enum operation operation, s32 id, u64 bytes, long result)
{
	struct total_key key = {.object = (u32)id, .kind = kind};
	struct found *found;
	struct total *total;

	if (result < 0 || !filter_pass_current())
		return 0;
	found = begin_sysv(operation, kind, id, result);
	if (!found)
		return 0;
	key.space = found->space;
	key.pid = bpf_get_current_pid_tgid() >> 32;
	total = totals_find(&key);
	if (!total) {
		describe(found);
		total = add_total(&key, found);
	}
	if (!total)
		return 0;
	meet_once(total, found);
	return add_up(total,
		      kind == KIND_SYSV_SEM		? DIRECTION_NONE
		      : operation == OPERATION_MSG_SEND ? DIRECTION_SENT
							: DIRECTION_RECEIVED,
		      bytes);
}

static __always_inline void describe_socket(struct found *found, struct sock *sk)
{
	struct sock *other = BPF_CORE_READ((struct unix_sock *)sk, peer);

	set_socket(found, sk);
	/* Of a connection, usually only the listener's end has an address. */
	read_address(found, sk);
	if (!found->event.name_len && other)
		read_address(found, other);
}

/* Anything that is read or written comes here: what is neither pipe nor Unix socket must be gone soon. */
static __noinline int on_transfer(u32 fd, enum direction direction, u64 bytes, long result)
{
	struct total_key key = {};
	struct file___ipc *file;
	struct found *found;
	struct total *total;
	struct inode *inode;
	struct sock *sk = 0;
	u64 end;
	u32 mode;

	if (result < 0 || !filter_pass_current())
		return 0;
	file = file_of(fd);
	inode = BPF_CORE_READ(file, f_inode);
	mode = BPF_CORE_READ(inode, i_mode) & S_IFMT;
	if (mode == S_IFSOCK) {
		sk = unix_sock_of(fd);
		if (!sk)
			return 0;
		key.kind = KIND_UNIX;
		key.object = BPF_CORE_READ(inode, i_ino);
	} else if (mode == S_IFIFO) {
		key.kind = KIND_PIPE;
		key.object = BPF_CORE_READ(inode, i_ino);
		key.space = BPF_CORE_READ(inode, i_sb, s_dev);
	} else {
		return 0;
	}
	key.pid = bpf_get_current_pid_tgid() >> 32;
	total = totals_find(&key);
	if (total && total->peer_pid)
		return add_up(total, direction, bytes);
	found = begin(sk ? OPERATION_UNIX_SEND : OPERATION_PIPE, key.kind, 0);
	if (!found)
		return 0;
	if (sk)
		describe_socket(found, sk);
	else
		set_inode(found, inode);
	if (!total)
		total = add_total(&key, found);
	if (!total)
		return 0;
	if (!sk) {
		meet_once(total, found);
		return add_up(total, direction, bytes);
	}
	/* Both ends of a connection are one object to those who meet on it. Until they have, the kernel knows of one.
	 */
	end = sock_inode(BPF_CORE_READ((struct unix_sock *)sk, peer));
	if (end) {
		found->object = end < found->object ? end : found->object;
		meet_once(total, found);
	}
	if (!total->peer_pid) {
		set_peer_pid(found, BPF_CORE_READ(sk, sk_peer_pid), false);
		copy_peer(total, found);
	}
	return add_up(total, direction, bytes);
}

static __noinline int on_mq_traffic(u32 fd, enum direction direction, u64 bytes, long result)
{
	struct total_key key = {.kind = KIND_POSIX_MQ};
	struct file___ipc *file;
	struct found *found;
	struct total *total;

	if (result < 0 || !filter_pass_current())
		return 0;
	found = begin(OPERATION_MQ_SEND, KIND_POSIX_MQ, 0);
	file = file_of(fd);
	if (!found || !file)
		return 0;
	set_queue(found, file);
	key.object = found->object;
	key.space = found->space;
	key.pid = bpf_get_current_pid_tgid() >> 32;
	total = totals_find(&key) ?: add_total(&key, found);
	if (!total)
		return 0;
	meet_once(total, found);
	return add_up(total, direction, bytes);
}

#endif
