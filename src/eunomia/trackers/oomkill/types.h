/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef __OOMKILL_TYPES_H
#define __OOMKILL_TYPES_H

#include "eunomia.bpf.h"

enum kind {
	KIND_OOM_KILL,
};

enum cause {
	CAUSE_LIMIT,
	CAUSE_HOST,
};

struct event {
	struct event_base;
	enum kind event DOC("oom_kill");
	enum cause cause DOC("limit: a cgroup was at its memory limit; host: the machine had no memory left");
	optional_bytes_t memory_limit DOC("the limit that was reached; none when it was the machine's memory");
	optional_bytes_t memory_usage DOC("memory charged to the cgroup with that limit");
	bytes_t anon_bytes DOC("the victim's own memory: heap and stacks");
	bytes_t file_bytes DOC("the victim's mapped files");
	bytes_t shmem_bytes DOC("the victim's mapped shared memory");
	s32 oom_score_adj DOC("the victim's adjustment, from -1000 (never) to 1000 (first)");
	u32 peer_pid DOC("process that asked for memory when there was none left");
	char peer_comm[16] DOC("its name");
	cgroup_id_t peer_cgroup_id DOC("id of its cgroup");
};

#endif
