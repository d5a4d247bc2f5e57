/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef __BIOLATENCY_TYPES_H
#define __BIOLATENCY_TYPES_H

#include "eunomia.bpf.h"

/* Requests that took 1 us or less, at most 2 us, at most 4 us ...; the last one has all that took longer. */
#define SLOTS 28
#define DISK_NAME_BYTES 32

enum operation {
	OPERATION_READ,
	OPERATION_WRITE,
	OPERATION_FLUSH,
	OPERATION_DISCARD,
	OPERATION_OTHER,
};

struct key {
	u64 cgroup_id;
	u64 queue; /* of a disk */
	u64 operation;
};

struct total {
	ktime_ns_t time DOC("when the first of these requests was done, UTC");
	cgroup_id_t cgroup_id DOC("id of the cgroup that the requests were made in");
	u32 pid DOC("process that made the first of them");
	char comm[16] DOC("name of that process, at most 15 characters");
	char disk[DISK_NAME_BYTES] DOC("the block device, as in /sys/block");
	enum operation operation DOC("read, write, flush, discard, or other");
	u64 count DOC("requests done");
	optional_bytes_t bytes DOC("bytes they were about");
	u64 errors DOC("how many of them failed");
	duration_ns_t total_latency DOC("how long they took, added up");
	duration_ns_t max_latency DOC("how long the slowest of them took");
	u64 slots[SLOTS] DOC("requests by how long they took");
};

#endif
