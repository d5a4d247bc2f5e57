/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Unix sockets: who serves an address, who connects to it, who sends there. */
#ifndef __IPC_UNIX_BPF_H
#define __IPC_UNIX_BPF_H

#include "file.bpf.h"
#include "socket.bpf.h"

/* Who has bound a socket, by its inode, as far as it was seen: for datagrams the kernel keeps no note of it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct party);
} binders SEC(".maps");

/* The same by address, for what is sent to an address: a path means something within a mount namespace only. */
struct address_key {
	char path[SUN_PATH_BYTES];
	u32 ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct address_key);
	__type(value, struct party);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct address_key);
} address_keys SEC(".maps");

/* Whom a thread's last datagram went to, where on_may_send() can be had. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct party);
} receivers SEC(".maps");

static __always_inline struct sock *unix_sock_behind(struct file___ipc *file)
{
	struct socket *socket;
	struct sock *sk;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	return BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX ? sk : 0;
}

static __always_inline struct sock *unix_sock_of(u32 fd)
{
	return unix_sock_behind(file_of(fd));
}

/* `found->address` holds `length` bytes of a sun_path, with a NUL behind: unix(7). */
static __always_inline void set_address(struct found *found, u32 length)
{
	if (!length)
		return; /* not bound to any */
	if (found->address[0]) {
		set_name(found, bpf_probe_read_kernel_str(found->event.name, SUN_PATH_BYTES + 1, found->address), 0);
		return;
	}
	bpf_probe_read_kernel(found->event.name, SUN_PATH_BYTES, found->address);
	found->event.name[0] = '@';
	found->event.name_len = length;
}

static __always_inline void read_address(struct found *found, struct sock *sk)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);
	u32 length;

	if (!address)
		return;
	length = BPF_CORE_READ(address, len) - sizeof(unsigned short);
	if (length > SUN_PATH_BYTES)
		return;
	if (bpf_probe_read_kernel(found->address, length, &address->name[0].sun_path))
		return;
	found->address[length] = 0;
	set_address(found, length);
}

/* The family that the caller says, before anything else is looked at: most sockets are not ours. */
static __always_inline bool is_unix_address(const void *address)
{
	unsigned short family = 0;

	return address && !bpf_probe_read_user(&family, sizeof(family), address) && family == AF_UNIX;
}

static __always_inline void read_user_address(struct found *found, const void *address, u32 length)
{
	length -= sizeof(unsigned short);
	if (length > SUN_PATH_BYTES)
		return;
	if (bpf_probe_read_user(found->address, length, address + sizeof(unsigned short)))
		return;
	found->address[length] = 0;
	set_address(found, length);
}

/* What tells sockets apart, also after one has gone and its memory serves another; 0 before it is accepted. */
static __always_inline u64 sock_inode(struct sock *sk)
{
	return sk ? BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino) : 0;
}

static __always_inline void set_socket(struct found *found, struct sock *sk)
{
	u16 type = BPF_CORE_READ(sk, sk_type);

	found->event.type = type;
	found->event.inode = sock_inode(sk);
	found->object = found->event.inode;
}

/* Whose socket it is: as the kernel notes for those that listen, else who was seen to bind it, else just its cgroup. */
static __always_inline void set_peer_sock(struct found *found, struct sock *sk)
{
	u64 key = sock_inode(sk);
	struct party *party;

	set_peer_pid(found, BPF_CORE_READ(sk, sk_peer_pid), true);
	if (found->event.peer_pid)
		return;
	party = bpf_map_lookup_elem(&binders, &key);
	if (party)
		set_peer(found, party);
	else
		found->event.peer_cgroup_id = socket_cgroup_id(sk);
}

static __always_inline struct address_key *address_key(struct found *found)
{
	struct task_struct___ipc *task = (void *)current_task();
	u32 zero = 0, length = found->event.name_len;
	struct address_key *key = bpf_map_lookup_elem(&address_keys, &zero);

	if (!key || !length || length > SUN_PATH_BYTES)
		return 0;
	__builtin_memset(key, 0, sizeof(*key));
	if (bpf_probe_read_kernel(key->path, length, found->event.name))
		return 0;
	key->ns = found->event.name[0] == '@' ? BPF_CORE_READ(task, nsproxy, net_ns, ns.inum)
					      : task_mnt_ns((struct task_struct *)task);
	return key;
}

static __noinline int on_bind(u32 fd, const void *address, u32 length, long result)
{
	struct address_key *key;
	struct party party = {};
	struct found *found;
	struct sock *sk;
	u64 owned;

	if (!is_unix_address(address))
		return 0;
	found = begin(OPERATION_UNIX_BIND, KIND_UNIX, result);
	sk = unix_sock_of(fd);
	if (!found || !sk)
		return 0;
	set_socket(found, sk);
	if (result < 0) {
		read_user_address(found, address, length);
		return report(found);
	}
	read_address(found, sk);
	read_party(&party, current_task());
	owned = found->event.inode;
	bpf_map_update_elem(&binders, &owned, &party, BPF_ANY);
	key = address_key(found);
	if (key)
		bpf_map_update_elem(&addresses, key, &party, BPF_ANY);
	return report(found);
}

/* The address that the other end of a connection is bound to, which is its listener's. */
static __always_inline void set_bound_name(struct found *found, struct sock *other)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)other, addr);
	u32 length = address ? BPF_CORE_READ(address, len) - sizeof(unsigned short) : 0;
	char *name = found->event.bound_name;
	long got;

	if (!length || length > SUN_PATH_BYTES || bpf_probe_read_kernel(name, length, &address->name[0].sun_path))
		return;
	if (name[0]) {
		got = bpf_probe_read_kernel_str(name, SUN_PATH_BYTES + 1, &address->name[0].sun_path);
		length = got > 0 ? got - 1 : 0;
	} else {
		name[0] = '@';
	}
	found->event.bound_name_len = length;
}

static __noinline int report_connect(struct sock *sk, const void *address, u32 length, long result)
{
	struct found *found = begin(OPERATION_UNIX_CONNECT, KIND_UNIX, result);
	struct sock *other;

	if (!found || !sk)
		return 0;
	set_socket(found, sk);
	if (result < 0) {
		read_user_address(found, address, length);
		return report(found);
	}
	other = BPF_CORE_READ((struct unix_sock *)sk, peer);
	if (other)
		set_bound_name(found, other);
	if (other && found->event.type == TYPE_DGRAM) {
		set_peer_sock(found, other);
		read_address(found, other);
	} else {
		/* A stream's other end notes its listener on this one: copy_peercred(). */
		set_peer_pid(found, BPF_CORE_READ(sk, sk_peer_pid), true);
		read_user_address(found, address, length);
	}
	return report(found);
}

static __always_inline int on_connect(u32 fd, const void *address, u32 length, long result)
{
	return is_unix_address(address) ? report_connect(unix_sock_of(fd), address, length, result) : 0;
}

static __noinline int on_accept(u32 fd, long result)
{
	struct found *found = begin(OPERATION_UNIX_ACCEPT, KIND_UNIX, result);
	struct sock *sk;

	if (!found)
		return 0;
	sk = unix_sock_of(result >= 0 ? result : fd);
	if (!sk)
		return 0;
	set_socket(found, sk);
	read_address(found, sk);
	if (result >= 0)
		set_peer_pid(found, BPF_CORE_READ(sk, sk_peer_pid), true);
	return report(found);
}

static __noinline int on_socketpair(u32 family, const u32 *fds, long result)
{
	struct found *found;
	struct sock *sk = 0;
	u32 fd = 0;

	if (family != AF_UNIX || !anonymous)
		return 0;
	found = begin(OPERATION_UNIX_PAIR, KIND_UNIX, result);
	if (!found)
		return 0;
	if (result >= 0 && !bpf_probe_read_user(&fd, sizeof(fd), fds)) {
		sk = unix_sock_of(fd);
		if (sk)
			set_socket(found, sk);
	}
	return report(found);
}

/* FNV-1a over the address: a path or name stands for the socket that it is sent to. */
static __always_inline u64 name_hash(const struct address_key *key)
{
	const u32 *words = (const u32 *)key;
	u64 hash = 0xcbf29ce484222325ULL;

#pragma clang loop unroll(disable)
	for (u32 word = 0; word < sizeof(*key) / sizeof(*words); word++)
		hash = (hash ^ words[word]) * 0x100000001b3ULL;
	return hash;
}

/* A datagram to an address; on a connected socket it is the connection that is reported. */
static __noinline int on_send(u32 fd, const void *address, u32 length, s64 bytes, long result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct address_key *key;
	struct party *party;
	struct found *found;
	struct sock *sk;

	if (!is_unix_address(address))
		return 0;
	found = begin(OPERATION_UNIX_SEND, KIND_UNIX, result);
	sk = unix_sock_of(fd);
	if (!found || !sk)
		return 0;
	set_socket(found, sk);
	found->use = true;
	found->event.bytes = bytes;
	read_user_address(found, address, length);
	key = address_key(found);
	if (key) {
		found->object = name_hash(key);
		party = bpf_map_lookup_elem(&receivers, &tid) ?: bpf_map_lookup_elem(&addresses, key);
		if (party && result >= 0)
			set_peer(found, party);
	}
	bpf_map_delete_elem(&receivers, &tid);
	return report(found);
}

/*
 * What a datagram's address stands for is known in the kernel for a moment only. Where that can be hooked, the
 * receiving socket is seen, whoever has bound it and whenever: its binder, or at least the container that it was made
 * in.
 */
static __always_inline int on_may_send(struct socket *other)
{
	struct sock *sk = BPF_CORE_READ(other, sk);
	u64 inode = BPF_CORE_READ(other, file, f_inode, i_ino);
	struct party *known, party = {};
	u32 tid = bpf_get_current_pid_tgid();

	if (!filter_pass_current())
		return 0;
	known = bpf_map_lookup_elem(&binders, &inode);
	if (known)
		party = *known;
	else
		party.cgroup_id = socket_cgroup_id(sk);
	bpf_map_update_elem(&receivers, &tid, &party, BPF_ANY);
	return 0;
}

#endif
