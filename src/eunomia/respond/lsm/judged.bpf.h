/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the policy says of a path. The path is the one from the top of the mount namespace, whatever root the process
 * has (chroot(2) is no way round it); of the entries that fit, the longest has the last word.
 */
#ifndef __JUDGED_BPF_H
#define __JUDGED_BPF_H

#include "event.bpf.h"
#include "held.bpf.h"

#define KEY_BYTES 256 /* LPM_DATA_SIZE_MAX in kernel/bpf/lpm_trie.c */
#define ROUNDS 96     /* components and mounts of a path */
#define TEXT_END (PATH_BYTES - 1)
#define MOST_ERRNO 4095

enum verdict {
	VERDICT_ALLOWED = 1,
	VERDICT_DENIED = 2,
	VERDICT_STAYS = 4, /* there is something denied below, which must not be moved away with it */
};

const volatile bool exec_allowed DOC("whether programs may be run that no entry fits") = true;
const volatile bool write_allowed DOC("whether files may be changed that no entry fits") = true;

struct path_key {
	u32 bits;
	char text[KEY_BYTES];
};

/* A directory's entry ends with its slash, a file's with the NUL behind its name. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct path_key);
	__type(value, u32);
} exec_paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct path_key);
	__type(value, u32);
} write_paths SEC(".maps");

/*
 * Memory of a thread's own: on a kernel that can be preempted anywhere, what is the CPU's would be written over by
 * another thread's question, and the answer be to that.
 */
struct scratch {
	struct path_walk walk;
	struct path_key key;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512); /* as many as can be in a program of ours at the same time */
	__type(key, u64);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} blank SEC(".maps");

static __always_inline struct scratch *take_scratch(void)
{
	u64 tid = bpf_get_current_pid_tgid();
	u32 zero = 0;
	struct scratch *nothing = bpf_map_lookup_elem(&blank, &zero);

	if (!nothing || bpf_map_update_elem(&scratches, &tid, nothing, BPF_ANY))
		return 0;
	return bpf_map_lookup_elem(&scratches, &tid);
}

static __always_inline void give_back_scratch(void)
{
	u64 tid = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&scratches, &tid);
}

/* By itself: see walk_on() in place.bpf.h. */
static __noinline int walk_step(struct path_walk *walk)
{
	return path_up(walk);
}

/* Writes the path into the scratch; says whether it is whole. */
static __always_inline bool tell_path(struct scratch *scratch, u64 dentry, u64 mnt)
{
	struct path_walk *walk = &scratch->walk;
	enum path_step step = PATH_MORE;

	walk->dentry = (struct dentry *)dentry;
	walk->mnt = (struct vfsmount *)mnt;
	walk->root_dentry = 0;
	walk->root_mnt = 0;
	walk->at = TEXT_END;
#pragma clang loop unroll(disable)
	for (int round = 0; round < ROUNDS && step == PATH_MORE; round++)
		step = walk_step(walk);
	if (walk->at == TEXT_END) {
		walk->at--;
		walk->text[TEXT_END - 1] = '/';
	}
	return step == PATH_DONE;
}

static __always_inline u32 look_up(struct scratch *scratch, enum asked asked)
{
	u32 at = scratch->walk.at & (PATH_BYTES - 1), *found;

	if (bpf_probe_read_kernel(scratch->key.text, KEY_BYTES, &scratch->walk.text[at]))
		return VERDICT_DENIED;
	scratch->key.bits = 8 * KEY_BYTES; /* behind the text there are NULs */
	if (asked == ASKED_WRITE)
		found = bpf_map_lookup_elem(&write_paths, &scratch->key);
	else
		found = bpf_map_lookup_elem(&exec_paths, &scratch->key);
	if (found)
		return *found;
	if (asked == ASKED_MAP) /* libraries are no programs, and only kept out by name */
		return VERDICT_ALLOWED;
	return (asked == ASKED_WRITE ? write_allowed : exec_allowed) ? VERDICT_ALLOWED : VERDICT_DENIED;
}

static __always_inline void report_path(struct scratch *scratch, enum asked asked, bool untold)
{
	struct event *event = begin(asked);
	u32 at = scratch->walk.at & (PATH_BYTES - 1), length;

	if (!event)
		return;
	event->untold = untold;
	length = (TEXT_END - at) & (PATH_BYTES - 1);
	event->path_len = length;
	if (bpf_probe_read_kernel(event->path, length, &scratch->walk.text[at]))
		event->path_len = 0;
	event_submit(event);
}

/* A mount that the kernel keeps to itself: memory files, and the layers that an overlay opens once more. */
static __always_inline bool is_kernels_mount(u64 mnt)
{
	return (u64)mount_namespace((struct vfsmount *)mnt) >= (u64)-MOST_ERRNO; /* MNT_NS_INTERNAL in fs/mount.h */
}

static __always_inline bool judge(struct scratch *scratch, enum asked asked, u64 dentry, u64 mnt, bool moves)
{
	bool kernels = is_kernels_mount(mnt), untold;
	u32 verdict;

	if (asked != ASKED_EXEC && kernels)
		return true;
	untold = !tell_path(scratch, dentry, mnt) && !kernels;
	/* Of another namespace, or of none: it may be any file by another name. */
	untold = untold || (!kernels && !is_own_mount((struct vfsmount *)mnt));
	verdict = look_up(scratch, asked);
	if (asked != ASKED_MAP && untold)
		verdict = VERDICT_DENIED;
	if (!(verdict & VERDICT_DENIED) && !(moves && verdict & VERDICT_STAYS))
		return true;
	report_path(scratch, asked, untold);
	return false;
}

/*
 * Judges a path. One that cannot be judged is none that is allowed.
 *
 * Returns 0, or what the hook is to give.
 */
static __noinline int check_path(u32 asked, u64 dentry, u64 mnt, bool moves)
{
	struct scratch *scratch = take_scratch();
	bool allowed;

	if (!scratch) {
		count(COUNTER_FILTER_FULL);
		return answer();
	}
	allowed = judge(scratch, asked, dentry, mnt, moves);
	give_back_scratch();
	return allowed ? 0 : answer();
}

#endif
