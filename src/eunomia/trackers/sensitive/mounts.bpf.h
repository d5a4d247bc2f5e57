/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Mounts as the kernel made them: when mount(2) returns, its arguments are only what was asked for. */
#ifndef __SENSITIVE_MOUNTS_BPF_H
#define __SENSITIVE_MOUNTS_BPF_H

#include "place.bpf.h"
#include "types.h"

#define TREE_DEPTH 40 /* of a red-black tree: twice the logarithm of a million */

/* Functions of their own: the compiler would load a member's offset early, where the kernel has no such member. */
static __noinline struct mount *newest_of_tree(struct mnt_namespace *namespace)
{
	struct mnt_namespace___tree *of = (void *)namespace;
	struct rb_node *node = BPF_CORE_READ(of, mounts.rb_node), *right;

#pragma clang loop unroll(disable)
	for (int depth = 0; depth < TREE_DEPTH && node; depth++) {
		right = BPF_CORE_READ(node, rb_right);
		if (!right)
			return (void *)node - bpf_core_field_offset(struct mount___tree, mnt_node);
		node = right;
	}
	return 0;
}

static __noinline struct mount *newest_of_list(struct mnt_namespace *namespace)
{
	struct mnt_namespace___list *of = (void *)namespace;

	return (void *)BPF_CORE_READ(of, list.prev) - bpf_core_field_offset(struct mount___of_list, mnt_list);
}

/* The mount that was made last in the current process's mount namespace. */
static __always_inline struct mount *newest_mount(void)
{
	struct mnt_namespace *namespace = BPF_CORE_READ(current_task(), nsproxy, mnt_ns);

	return bpf_core_field_exists(((struct mount___tree *)0)->mnt_node) ? newest_of_tree(namespace)
									   : newest_of_list(namespace);
}

/* Where the root directory of the current process lies: its path up to the very top, and not just a slash. */
static __always_inline void place_root(struct place *place)
{
	struct task_struct *task = current_task();
	struct path_walk *walk;
	u32 zero = 0;

	place_walk((u64)BPF_CORE_READ(task, fs, root.dentry), (u64)BPF_CORE_READ(task, fs, root.mnt));
	walk = bpf_map_lookup_elem(&walks, &zero);
	if (walk)
		place->path_len = copy_text(place->path, 0, walk, place->top_at);
	place_end(place);
}

#endif
