// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "types.h"

#define LEVELS 16      /* of nested limits, more than runtimes make */
#define NEARLY_FULL 64 /* pages by which a full cgroup may be below its limit: what one CPU charges ahead */
#define SIGKILL 9

EVENTS(struct event, 64 * 1024);

const volatile u64 page_bytes = 4096;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	long counter;
} atomic_long_t;

struct page_counter {
	atomic_long_t usage;
	unsigned long max;
	struct page_counter *parent;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
};

struct percpu_counter {
	s64 count;
};

struct mm_struct___counters { /* 6.2: f1a7941243c1 "mm: convert mm's rss stats into percpu_counter" */
	struct percpu_counter rss_stat[4];
};

struct mm_rss_stat {
	atomic_long_t count[4];
};

struct mm_struct___counts {
	struct mm_rss_stat rss_stat;
};

struct signal_struct___adj {
	short oom_score_adj;
};

struct trace_event_raw_mark_victim {
	unsigned int uid;
};

#pragma clang attribute pop

enum { MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES }; /* include/linux/mm_types_task.h */

/* The task that the current one has just killed: before 6.8 mark_victim tells its id alone. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 128);
	__type(key, u32);
	__type(value, u64);
} killed SEC(".maps");

/* 6.8: 72ba14deb40a "mm: update mark_victim tracepoints fields" hands the task over. */
static __always_inline bool has_task(void)
{
	return bpf_core_field_exists(struct trace_event_raw_mark_victim, uid);
}

/*
 * As it is summed up without a look at every CPU: some pages too few or too many. A macro, since only of an index that
 * stands there as a number the compiler tells the loader what element is meant.
 */
#define pages_of(mm, kind)                                                                                             \
	({                                                                                                             \
		struct mm_struct___counters *counters_ = (void *)mm;                                                   \
		struct mm_struct___counts *counts_ = (void *)mm;                                                       \
                                                                                                                       \
		bpf_core_type_exists(struct mm_rss_stat) ? BPF_CORE_READ(counts_, rss_stat.count[kind].counter)        \
							 : BPF_CORE_READ(counters_, rss_stat[kind].count);             \
	})

static __always_inline u64 bytes_of(s64 pages)
{
	return pages > 0 ? pages * page_bytes : 0;
}

static __always_inline struct page_counter *memory_of(struct task_struct *task)
{
	u64 index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	void *set = BPF_CORE_READ(task, cgroups), *css = 0;

	bpf_probe_read_kernel(&css, sizeof(css), set + bpf_core_field_offset(struct css_set, subsys) + index * 8);
	if (!css)
		return 0;
	return css - bpf_core_field_offset(struct mem_cgroup, css) + bpf_core_field_offset(struct mem_cgroup, memory);
}

/* Memory runs out at a limit exactly when a cgroup around the victim is full; the lowest such one it is. */
static __always_inline void find_cause(struct event *event, struct task_struct *victim)
{
	struct page_counter *memory = memory_of(victim);

	event->cause = CAUSE_HOST;
	event->memory_limit = -1;
	event->memory_usage = -1;
	for (int level = 0; level < LEVELS && memory; level++) {
		u64 most = BPF_CORE_READ(memory, max), usage = BPF_CORE_READ(memory, usage.counter);

		if (usage + NEARLY_FULL >= most) {
			event->cause = CAUSE_LIMIT;
			event->memory_limit = most * page_bytes;
			event->memory_usage = usage * page_bytes;
			return;
		}
		memory = BPF_CORE_READ(memory, parent);
	}
}

static __noinline int report(struct task_struct *victim)
{
	struct signal_struct___adj *signal = (void *)BPF_CORE_READ(victim, signal);
	struct mm_struct *mm = BPF_CORE_READ(victim, mm);
	struct event *event;

	if (!filter_pass(victim))
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill((struct event_base *)event, victim);
	event->event = KIND_OOM_KILL;
	find_cause(event, victim);
	event->anon_bytes = bytes_of(pages_of(mm, MM_ANONPAGES));
	event->file_bytes = bytes_of(pages_of(mm, MM_FILEPAGES));
	event->shmem_bytes = bytes_of(pages_of(mm, MM_SHMEMPAGES));
	event->oom_score_adj = BPF_CORE_READ(signal, oom_score_adj);
	event->peer_pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->peer_comm, sizeof(event->peer_comm));
	event->peer_cgroup_id = task_cgroup_id(current_task());
	event_submit(event);
	return 0;
}

/* The signal comes first (__oom_kill_process()), sent by the same task. Whoever is ending anyhow gets none. */
SEC("raw_tp/signal_generate")
int BPF_PROG(killed_raw, int sig, void *info, struct task_struct *task)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 victim = (u64)task;

	if (!has_task() && sig == SIGKILL)
		bpf_map_update_elem(&killed, &tid, &victim, BPF_ANY);
	return 0;
}

static __always_inline struct task_struct *victim_by_id(u32 id)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 *victim = bpf_map_lookup_elem(&killed, &tid);
	struct task_struct *task = victim ? (void *)*victim : 0;

	if (id == tid)
		return current_task();
	return task && BPF_CORE_READ(task, pid) == (pid_t)id ? task : 0;
}

SEC("raw_tp/mark_victim")
int victim_raw(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *victim = has_task() ? (void *)ctx->args[0] : victim_by_id(ctx->args[0]);

	return victim ? report(victim) : 0;
}
