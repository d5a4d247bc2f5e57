// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "types.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bvec_iter {
	unsigned int bi_size;
};

struct bio {
	unsigned int bi_opf;
	struct bvec_iter bi_iter;
};

struct request_queue;

struct block_device {
	u64 bd_start_sect; /* 5.11 */
};

#pragma clang attribute pop

EVENTS(struct event, 256 * 1024);

const volatile int hierarchy_id DOC("the hierarchy that tells containers apart") = 0;

/*
 * Per cgroup, read and added up over all CPUs by user space, which takes out those that nobody asked for. Preallocated,
 * as the scheduler holds its locks where it is used.
 */
#define PER_CGROUP(value_struct, name)                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_HASH);                                                                \
		__uint(max_entries, 1024);                                                                             \
		__type(key, u64);                                                                                      \
		__type(value, value_struct);                                                                           \
	} name SEC(".maps")

PER_CGROUP(struct scheduling, scheduling);
PER_CGROUP(struct block_io, block_io);

static __always_inline bool is_watched(u64 cgroup_id)
{
	return !(FILTER_KINDS & FILTER_CGROUP) || filter_find(FILTER_CGROUP, cgroup_id);
}

/* The current CPU's entry of a cgroup, or NULL. */
#define of_cgroup(map, value_struct, cgroup_id)                                                                        \
	({                                                                                                             \
		value_struct first_ = {}, *found_ = bpf_map_lookup_elem(&map, &cgroup_id);                             \
                                                                                                                       \
		if (!found_) {                                                                                         \
			bpf_map_update_elem(&map, &cgroup_id, &first_, BPF_NOEXIST);                                   \
			found_ = bpf_map_lookup_elem(&map, &cgroup_id);                                                \
			if (!found_)                                                                                   \
				count(COUNTER_FILTER_FULL);                                                            \
		}                                                                                                      \
		found_;                                                                                                \
	})

/* The current task is the last one, leaving. Only whose row is due matters: user space reads the figures. */
static __always_inline int on_populated(struct cgroup *cgroup, int populated)
{
	struct event *event;
	u64 id;

	if (populated || BPF_CORE_READ(cgroup, root, hierarchy_id) != hierarchy_id)
		return 0;
	id = BPF_CORE_READ(cgroup, kn, id);
	if (!is_watched(id))
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	__builtin_memset(event, 0xff, sizeof(*event));
	event->time = bpf_ktime_get_boot_ns();
	event->cgroup_id = id;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->event = KIND_EMPTIED;
	event_submit(event);
	return 0;
}

SEC("tp_btf/cgroup_notify_populated")
int BPF_PROG(emptied_btf, struct cgroup *cgroup, const char *path, int populated)
{
	return on_populated(cgroup, populated);
}

SEC("raw_tp/cgroup_notify_populated")
int BPF_PROG(emptied_raw, struct cgroup *cgroup, const char *path, int populated)
{
	return on_populated(cgroup, populated);
}

/*
 * The kernel notes when a task was queued and when it got its CPU (struct sched_info), by its run queue's clock, and
 * adds the differences up for /proc/PID/schedstat right behind this tracepoint: sched_info_switch(). So no time needs
 * to be kept here, nor any other hook. Both tasks are of this run queue; whose pid is 0 idles.
 */
/* Its own CPU's values, with interrupts off: nobody else writes them. */
static __always_inline void leave(u64 cgroup_id, u64 arrived, u64 now)
{
	struct scheduling *spent;

	if (!arrived || now <= arrived || !is_watched(cgroup_id))
		return;
	spent = of_cgroup(scheduling, struct scheduling, cgroup_id);
	if (spent)
		spent->on_cpu += now - arrived;
}

static __always_inline void arrive(u64 cgroup_id, u64 queued, u64 now)
{
	struct scheduling *spent;

	if (!is_watched(cgroup_id))
		return;
	spent = of_cgroup(scheduling, struct scheduling, cgroup_id);
	if (!spent)
		return;
	spent->switches++;
	if (queued && now > queued)
		spent->run_delay += now - queued;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(switch_btf, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u64 now = next->pid ? next->se.cfs_rq->rq->clock : prev->se.cfs_rq->rq->clock;

	if (prev->pid)
		leave(typed_task_cgroup_id(prev), prev->sched_info.last_arrival, now);
	if (next->pid)
		arrive(typed_task_cgroup_id(next), next->sched_info.last_queued, now);
	return 0;
}

SEC("raw_tp/sched_switch")
int BPF_PROG(switch_raw, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct task_struct *busy = BPF_CORE_READ(next, pid) ? next : prev;
	u64 now = BPF_CORE_READ(busy, se.cfs_rq, rq, clock);

	if (BPF_CORE_READ(prev, pid))
		leave(task_cgroup_id(prev), BPF_CORE_READ(prev, sched_info.last_arrival), now);
	if (BPF_CORE_READ(next, pid))
		arrive(task_cgroup_id(next), BPF_CORE_READ(next, sched_info.last_queued), now);
	return 0;
}

#define OPERATION_MASK 0xff /* REQ_OP_MASK, include/linux/blk_types.h */
enum { OPERATION_READ, OPERATION_WRITE };

/*
 * Since 6.10 cgroup v1 counts block I/O only where a limit has been set: bf20ab538c81 "blk-throttle: delay
 * initialization until configuration". Here it is counted where it is submitted, by the task that does; interrupts
 * submit as well.
 */
static __always_inline int on_submit(struct bio *bio)
{
	u64 cgroup_id = task_cgroup_id(current_task()), bytes = BPF_CORE_READ(bio, bi_iter.bi_size);
	u32 operation = BPF_CORE_READ(bio, bi_opf) & OPERATION_MASK;
	struct block_io *done;

	if (!bytes || operation > OPERATION_WRITE || !is_watched(cgroup_id))
		return 0;
	done = of_cgroup(block_io, struct block_io, cgroup_id);
	if (!done)
		return 0;
	if (operation == OPERATION_READ) {
		__sync_fetch_and_add(&done->disk_read_bytes, bytes);
		__sync_fetch_and_add(&done->disk_reads, 1);
	} else {
		__sync_fetch_and_add(&done->disk_written_bytes, bytes);
		__sync_fetch_and_add(&done->disk_writes, 1);
	}
	return 0;
}

/*
 * Before 5.11 the queue came first: a54895fa057c "block: remove the request_queue to argument request based
 * tracepoints". So a program that takes the first argument for a bio must be refused there, where this member is not.
 */
static __always_inline void ask_for_5_11(void)
{
	u64 offset = bpf_core_field_offset(struct block_device, bd_start_sect);

	asm volatile("" ::"r"(offset));
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(bio_btf, struct bio *bio)
{
	ask_for_5_11();
	return on_submit(bio);
}

SEC("raw_tp/block_bio_queue")
int BPF_PROG(bio_raw, struct bio *bio)
{
	ask_for_5_11();
	return on_submit(bio);
}

SEC("raw_tp/block_bio_queue")
int BPF_PROG(bio_of_queue_raw, struct request_queue *queue, struct bio *bio)
{
	return on_submit(bio);
}
