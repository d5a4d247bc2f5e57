/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The event, how one is begun, and how it is reported. */
#ifndef __IPC_EVENT_BPF_H
#define __IPC_EVENT_BPF_H

#include "syscall.bpf.h"
#include "types.h"

#define EEXIST 17
#define ERESTARTSYS 512 /* from here on the kernel's own codes: the call is made again, or was interrupted */
#define NAME_BYTES 256
#define SUN_PATH_BYTES 108
#define BOUND_NAME_BYTES 112

typedef u32 ipc_key_t; /* 0: none, IPC_PRIVATE */
typedef s32 ipc_id_t;  /* -1: none */

enum operation {
	OPERATION_SHM_GET,
	OPERATION_SHM_ATTACH,
	OPERATION_SHM_DETACH,
	OPERATION_SHM_REMOVE,
	OPERATION_SEM_GET,
	OPERATION_SEM_OP,
	OPERATION_SEM_REMOVE,
	OPERATION_MSG_GET,
	OPERATION_MSG_SEND,
	OPERATION_MSG_RECEIVE,
	OPERATION_MSG_REMOVE,
	OPERATION_MQ_OPEN,
	OPERATION_MQ_SEND,
	OPERATION_MQ_RECEIVE,
	OPERATION_MQ_UNLINK,
	OPERATION_POSIX_SHM_OPEN,
	OPERATION_POSIX_SHM_UNLINK,
	OPERATION_PIPE,
	OPERATION_FIFO_OPEN,
	OPERATION_UNIX_BIND,
	OPERATION_UNIX_CONNECT,
	OPERATION_UNIX_ACCEPT,
	OPERATION_UNIX_PAIR,
	OPERATION_UNIX_SEND,
	OPERATION_SIGNAL_SENT,
	OPERATION_SIGNAL_RECEIVED,
};

enum kind {
	KIND_SYSV_SHM,
	KIND_SYSV_SEM,
	KIND_SYSV_MSG,
	KIND_POSIX_MQ,
	KIND_POSIX_SHM,
	KIND_PIPE,
	KIND_UNIX,
	KIND_SIGNAL,
};

/* SOCK_… of include/linux/net.h; a value that has no name here is shown as none. */
enum type {
	TYPE_STREAM = 1,
	TYPE_DGRAM = 2,
	TYPE_SEQPACKET = 5,
};
#define NO_TYPE 99

struct event {
	struct event_base;
	enum operation event DOC("what was done");
	enum kind kind DOC("which mechanism");
	enum type type DOC("unix: type of the socket");
	optional_u32_t peer_pid DOC("process id of the other side as the host sees it, where it is known");
	optional_u64_t peer_cgroup_id DOC("id of the other side's cgroup");
	char peer_comm[16] DOC("name of the other side's program");
	optional_u64_t inode DOC("inode number of the pipe, queue, file or socket");
	optional_bytes_t bytes DOC("size of the message or of the shared memory");
	ipc_key_t key DOC("System V: the object's key; none for IPC_PRIVATE");
	ipc_id_t ipc_id DOC("System V: the object's id");
	errno_t error DOC("why it failed");
	signal_nr_t signal DOC("the signal");
	u8 ignored : 1 DOC("signal: whether the receiver ignores it");
	u8 from_kernel : 1 DOC("signal: whether the kernel itself sent it; pid then is who was running");
	u8 name_truncated : 1 DOC("whether name lacks its end");
	u8 _unused : 5;
	u8 _pad;
	u16 name_len;
	u16 bound_name_len;
	char name[NAME_BYTES] DOC("name of the queue, path as it was given, address of the socket (abstract: @…)");
	char bound_name[BOUND_NAME_BYTES] DOC(
		"unix_connect: the address that the other side has bound, which no link nor mount makes another");
};

EVENTS(struct event, 2 * 1024 * 1024);

const volatile u32 kinds DOC("a bit for each enum kind that is reported") = ~0;
const volatile bool failed DOC("whether operations that failed are reported") = false;
const volatile bool every DOC("whether every use of an object is reported, not only a process's first") = false;
const volatile bool anonymous DOC("whether pipes and pairs of sockets are reported, which have no name") = true;
const volatile bool all_signals DOC("also signals within a process, and from the kernel") = false;

/* An event in the making, and what tells its object from others of the same kind. */
struct found {
	struct event event;
	u64 space;
	u64 object;
	bool use; /* one of many uses of an object, as opposed to making, opening, removing it */
	char address[SUN_PATH_BYTES + 4];
};

/* One for programs at system calls, one for signals, which may come in between. */
enum place {
	PLACE_CALL,
	PLACE_SIGNAL,
	PLACE_MAX,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLACE_MAX);
	__type(key, u32);
	__type(value, struct found);
} founds SEC(".maps");

/* Uses that have been reported already. */
struct used {
	u64 started; /* of the process: pids come back */
	u64 space;
	u64 object;
	u32 pid;
	u16 event;
	u16 error;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct used);
	__type(value, u8);
} uses SEC(".maps");

/* An event with nothing in it yet, or NULL when it is not asked for. */
static __always_inline struct found *begin_at(u32 place, enum operation operation, enum kind kind, long result)
{
	struct found *found;

	if (!(kinds & 1 << kind) || (result < 0 && !failed) || result <= -ERESTARTSYS)
		return 0;
	found = bpf_map_lookup_elem(&founds, &place);
	if (!found)
		return 0;
	found->space = 0;
	found->object = 0;
	found->use = false;
	found->event.event = operation;
	found->event.kind = kind;
	found->event.type = NO_TYPE;
	found->event.peer_pid = 0;
	found->event.peer_cgroup_id = 0;
	found->event.peer_comm[0] = 0;
	found->event.inode = 0;
	found->event.bytes = -1;
	found->event.key = 0;
	found->event.ipc_id = -1;
	found->event.error = result < 0 ? -result : 0;
	found->event.signal = 0;
	found->event.ignored = 0;
	found->event.from_kernel = 0;
	found->event.name_truncated = 0;
	found->event.name_len = 0;
	found->event.bound_name_len = 0;
	return found;
}

static __always_inline struct found *begin(enum operation operation, enum kind kind, long result)
{
	return begin_at(PLACE_CALL, operation, kind, result);
}

static __always_inline void read_use(struct used *use, struct found *found)
{
	use->started = BPF_CORE_READ(current_task(), group_leader, start_boottime);
	use->space = found->space;
	use->object = found->object;
	use->pid = bpf_get_current_pid_tgid() >> 32;
	use->event = found->event.event;
	use->error = found->event.error;
}

/* Reports it, without asking the filter; the prefix is filled. Says whether there was room. */
static __always_inline bool submit(struct found *found)
{
	count(COUNTER_EMITTED);
	if (!bpf_ringbuf_output(&events, &found->event, sizeof(found->event), 0))
		return true;
	count(COUNTER_RING_FULL);
	return false;
}

/* The last step: whether the current process is watched, and whether this is news. */
static __noinline int report(struct found *found)
{
	bool once = found && found->use && !every;
	struct used use = {};
	u8 known = 1;

	if (!found || !filter_pass_current())
		return 0;
	if (once) {
		read_use(&use, found);
		/* Before 6.4 the result has 32 bits: kernel commit d7ba4cc900bf. */
		if ((s32)bpf_map_update_elem(&uses, &use, &known, BPF_NOEXIST) == -EEXIST)
			return 0;
	}
	event_fill_current((struct event_base *)&found->event);
	if (!submit(found) && once)
		bpf_map_delete_elem(&uses, &use); /* nobody was told: the next time is the first */
	return 0;
}

/* Length without its NUL of what bpf_probe_read_*_str() put into `name`, `before` bytes behind its beginning. */
static __always_inline void set_name(struct found *found, long got, u32 before)
{
	if (got <= 0)
		return;
	found->event.name_len = got - 1 + before;
	found->event.name_truncated = got + before == NAME_BYTES;
}

#endif
