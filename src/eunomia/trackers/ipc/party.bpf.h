/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The other side: a process of which the kernel knows, or one that has used the same object before. */
#ifndef __IPC_PARTY_BPF_H
#define __IPC_PARTY_BPF_H

#include "event.bpf.h"

#define PIDTYPE_TGID 1 /* include/linux/pid.h */

struct party {
	u64 cgroup_id;
	u32 pid;
	u32 _pad;
	char comm[16];
};

static __always_inline void read_party(struct party *party, struct task_struct *task)
{
	party->cgroup_id = task_cgroup_id(task);
	party->pid = BPF_CORE_READ(task, tgid);
	party->_pad = 0;
	BPF_CORE_READ_INTO(&party->comm, task, group_leader, comm);
}

static __always_inline void set_peer(struct found *found, const struct party *party)
{
	found->event.peer_pid = party->pid;
	found->event.peer_cgroup_id = party->cgroup_id;
	__builtin_memcpy(found->event.peer_comm, party->comm, sizeof(party->comm));
}

static __always_inline void set_peer_task(struct found *found, struct task_struct *task)
{
	found->event.peer_pid = BPF_CORE_READ(task, tgid);
	found->event.peer_cgroup_id = task_cgroup_id(task);
	BPF_CORE_READ_INTO(&found->event.peer_comm, task, comm);
}

/* A process by the kernel's own note of it; of one that has ended the number is left. */
static __always_inline void set_peer_pid(struct found *found, struct pid *noted, bool may_be_self)
{
	struct pid___ipc *pid = (void *)noted;
	struct hlist_node *first;
	u32 number;

	if (!pid)
		return;
	number = BPF_CORE_READ(pid, numbers[0].nr);
	if (!number || (!may_be_self && number == bpf_get_current_pid_tgid() >> 32))
		return;
	first = BPF_CORE_READ(pid, tasks[PIDTYPE_TGID].first);
	if (first)
		set_peer_task(found, (void *)first - bpf_core_field_offset(struct task_struct___ipc, pid_links) -
					     PIDTYPE_TGID * bpf_core_type_size(struct hlist_node));
	found->event.peer_pid = number;
}

/* The last two processes that were seen with an object. */
struct users_key {
	u64 space;
	u64 object;
	u32 kind;
	u32 _pad;
};

struct users {
	struct party last;
	struct party before;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct users_key);
	__type(value, struct users);
} objects SEC(".maps");

/*
 * Notes that the current process, watched or not, uses the object; the other one that did so last is the peer, unless
 * the kernel has told of one.
 */
static __noinline int meet(struct found *found)
{
	struct users_key key = {};
	struct users *users, first = {};
	struct party other;
	struct party me = {};

	if (!found || found->event.error)
		return 0;
	key.space = found->space;
	key.object = found->object;
	key.kind = found->event.kind;
	read_party(&me, current_task());
	users = bpf_map_lookup_elem(&objects, &key);
	if (!users) {
		first.last = me;
		bpf_map_update_elem(&objects, &key, &first, BPF_NOEXIST);
		users = bpf_map_lookup_elem(&objects, &key);
		if (!users)
			return 0;
	}
	/* Both ends may be here at once, on two CPUs; what is told must then still be somebody else. */
	other = users->last;
	if (other.pid == me.pid) {
		other = users->before;
	} else {
		users->before = other;
		users->last = me;
	}
	if (!found->event.peer_pid && other.pid && other.pid != me.pid)
		set_peer(found, &other);
	return 0;
}

#endif
