/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Whose a socket is, as far as it knows itself. */
#ifndef __SOCKET_BPF_H
#define __SOCKET_BPF_H

#include "eunomia.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_cgroup_data___pointer {
	struct cgroup *cgroup;
};

/* Before 5.15; not a pointer when one of the lowest bits is set: include/linux/cgroup-defs.h there. */
struct sock_cgroup_data___union {
	u64 val;
};

struct sock___cgroup {
	struct sock_cgroup_data___pointer sk_cgrp_data;
};

#pragma clang attribute pop

/* The cgroup that it was made in; 0 where it does not know: it knows of version 2 only. */
static __always_inline u64 socket_cgroup_id(const void *sk)
{
	const struct sock___cgroup *of = sk;
	struct sock_cgroup_data___union *old;
	struct cgroup *cgroup;

	if (CGROUP_CONTROLLER != CGROUP_V2)
		return 0;
	if (bpf_core_field_exists(struct sock_cgroup_data___union, val)) {
		old = (void *)sk + bpf_core_field_offset(struct sock___cgroup, sk_cgrp_data);
		cgroup = (void *)BPF_CORE_READ(old, val);
		if ((u64)cgroup & 3)
			return 0;
	} else {
		cgroup = BPF_CORE_READ(of, sk_cgrp_data.cgroup);
	}
	return BPF_CORE_READ(cgroup, kn, id);
}

#endif
