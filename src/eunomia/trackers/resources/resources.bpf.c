// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "types.h"

EVENTS(struct event, 256 * 1024);

const volatile int hierarchy_id DOC("the hierarchy that tells containers apart") = 0;

/*
 * Per cgroup, read and added up over all CPUs by user space, which takes out those that nobody asked for.
 * Preallocated, as the scheduler holds its locks here.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct sampled);
} sampled SEC(".maps");

static __always_inline bool is_watched(u64 cgroup_id)
{
	return !(FILTER_KINDS & FILTER_CGROUP) || filter_find(FILTER_CGROUP, cgroup_id);
}

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
static __always_inline struct sampled *sampled_of(u64 cgroup_id)
{
	struct sampled first = {}, *found = bpf_map_lookup_elem(&sampled, &cgroup_id);

	if (found)
		return found;
	bpf_map_update_elem(&sampled, &cgroup_id, &first, BPF_NOEXIST);
	found = bpf_map_lookup_elem(&sampled, &cgroup_id);
	if (!found)
		count(COUNTER_FILTER_FULL);
	return found;
}

/* Its own CPU's values, with interrupts off: nobody else writes them. */
static __always_inline void leave(u64 cgroup_id, u64 arrived, u64 now)
{
	struct sampled *sampled;

	if (!arrived || now <= arrived || !is_watched(cgroup_id))
		return;
	sampled = sampled_of(cgroup_id);
	if (sampled)
		sampled->on_cpu += now - arrived;
}

static __always_inline void arrive(u64 cgroup_id, u64 queued, u64 now)
{
	struct sampled *sampled;

	if (!is_watched(cgroup_id))
		return;
	sampled = sampled_of(cgroup_id);
	if (!sampled)
		return;
	sampled->switches++;
	if (queued && now > queued)
		sampled->run_delay += now - queued;
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
