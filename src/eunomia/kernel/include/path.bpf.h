/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Paths, as the task itself sees them (up to its own root): what d_path() does, without the locks and so without
 * bpf_d_path(), which tracepoints may not call. A rename at the same moment can mix old and new components.
 */
#ifndef __PATH_BPF_H
#define __PATH_BPF_H

#include "eunomia.bpf.h"

#define PATH_BYTES 512 /* longer ones lose their beginning and are marked */
#define PATH_DEPTH 48
#define NAME_BYTES 256

/*
 * The walk's state lies in a map and not in registers: the verifier then knows nothing of its values, and one round of
 * the loop looks to it like the next.
 */
struct path_walk {
	struct dentry *dentry;
	struct vfsmount *mnt;
	struct dentry *root_dentry;
	struct vfsmount *root_mnt;
	u32 at; /* text is laid down from the end of the buffer to its beginning */
	char text[PATH_BYTES + NAME_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct path_walk);
} path_walks SEC(".maps");

enum path_step {
	PATH_MORE,
	PATH_DONE,
	PATH_CUT,
};

/* One component, or one mount boundary, towards the root. */
static __always_inline enum path_step path_up(struct path_walk *walk)
{
	struct dentry *dentry = walk->dentry;
	struct vfsmount *mnt = walk->mnt;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
	struct mount *mount, *mount_parent;
	u32 length, at;

	if (dentry == walk->root_dentry && mnt == walk->root_mnt)
		return PATH_DONE;
	if (dentry == BPF_CORE_READ(mnt, mnt_root)) {
		mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
		mount_parent = BPF_CORE_READ(mount, mnt_parent);
		if (!mount_parent || mount_parent == mount)
			return PATH_DONE;
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mnt = (void *)mount_parent + bpf_core_field_offset(struct mount, mnt);
		return PATH_MORE;
	}
	length = BPF_CORE_READ(dentry, d_name.len);
	at = walk->at;
	if (length >= NAME_BYTES || at > PATH_BYTES || at < length + 1)
		return PATH_CUT;
	at -= length;
	/* `at` is at most PATH_BYTES and `length` below NAME_BYTES: it fits, and the masks let the verifier see it. */
	if (bpf_probe_read_kernel(&walk->text[at & (PATH_BYTES - 1)], length & (NAME_BYTES - 1),
				  BPF_CORE_READ(dentry, d_name.name)))
		return PATH_CUT;
	at -= 1;
	walk->text[at & (PATH_BYTES - 1)] = '/';
	walk->at = at;
	walk->dentry = parent;
	/* Its own parent and yet no mount's root: a memfd, say, whose name is all there is. */
	return dentry == parent ? PATH_CUT : PATH_MORE;
}

/*
 * Writes the path to `out` (PATH_BYTES), gives its length; 0 when there is none. `cut` is set when its beginning is
 * missing.
 */
static __noinline __attribute__((unused)) u32 path_read(struct task_struct *task, const struct path *path, char *out,
							bool *cut)
{
	u32 zero = 0, length;
	struct path_walk *walk = bpf_map_lookup_elem(&path_walks, &zero);
	enum path_step step = PATH_MORE;

	if (!walk || !out)
		return 0;
	walk->dentry = BPF_CORE_READ(path, dentry);
	walk->mnt = BPF_CORE_READ(path, mnt);
	if (!walk->dentry)
		return 0;
	walk->root_dentry = BPF_CORE_READ(task, fs, root.dentry);
	walk->root_mnt = BPF_CORE_READ(task, fs, root.mnt);
	walk->at = PATH_BYTES - 1;
#pragma clang loop unroll(disable)
	for (int round = 0; round < PATH_DEPTH && step == PATH_MORE; round++)
		step = path_up(walk);
	*cut = step != PATH_DONE;
	if (walk->at == PATH_BYTES - 1) {
		walk->at--;
		walk->text[PATH_BYTES - 2] = '/';
	}
	length = PATH_BYTES - 1 - walk->at;
	if (length > PATH_BYTES - 1)
		return 0;
	if (bpf_probe_read_kernel(out, length & (PATH_BYTES - 1), &walk->text[walk->at & (PATH_BYTES - 1)]))
		return 0;
	return length;
}

#endif
