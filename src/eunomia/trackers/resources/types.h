/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A row of `resources`. User space fills it from the cgroup's files (src/eunomia/sampling.py); the kernel's programs
 * say when a cgroup has lost its last process, and count what no file tells. All bits set: not to be had. NAME_change
 * is what NAME has grown by since the cgroup's row before; of a cgroup made during the run the first row has all of it.
 */
#ifndef __RESOURCES_TYPES_H
#define __RESOURCES_TYPES_H

#include "eunomia.bpf.h"

enum kind {
	KIND_INTERVAL,
	KIND_EMPTIED,
};

/* What only grows, and by how much it has. */
#define GROWING(type, name, text)                                                                                      \
	type name DOC(text);                                                                                           \
	type name##_change DOC(text ", since the row before")

struct event {
	ktime_ns_t time DOC("when it was read, UTC");
	cgroup_id_t cgroup_id DOC("id of the container's outermost cgroup");
	u32 pid DOC("process id of the container's first process; 0 when it has none");
	char comm[16] DOC("name of that process, at most 15 characters");
	enum kind event DOC("interval, or emptied: the last row, after the last process has ended");
	optional_duration_t time_change DOC("how long after the row before");

	GROWING(optional_duration_t, cpu_time, "CPU time used");
	GROWING(optional_duration_t, cpu_user, "CPU time that its programs used themselves");
	GROWING(optional_duration_t, cpu_system, "CPU time that the kernel used for its programs");
	GROWING(optional_count_t, cpu_periods, "periods of a CPU limit in which something ran");
	GROWING(optional_count_t, cpu_throttled_periods, "periods in which the CPU limit stopped it");
	GROWING(optional_duration_t, cpu_throttled_time, "time the CPU limit has stopped it, all CPUs added up");
	optional_duration_t cpu_quota DOC("CPU time it may use in a period; none without a limit");
	optional_duration_t cpu_period DOC("the period of the CPU limit");
	optional_count_t cpu_shares DOC("its share when CPUs are scarce, cgroup v1; 1024 is usual");
	optional_count_t cpu_weight DOC("its share when CPUs are scarce, cgroup v2; 100 is usual");

	optional_bytes_t memory_usage DOC("memory charged to it, the cache of files included");
	optional_bytes_t memory_working_set DOC("memory_usage without inactive file cache, as kubelet computes it");
	optional_bytes_t memory_anon DOC("memory that no file stands behind: heap, stack (rss in cgroup v1)");
	optional_bytes_t memory_cache DOC("cache of files, tmpfs and shared memory included");
	optional_bytes_t memory_swap DOC("swap space used");
	optional_bytes_t memory_peak DOC("the most that memory_usage has ever been");
	optional_bytes_t memory_limit DOC("its own memory limit; none without one");
	GROWING(optional_count_t, memory_failures, "times at the memory limit (v1: failcnt, v2: max)");
	GROWING(optional_count_t, memory_ooms, "times out of memory; cgroup v2 only");
	GROWING(optional_count_t, oom_kills, "processes of it killed for want of memory");

	GROWING(optional_bytes_t, disk_read_bytes, "bytes read from block devices");
	GROWING(optional_bytes_t, disk_written_bytes, "bytes written to block devices");
	GROWING(optional_count_t, disk_reads, "reads from block devices");
	GROWING(optional_count_t, disk_writes, "writes to block devices");

	GROWING(optional_bytes_t, net_received_bytes, "bytes that came into its own network namespace");
	GROWING(optional_count_t, net_received_packets, "packets that came in");
	GROWING(optional_count_t, net_received_errors, "packets that came in broken");
	GROWING(optional_count_t, net_received_drops, "packets that came in and were dropped");
	GROWING(optional_bytes_t, net_sent_bytes, "bytes that its own network namespace sent");
	GROWING(optional_count_t, net_sent_packets, "packets sent");
	GROWING(optional_count_t, net_sent_errors, "packets that could not be sent");
	GROWING(optional_count_t, net_sent_drops, "packets dropped on their way out");

	GROWING(optional_duration_t, cpu_pressure_some, "time some of its tasks waited for a CPU");
	GROWING(optional_duration_t, cpu_pressure_full, "time all tasks that were not idle waited for a CPU");
	GROWING(optional_duration_t, memory_pressure_some, "time some of its tasks waited for memory");
	GROWING(optional_duration_t, memory_pressure_full, "time all tasks that were not idle waited for memory");
	GROWING(optional_duration_t, io_pressure_some, "time some of its tasks waited for I/O");
	GROWING(optional_duration_t, io_pressure_full, "time all tasks that were not idle waited for I/O");

	optional_count_t pids DOC("processes and threads it has");
	optional_count_t pids_limit DOC("how many processes and threads it may have; none without a limit");

	GROWING(optional_duration_t, on_cpu, "CPU time of stints that ended since the tracker came (--scheduling)");
	GROWING(optional_duration_t, run_delay, "time its tasks were ready and waited for a CPU (--scheduling)");
	GROWING(optional_count_t, switches, "times one of its tasks got a CPU (--scheduling)");
};

/* What programs count for a cgroup, in maps of these names; members are columns of the row. */
struct scheduling {
	u64 on_cpu;
	u64 run_delay;
	u64 switches;
};

struct block_io {
	u64 disk_read_bytes;
	u64 disk_written_bytes;
	u64 disk_reads;
	u64 disk_writes;
};

#endif
