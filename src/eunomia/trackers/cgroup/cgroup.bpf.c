// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "eunomia.bpf.h"

#define CGROUP_PATH_BYTES 512

enum kind {
	KIND_CREATED,
	KIND_REMOVED,
};

struct event {
	struct event_base;
	enum kind event DOC("created or removed");
	u32 hierarchy DOC("the cgroup's hierarchy: 0 is cgroup v2, others as in /proc/cgroups");
	cgroup_id_t id DOC("id of the cgroup that was created or removed");
	char path[CGROUP_PATH_BYTES] DOC("the cgroup's path within its hierarchy");
};

EVENTS(struct event, 1024 * 1024);

static __always_inline int on_change(struct cgroup *cgroup, const char *path, enum kind kind)
{
	struct event *event;

	if (!filter_pass_current())
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	event->event = kind;
	event->hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
	event->id = BPF_CORE_READ(cgroup, kn, id);
	if (bpf_probe_read_kernel_str(event->path, CGROUP_PATH_BYTES, path) < 0)
		event->path[0] = 0;
	event_submit(event);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(mkdir_btf, struct cgroup *cgroup, const char *path)
{
	return on_change(cgroup, path, KIND_CREATED);
}

SEC("raw_tp/cgroup_mkdir")
int BPF_PROG(mkdir_raw, struct cgroup *cgroup, const char *path)
{
	return on_change(cgroup, path, KIND_CREATED);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(rmdir_btf, struct cgroup *cgroup, const char *path)
{
	return on_change(cgroup, path, KIND_REMOVED);
}

SEC("raw_tp/cgroup_rmdir")
int BPF_PROG(rmdir_raw, struct cgroup *cgroup, const char *path)
{
	return on_change(cgroup, path, KIND_REMOVED);
}
