/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A row of `resources`. User space fills it from the cgroup's files (src/eunomia/sampling.py); the kernel's programs say
 * when a cgroup has lost its last process, and count what no file tells. All bits set: not to be had. NAME_change is
 * what NAME has grown by since the cgroup's row before; of a cgroup made during the run the first row has all of it.
 */
#ifndef __RESOURCES_TYPES_H
#define __RESOURCES_TYPES_H

#include "eunomia.bpf.h"

enum kind {
	KIND_INTERVAL,
	KIND_EMPTIED,
};

struct event {
	ktime_ns_t time DOC("when it was read, UTC");
	cgroup_id_t cgroup_id DOC("id of the container's outermost cgroup");
	u32 pid DOC("process id of the container's first process; 0 when it has none");
	char comm[16] DOC("name of that process, at most 15 characters");
	enum kind event DOC("interval, or emptied: the last row, after the last process has ended");
	optional_duration_t time_change DOC("how long after the row before");

	optional_duration_t cpu_time DOC("CPU time used since the container's start");
	optional_duration_t cpu_time_change DOC("CPU time used since the row before");
	optional_duration_t cpu_user DOC("of cpu_time, what programs used themselves");
	optional_duration_t cpu_system DOC("of cpu_time, what the kernel used for them");
	optional_count_t cpu_periods DOC("periods in which a CPU limit was in force and something ran");
	optional_count_t cpu_throttled_periods DOC("of these, those in which the limit stopped it");
	optional_duration_t cpu_throttled_time DOC("how long the CPU limit has stopped it, all CPUs added up");
	optional_duration_t cpu_throttled_time_change DOC("the same since the row before");
	optional_duration_t cpu_quota DOC("CPU time it may use in a period; none without a limit");
	optional_duration_t cpu_period DOC("the period of the CPU limit");
	optional_count_t cpu_shares DOC("its share when CPUs are scarce, cgroup v1; 1024 is usual");
	optional_count_t cpu_weight DOC("the same, cgroup v2; 100 is usual");

	optional_bytes_t memory_usage DOC("memory charged to it, the cache of files included");
	optional_bytes_t memory_working_set DOC("memory_usage without inactive file cache, as kubelet computes it");
	optional_bytes_t memory_anon DOC("memory that no file stands behind: heap, stack (rss in cgroup v1)");
	optional_bytes_t memory_cache DOC("cache of files, tmpfs and shared memory included");
	optional_bytes_t memory_swap DOC("swap space used");
	optional_bytes_t memory_peak DOC("the most memory_usage has ever been");
	optional_bytes_t memory_limit DOC("its own memory limit; none without one");
	optional_count_t memory_failures DOC("how often it was at its memory limit (failcnt; max in memory.events)");
	optional_count_t memory_failures_change DOC("the same since the row before");
	optional_count_t memory_ooms DOC("how often it was out of memory; cgroup v2 only");
	optional_count_t oom_kills DOC("processes of it killed for want of memory");
	optional_count_t oom_kills_change DOC("the same since the row before");

	optional_bytes_t disk_read_bytes DOC("bytes read from block devices");
	optional_bytes_t disk_read_bytes_change DOC("the same since the row before");
	optional_bytes_t disk_written_bytes DOC("bytes written to block devices");
	optional_bytes_t disk_written_bytes_change DOC("the same since the row before");
	optional_count_t disk_reads DOC("reads from block devices");
	optional_count_t disk_reads_change DOC("the same since the row before");
	optional_count_t disk_writes DOC("writes to block devices");
	optional_count_t disk_writes_change DOC("the same since the row before");

	optional_bytes_t net_received_bytes DOC("bytes that came into its own network namespace");
	optional_bytes_t net_received_bytes_change DOC("the same since the row before");
	optional_count_t net_received_packets DOC("packets that came in");
	optional_count_t net_received_errors DOC("packets that came in broken");
	optional_count_t net_received_drops DOC("packets that came in and were dropped");
	optional_bytes_t net_sent_bytes DOC("bytes that its own network namespace sent");
	optional_bytes_t net_sent_bytes_change DOC("the same since the row before");
	optional_count_t net_sent_packets DOC("packets sent");
	optional_count_t net_sent_errors DOC("packets that could not be sent");
	optional_count_t net_sent_drops DOC("packets dropped on their way out");

	optional_duration_t cpu_pressure_some DOC("how long some of its tasks waited for a CPU");
	optional_duration_t cpu_pressure_some_change DOC("the same since the row before");
	optional_duration_t cpu_pressure_full DOC("how long all that were not idle waited for a CPU");
	optional_duration_t memory_pressure_some DOC("how long some of its tasks waited for memory");
	optional_duration_t memory_pressure_some_change DOC("the same since the row before");
	optional_duration_t memory_pressure_full DOC("how long all that were not idle waited for memory");
	optional_duration_t io_pressure_some DOC("how long some of its tasks waited for I/O");
	optional_duration_t io_pressure_some_change DOC("the same since the row before");
	optional_duration_t io_pressure_full DOC("how long all that were not idle waited for I/O");

	optional_count_t pids DOC("processes and threads it has");
	optional_count_t pids_limit DOC("how many it may have; none without a limit");

	optional_duration_t on_cpu DOC("CPU time of stints that ended while the tracker ran; with --scheduling");
	optional_duration_t on_cpu_change DOC("the same since the row before");
	optional_duration_t run_delay DOC("how long its tasks were ready and waited for a CPU; with --scheduling");
	optional_duration_t run_delay_change DOC("the same since the row before");
	optional_count_t switches DOC("how often one of its tasks got a CPU; with --scheduling");
	optional_count_t switches_change DOC("the same since the row before");
};

/* What the scheduler's hook counts for a cgroup; members are columns of the row. */
struct sampled {
	u64 on_cpu;
	u64 run_delay;
	u64 switches;
};

#endif
