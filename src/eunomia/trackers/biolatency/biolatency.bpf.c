// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How long block requests take: from when they are given to the device, or with --queued from when they are queued,
 * until they are done. Whose they are is noted where they come from: they are done in an interrupt.
 *
 * Before 5.11 the tracepoints of insertion and issue hand over the queue first, and then the request: a54895fa057c
 * "block: remove the request_queue to argument request based tracepoints". A program that asks for a second argument is
 * refused since; one that takes the first for a request has to be refused before.
 */
#include "slot.bpf.h"
#include "totals.bpf.h"
#include "types.h"

#define OPERATION_MASK 0xff /* REQ_OP_MASK, include/linux/blk_types.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct gendisk {
	char disk_name[DISK_NAME_BYTES];
};

struct request_queue {
	struct gendisk *disk; /* 5.15 */
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	u64 start_time_ns;
};

struct request___disk { /* until 5.16 */
	struct gendisk *rq_disk;
};

struct block_device {
	u64 bd_start_sect; /* 5.11 */
};

#pragma clang attribute pop

struct origin {
	u64 queued;
	u64 issued;
	u64 started; /* tells a request from an earlier one in the same memory, which was merged into another */
	u64 cgroup_id;
	u32 pid;
	char comm[16];
	u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct origin);
} origins SEC(".maps");

TOTALS(struct key, struct total, 4096);

const volatile bool queued = false;

/* Refused by a kernel before 5.11, where this member is not. */
static __always_inline void ask_for_5_11(void)
{
	u64 offset = bpf_core_field_offset(struct block_device, bd_start_sect);

	asm volatile("" ::"r"(offset));
}

static __noinline void note(u64 request, u64 started)
{
	struct origin first = {.queued = bpf_ktime_get_ns(), .started = started};

	first.cgroup_id = task_cgroup_id(current_task());
	first.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(first.comm, sizeof(first.comm));
	bpf_map_update_elem(&origins, &request, &first, BPF_ANY);
}

static __always_inline int on_insert(struct request *request)
{
	if (filter_pass_current())
		note((u64)request, BPF_CORE_READ(request, start_time_ns));
	return 0;
}

/* Of a request that was inserted before, the task that runs just now need not be the one that made it. */
static __always_inline int on_issue(struct request *request)
{
	u64 key = (u64)request, started = BPF_CORE_READ(request, start_time_ns);
	struct origin *origin = bpf_map_lookup_elem(&origins, &key);

	if (!origin || origin->started != started) {
		if (!filter_pass_current())
			return 0;
		note(key, started);
		origin = bpf_map_lookup_elem(&origins, &key);
	}
	if (origin)
		origin->issued = bpf_ktime_get_ns();
	return 0;
}

static __always_inline enum operation operation_of(struct request *request)
{
	switch (BPF_CORE_READ(request, cmd_flags) & OPERATION_MASK) {
	case 0:
		return OPERATION_READ;
	case 1:
		return OPERATION_WRITE;
	case 2:
		return OPERATION_FLUSH;
	case 3:
		return OPERATION_DISCARD;
	default:
		return OPERATION_OTHER;
	}
}

static __always_inline struct gendisk *disk_of(struct request *request)
{
	struct request___disk *older = (void *)request;

	if (bpf_core_field_exists(older->rq_disk))
		return BPF_CORE_READ(older, rq_disk);
	return BPF_CORE_READ(request, q, disk);
}

static __always_inline u32 slot_of(u64 took_ns)
{
	u32 slot = log2_us(took_ns);

	barrier_var(slot); /* what is checked must be the very register that is used */
	return slot < SLOTS ? slot : SLOTS - 1;
}

static __noinline struct total *first_of(const struct key *key, const struct origin *origin, struct request *request)
{
	struct total first = {.time = bpf_ktime_get_boot_ns(), .cgroup_id = origin->cgroup_id, .pid = origin->pid};
	struct gendisk *disk = disk_of(request);

	__builtin_memcpy(first.comm, origin->comm, sizeof(first.comm));
	first.operation = key->operation;
	if (disk)
		BPF_CORE_READ_STR_INTO(&first.disk, disk, disk_name);
	return totals_add(key, &first);
}

static __always_inline void add(struct request *request, const struct origin *origin, u64 took, u32 bytes, bool failed)
{
	struct key key = {
		.cgroup_id = origin->cgroup_id,
		.queue = (u64)BPF_CORE_READ(request, q),
		.operation = operation_of(request),
	};
	struct total *total = totals_find(&key) ?: first_of(&key, origin, request);
	u32 slot = slot_of(took);

	if (!total)
		return;
	__sync_fetch_and_add(&total->count, 1);
	__sync_fetch_and_add(&total->bytes, bytes);
	__sync_fetch_and_add(&total->total_latency, took);
	if (failed)
		__sync_fetch_and_add(&total->errors, 1);
	if (slot < SLOTS)
		__sync_fetch_and_add(&total->slots[slot], 1);
	/* Two at once may overwrite each other, so look again. */
#pragma clang loop unroll(full)
	for (int again = 0; again < 3; again++)
		if (took > *(volatile u64 *)&total->max_latency)
			*(volatile u64 *)&total->max_latency = took;
}

/* A large request may be done a part at a time: the last part ends it. */
static __always_inline int on_complete(struct request *request, int error, u32 bytes)
{
	u64 key = (u64)request, now = bpf_ktime_get_ns(), began;
	struct origin *origin;

	if (bytes < BPF_CORE_READ(request, __data_len))
		return 0;
	origin = bpf_map_lookup_elem(&origins, &key);
	if (!origin)
		return 0;
	/* Where the kernel has left our program out at its issue, as it does with one that is interrupted by itself. */
	began = queued || !origin->issued ? origin->queued : origin->issued;
	if (began < now && origin->started == BPF_CORE_READ(request, start_time_ns))
		add(request, origin, now - began, bytes, error);
	bpf_map_delete_elem(&origins, &key);
	return 0;
}

SEC("tp_btf/block_rq_insert")
int BPF_PROG(insert_btf, struct request *request)
{
	ask_for_5_11();
	return on_insert(request);
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(issue_btf, struct request *request)
{
	ask_for_5_11();
	return on_issue(request);
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(complete_btf, struct request *request, int error, unsigned int bytes)
{
	return on_complete(request, error, bytes);
}

SEC("raw_tp/block_rq_insert")
int BPF_PROG(insert_raw, struct request *request)
{
	ask_for_5_11();
	return on_insert(request);
}

SEC("raw_tp/block_rq_issue")
int BPF_PROG(issue_raw, struct request *request)
{
	ask_for_5_11();
	return on_issue(request);
}

SEC("raw_tp/block_rq_insert")
int BPF_PROG(insert_of_queue_raw, struct request_queue *queue, struct request *request)
{
	return on_insert(request);
}

SEC("raw_tp/block_rq_issue")
int BPF_PROG(issue_of_queue_raw, struct request_queue *queue, struct request *request)
{
	return on_issue(request);
}

/*
 * What 5.11 changed in these tracepoints (a54895fa057c) came to 5.10.137, too, which nothing else tells apart: there
 * the programs above cannot be attached, for there is no second argument.
 */
SEC("raw_tp/block_rq_insert")
int BPF_PROG(insert_backported_raw, struct request *request)
{
	return on_insert(request);
}

SEC("raw_tp/block_rq_issue")
int BPF_PROG(issue_backported_raw, struct request *request)
{
	return on_issue(request);
}

SEC("raw_tp/block_rq_complete")
int BPF_PROG(complete_raw, struct request *request, int error, unsigned int bytes)
{
	return on_complete(request, error, bytes);
}
