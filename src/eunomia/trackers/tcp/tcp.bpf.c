// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * TCP connections, by the changes of their sockets' states: nothing here runs for a packet or for a system call.
 *
 * Most of these changes happen in softirq, while some task or other is current. So what is known of a socket's owner is
 * kept from the moments in which the owner itself is at work: connect(2), listen(2), accept(2) and the last close(2).
 */
#include "eunomia.bpf.h"
#include "pair.bpf.h"
#include "socket.bpf.h"
#include "types.h"

#define IPPROTO_TCP 6
#define EPIPE 32
#define EADDRNOTAVAIL 99
#define ECONNRESET 104
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define SOCK_STREAM 1

#define MOST_SOCKETS 65536
#define NOT_COUNTED -1
#define NONE 255 /* beyond the names of an enum: no value */

enum kind {
	KIND_CONNECT,
	KIND_ACCEPT,
	KIND_CLOSE,
	KIND_FAIL,
	KIND_STATE,
};

/* include/net/tcp_states.h */
enum state {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT,
	STATE_SYN_RECV,
	STATE_FIN_WAIT1,
	STATE_FIN_WAIT2,
	STATE_TIME_WAIT,
	STATE_CLOSE,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATE_LISTEN,
	STATE_CLOSING,
};

enum direction {
	DIRECTION_OUT,
	DIRECTION_IN,
};

enum reset {
	RESET_SENT,
	RESET_RECEIVED,
};

struct event {
	struct event_base;
	enum kind event DOC("connect, accept, close, fail; with --states also state");
	enum direction direction DOC("who opened the connection: out, this side; in, the other; none when not seen");
	ip_t saddr DOC("this side's address, as the socket has it in its own network namespace");
	ip_t daddr DOC("the other side's address, likewise");
	u16 sport DOC("this side's port");
	u16 dport DOC("the other side's port");
	enum state old_state DOC("the socket's state before; of a close it tells who closed first");
	enum state state DOC("the socket's state from then on");
	errno_t error DOC("fail: why; close: what broke the connection, none when it ended in order");
	enum reset reset DOC("close: whether a reset ended the connection, sent by this side or received");
	optional_bytes_t sent_bytes DOC("close: bytes that this side has sent, what was sent again counted once");
	optional_bytes_t received_bytes DOC("close: bytes that have arrived from the other side");
	u32 retransmits DOC("segments sent again so far");
	duration_ns_t latency DOC("connect: from the first packet to the established connection, in nanoseconds");
	duration_ns_t
		duration DOC("close, fail: how long it lasted, in nanoseconds; none when it is older than the run");
	duration_ns_t rtt DOC("smoothed round-trip time, in nanoseconds");
	namespace_t net_ns DOC("network namespace of the socket, its inode number");
};

EVENTS(struct event, 4 * 1024 * 1024);

const volatile bool report_states DOC("whether every change of a state is an event") = false;

struct owned {
	struct event_base owner;
	u64 started; /* CLOCK_BOOTTIME; 0: before the run */
	u32 direction;
	u8 borrowed; /* the owner is who listens: whoever accepts or closes the connection is nearer to it */
	u8 silent;   /* the agent's own */
	u16 _pad;
};

/* Each socket leaves with its change to CLOSE, which comes for every one, also on its way to TIME_WAIT: tcp_done(). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MOST_SOCKETS);
	__type(key, u64);
	__type(value, struct owned);
} sockets SEC(".maps");

static __always_inline struct owned *find(const struct sock *sk)
{
	u64 key = (u64)sk;

	return bpf_map_lookup_elem(&sockets, &key);
}

static __always_inline void keep(const struct sock *sk, const struct owned *owned, u64 flags)
{
	u64 key = (u64)sk;

	if (bpf_map_update_elem(&sockets, &key, owned, flags) && !bpf_map_lookup_elem(&sockets, &key))
		count(COUNTER_FILTER_FULL);
}

static __always_inline void forget(const struct sock *sk)
{
	u64 key = (u64)sk;

	bpf_map_delete_elem(&sockets, &key);
}

/* For where the socket is not locked: its last change may come before we keep it, and then nobody would forget it. */
static __always_inline void keep_unless_closed(const struct sock *sk, const struct owned *owned, u64 flags)
{
	keep(sk, owned, flags);
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == STATE_CLOSE)
		forget(sk);
}

static __always_inline bool is_tcp(const struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP;
}

/* Who the socket belongs to, when no task is known: all that it knows itself. */

static __always_inline bool stranger_pass(const struct sock *sk)
{
	if (FILTER_KINDS & ~(FILTER_CGROUP | FILTER_UID))
		return false;
	if ((FILTER_KINDS & FILTER_UID) && !filter_find(FILTER_UID, BPF_CORE_READ(sk, sk_uid.val)))
		return false;
	return !(FILTER_KINDS & FILTER_CGROUP) || filter_find(FILTER_CGROUP, socket_cgroup_id(sk));
}

static __always_inline void stranger_fill(struct event_base *base, const struct sock *sk)
{
	__builtin_memset(base, 0, sizeof(*base));
	base->cgroup_id = socket_cgroup_id(sk);
	base->uid = BPF_CORE_READ(sk, sk_uid.val);
}

/*
 * Whether a reset ended the connection. One that comes sets the error before it closes the socket: tcp_reset(). One
 * that goes out is known by a connection that ends in the midst of things without any error: tcp_disconnect(),
 * tcp_close() with unread data, data for a socket that is no longer anybody's.
 */
static __always_inline u32 reset_of(u32 old, u32 error)
{
	if (error == ECONNRESET || error == EPIPE)
		return RESET_RECEIVED;
	if (!error && (old == STATE_ESTABLISHED || old == STATE_CLOSE_WAIT || old == STATE_FIN_WAIT1))
		return RESET_SENT;
	return NONE;
}

static __always_inline void fill_close(struct event *event, const struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	u64 done = bpf_core_enum_value(enum sock_flags, SOCK_DONE);

	event->reset = reset_of(event->old_state, event->error);
	event->sent_bytes = BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans);
	/* The other side's FIN counts as a byte there, and SOCK_DONE says that it has come: tcp_fin(). */
	event->received_bytes =
		BPF_CORE_READ(tp, bytes_received) - (BPF_CORE_READ(sk, __sk_common.skc_flags) >> done & 1);
}

static __always_inline void fill(struct event *event, const struct sock *sk, u64 started)
{
	u64 lasted = started ? event->time - started : 0;

	event->error = 0;
	event->reset = NONE;
	event->sent_bytes = event->received_bytes = NOT_COUNTED;
	event->latency = event->event == KIND_CONNECT ? lasted : 0;
	event->duration = event->event == KIND_CLOSE || event->event == KIND_FAIL ? lasted : 0;
	event->retransmits = BPF_CORE_READ((struct tcp_sock *)sk, total_retrans);
	event->rtt = (u64)(BPF_CORE_READ((struct tcp_sock *)sk, srtt_us) >> 3) * 1000;
	event->net_ns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (event->event == KIND_CLOSE || event->event == KIND_FAIL)
		event->error = BPF_CORE_READ(sk, sk_err);
	/* Without a port there was none to be had: inet_hash_connect(), which leaves no error in the socket. */
	if (event->event == KIND_FAIL && !event->error && !event->sport)
		event->error = EADDRNOTAVAIL;
	if (event->event == KIND_CLOSE)
		fill_close(event, sk);
}

static __always_inline void report(const struct sock *sk, enum kind kind, u32 old, u32 new)
{
	struct owned *owned = find(sk);
	struct event *event;
	struct pair pair;
	u64 started = 0;

	if (owned ? owned->silent : !stranger_pass(sk))
		return;
	read_pair(sk, &pair);
	if (!pair_pass(&pair))
		return;
	event = event_reserve(struct event);
	if (!event)
		return;
	if (owned) {
		__builtin_memcpy(event, &owned->owner, sizeof(owned->owner));
		event->direction = owned->direction;
		started = owned->started;
	} else {
		stranger_fill((struct event_base *)event, sk);
		event->direction = kind == KIND_ACCEPT			       ? DIRECTION_IN
				   : kind == KIND_CONNECT || kind == KIND_FAIL ? DIRECTION_OUT
									       : NONE;
	}
	event->time = bpf_ktime_get_boot_ns();
	event->event = kind;
	event->old_state = old;
	event->state = new;
	__builtin_memcpy(event->saddr, &pair.address[0], 16);
	__builtin_memcpy(event->daddr, &pair.address[2], 16);
	event->sport = pair.sport;
	event->dport = pair.dport;
	fill(event, sk, started);
	event_submit(event);
}

/* In the context of a task that is the socket's owner. */
static __always_inline void own(const struct sock *sk, u32 direction)
{
	struct owned owned = {.direction = direction};

	owned.silent = bpf_get_current_pid_tgid() >> 32 == agent_pid;
	if (!owned.silent && !filter_pass_current())
		return;
	event_fill_current(&owned.owner);
	owned.started = owned.owner.time;
	keep(sk, &owned, BPF_ANY);
}

/*
 * A connection to somebody who listens. At this moment the new socket is still a copy of the listening one, list heads
 * included, and that of an empty list points to its own place in the listening one: inet_csk_clone_lock(), then
 * tcp_create_openreq_child().
 */
static __always_inline void inherit(const struct sock *sk)
{
	struct list_head *head = BPF_CORE_READ((struct tcp_sock *)sk, tsorted_sent_queue.next);
	struct owned *listener = find((void *)head - bpf_core_field_offset(struct tcp_sock, tsorted_sent_queue));
	struct owned owned;

	if (!listener) { /* nobody's: and what is remembered here is of a socket that had this place before */
		forget(sk);
		return;
	}
	owned = *listener;
	owned.started = bpf_ktime_get_boot_ns();
	owned.borrowed = true;
	keep(sk, &owned, BPF_ANY);
}

/* In the context of whoever closes a connection, if it is a process: it knows better than who only listened. */
static __always_inline void note_closer(const struct sock *sk)
{
	struct owned *owned = find(sk), found = {.direction = NONE};
	struct task_struct___flags *task = (void *)bpf_get_current_task();

	if ((owned && !owned->borrowed) || (BPF_CORE_READ(task, flags) & PF_KTHREAD) || !filter_pass_current())
		return;
	if (owned) {
		event_fill_current(&owned->owner);
		owned->borrowed = false;
		return;
	}
	event_fill_current(&found.owner);
	keep(sk, &found, BPF_ANY);
}

/* Changes that only a call of the socket's owner makes: tcp_close_state(), or a close that resets, see reset_of(). */
static __always_inline bool is_closed_by_owner(const struct sock *sk, u32 old, u32 new)
{
	if (new == STATE_FIN_WAIT1 || new == STATE_LAST_ACK)
		return true;
	return new == STATE_CLOSE && (old == STATE_ESTABLISHED || old == STATE_CLOSE_WAIT) &&
	       !BPF_CORE_READ(sk, sk_err);
}

static __always_inline u32 kind_of(const struct sock *sk, u32 old, u32 new)
{
	struct owned *owned = find(sk);
	bool opened_here = old == STATE_SYN_SENT || (owned && owned->direction == DIRECTION_OUT);
	u32 kind = report_states ? KIND_STATE : NONE;

	if (new == STATE_ESTABLISHED) /* on_accept() reports the others */
		return opened_here ? KIND_CONNECT : NONE;
	if (new != STATE_CLOSE || old == STATE_LISTEN)
		return kind;
	if (old == STATE_SYN_SENT || old == STATE_SYN_RECV)
		return opened_here ? KIND_FAIL : kind;
	return KIND_CLOSE;
}

static __always_inline int on_state(const struct sock *sk, u32 old, u32 new)
{
	u32 kind;

	if (old == new || !is_tcp(sk))
		return 0;
	if (new == STATE_SYN_SENT)
		own(sk, DIRECTION_OUT);
	else if (new == STATE_LISTEN)
		own(sk, DIRECTION_IN);
	else if (new == STATE_SYN_RECV && old == STATE_LISTEN)
		inherit(sk);
	else if (is_closed_by_owner(sk, old, new))
		note_closer(sk);
	kind = kind_of(sk, old, new);
	if (kind != NONE && !(old == STATE_LISTEN && new == STATE_SYN_RECV)) /* it has no addresses of its own yet */
		report(sk, kind, old, new);
	if (new == STATE_CLOSE)
		forget(sk);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state_btf, const struct sock *sk, int old, int new)
{
	return on_state(sk, old, new);
}

SEC("raw_tp/inet_sock_set_state")
int BPF_PROG(state_raw, const struct sock *sk, int old, int new)
{
	return on_state(sk, old, new);
}

/*
 * What is open when the run begins, with the first task that is asked for and has it open. Whoever listens may have
 * passed its socket on to those who accept.
 */
SEC("iter/task_file")
int open_sockets(struct bpf_iter__task_file *ctx)
{
	struct file___socket *file = (void *)ctx->file;
	struct task_struct *task = ctx->task;
	struct owned owned = {};
	struct socket *socket;
	struct sock *sk;
	u32 state;

	if (!task || !file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = socket ? BPF_CORE_READ(socket, sk) : 0;
	if (!sk || !is_tcp(sk) || BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
		return 0;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	owned.silent = (u32)BPF_CORE_READ(task, tgid) == agent_pid;
	if (state == STATE_CLOSE || (!owned.silent && !filter_pass(task)))
		return 0;
	event_fill(&owned.owner, task);
	owned.direction = state == STATE_LISTEN ? DIRECTION_IN : state == STATE_SYN_SENT ? DIRECTION_OUT : NONE;
	keep_unless_closed(sk, &owned, BPF_NOEXIST);
	return 0;
}

/* Since 6.10 there are two arguments in front of the result: 92ef0fd55ac8, before four. */
static __always_inline struct sock *accepted(u64 *ctx)
{
	u64 sk;

	if (bpf_core_type_exists(struct proto_accept_arg)) {
		sk = ctx[2];
		barrier_var(sk); /* else the compiler makes one load at a chosen offset of both */
	} else {
		sk = ctx[4];
		barrier_var(sk);
	}
	return (struct sock *)sk;
}

/* First way to what is accepted: when accept(2) has it, in the context of the very task. */
SEC("fexit/inet_csk_accept")
int accept_fexit(u64 *ctx)
{
	struct owned owned = {.direction = DIRECTION_IN}, *known;
	struct sock *sk = accepted(ctx);

	if (!sk || !is_tcp(sk))
		return 0;
	owned.silent = bpf_get_current_pid_tgid() >> 32 == agent_pid;
	if (!owned.silent && !filter_pass_current()) {
		forget(sk); /* who listens was asked for, who accepts was not */
		return 0;
	}
	event_fill_current(&owned.owner);
	known = find(sk);
	owned.started = known ? known->started : owned.owner.time;
	keep_unless_closed(sk, &owned, BPF_ANY);
	report(sk, KIND_ACCEPT, STATE_SYN_RECV, BPF_CORE_READ(sk, __sk_common.skc_state));
	return 0;
}

/* Second way: when it is established, for the task that listens. */
static __always_inline int on_accept(const struct sock *sk, u32 old, u32 new)
{
	struct owned *owned;

	if (old != STATE_SYN_RECV || new != STATE_ESTABLISHED || !is_tcp(sk))
		return 0;
	owned = find(sk);
	if (!owned || owned->direction == DIRECTION_IN)
		report(sk, KIND_ACCEPT, old, new);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(accept_btf, const struct sock *sk, int old, int new)
{
	return on_accept(sk, old, new);
}

SEC("raw_tp/inet_sock_set_state")
int BPF_PROG(accept_raw, const struct sock *sk, int old, int new)
{
	return on_accept(sk, old, new);
}
