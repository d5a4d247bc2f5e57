/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where a file lies: its path as the process sees it, and as the host does.
 *
 * One walk from the file up to the top of its mount namespace gives both for a process in the host's namespace: what
 * lies above the process's own root is the host's business alone. In another namespace the walk also says where the
 * file's own mount begins; the host's mount of the same file system, if it has one, leads on from there. So no runtime
 * has to be asked, and nothing depends on a container still being there when user space reads.
 */
#ifndef __PLACE_BPF_H
#define __PLACE_BPF_H

#include "path.bpf.h"
#include "file_types.h"

#define NAMED_BYTES PATH_BYTES	/* of a name as the caller gives it */
#define ROUNDS (2 * PATH_DEPTH) /* components and mounts; one walk */
#define MOUNTS 256		/* that are looked at in one go */
#define LOOKS 16		/* for a mount of the host's, so often */
#define AT_FDCWD -100
#define NOWHERE -1 /* no directory's descriptor */
#define MNT_NS_ANON_INO                                                                                                \
	0xeffffff7 /* include/uapi/linux/nsfs.h: of mounts that lie nowhere; before 6.18 they have 0                   \
		    */

const volatile u32 host_mnt_ns DOC("the host's mount namespace; 0 when it is not known") = 0;

/* Scratch for one file. Behind each path is room for what the verifier cannot see to fit. */
struct place {
	u64 inode;
	u32 device;
	u32 path_len;
	u32 host_path_len;
	u32 name_len;
	u32 truncated;
	u32 top_at;   /* text of the first walk: it begins here, */
	u32 root_at;  /* from here on it lies below the process's root, */
	u32 mount_at; /* and from here on in the file's own mount; 0: not found */
	u32 host_known;
	u32 elsewhere; /* in another mount namespace than the host's */
	u32 foreign;   /* its mount is of another mount namespace than the process's */
	struct mount *mount, *host_mount;
	struct list_head *child;
	char name[NAMED_BYTES];
	char path[2 * PATH_BYTES];
	char host_path[2 * PATH_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct place);
} places SEC(".maps");

/* The second walk must not write over the first one's text. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct path_walk);
} walks SEC(".maps");

#define TEXT_END (PATH_BYTES - 1)

/* A place within a path. It has been checked; the verifier does not always see that, nor the compiler that it matters.
 */
static __always_inline u32 within(u32 at)
{
	barrier_var(at);
	return at & (PATH_BYTES - 1);
}

static __always_inline enum path_step walk_begin(struct path_walk *walk, struct dentry *dentry, struct vfsmount *mnt)
{
	walk->dentry = dentry;
	walk->mnt = mnt;
	walk->root_dentry = 0; /* to the very top */
	walk->root_mnt = 0;
	walk->at = TEXT_END;
	return PATH_MORE;
}

/*
 * By itself, and loops with little more than a call in them: older verifiers (6.1 is one) take no loop whose end
 * the compiler has put right before its beginning, to fall through.
 */
static __noinline int walk_on(struct path_walk *walk)
{
	return path_up(walk);
}

/* Whether a walk that could not go on had come to the end all the same: a memfd's dentry is its own parent. */
static __always_inline bool walk_is_whole(struct path_walk *walk, enum path_step step)
{
	struct dentry *dentry = walk->dentry;

	return step == PATH_DONE || (step == PATH_CUT && BPF_CORE_READ(dentry, d_parent) == dentry);
}

static __always_inline void walk_up(struct place *place, struct path_walk *walk, struct dentry *dentry,
				    struct vfsmount *mnt)
{
	struct task_struct *task = current_task();
	struct dentry *root_dentry = BPF_CORE_READ(task, fs, root.dentry);
	struct vfsmount *root_mnt = BPF_CORE_READ(task, fs, root.mnt);
	enum path_step step = walk_begin(walk, dentry, mnt);

	place->root_at = 0;
	place->mount_at = 0;
#pragma clang loop unroll(disable)
	for (int round = 0; round < ROUNDS && step == PATH_MORE; round++) {
		if (walk->dentry == root_dentry && walk->mnt == root_mnt)
			place->root_at = walk->at;
		if (!place->mount_at && walk->mnt != mnt)
			place->mount_at = walk->at;
		step = walk_on(walk);
	}
	place->truncated = !walk_is_whole(walk, step);
	place->top_at = walk->at;
	if (!place->root_at) /* it lies outside of the process's root, or too deep */
		place->root_at = walk->at;
	if (!place->mount_at && step == PATH_DONE)
		place->mount_at = walk->at;
}

/* Functions of their own: the compiler would load a member's offset early, where the kernel has no such member. */
static __noinline struct mount *next_in_chain(struct super_block *sb, struct mount *mount)
{
	return mount ? BPF_CORE_READ((struct mount___chain *)mount, mnt_next_for_sb)
		     : BPF_CORE_READ((struct super_block___chain *)sb, s_mounts);
}

static __noinline struct mount *next_in_list(struct super_block *sb, struct mount *mount)
{
	struct list_head *head = (void *)sb + bpf_core_field_offset(struct super_block___list, s_mounts);
	struct list_head *next = mount ? BPF_CORE_READ((struct mount___list *)mount, mnt_instance.next)
				       : BPF_CORE_READ(head, next);

	return next == head ? 0 : (void *)next - bpf_core_field_offset(struct mount___list, mnt_instance);
}

static __always_inline struct mount *next_mount(struct super_block *sb, struct mount *mount)
{
	return bpf_core_field_exists(((struct mount___chain *)0)->mnt_next_for_sb) ? next_in_chain(sb, mount)
										   : next_in_list(sb, mount);
}

/* The host's mounts of whole file systems, as they were found: there may be thousands to look through. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct super_block *);
	__type(value, struct mount *);
} known_mounts SEC(".maps");

static __always_inline bool is_of_host(struct mount *mount)
{
	return BPF_CORE_READ((struct mount___files *)mount, mnt_ns, ns.inum) == host_mnt_ns;
}

/* Looks at some more mounts of a file system; says whether that was all there is to see. */
__noinline int look_for_host_mount(u64 sb_address, u64 shown_address)
{
	struct super_block *sb = (struct super_block *)sb_address;
	struct dentry *shown = (struct dentry *)shown_address, *whole = BPF_CORE_READ(sb, s_root), *root;
	struct mount *mount;
	struct place *place;
	u32 zero = 0;

	place = bpf_map_lookup_elem(&places, &zero);
	if (!place)
		return 1;
#pragma clang loop unroll(disable)
	for (int round = 0; round < MOUNTS; round++) {
		mount = place->mount; /* the scratch is no type of the kernel's */
		if (!mount)
			return 1;
		if (is_of_host(mount)) {
			root = BPF_CORE_READ(mount, mnt.mnt_root);
			if (root == whole || root == shown || !place->host_mount)
				place->host_mount = mount;
			if (root == whole)
				return 1;
		}
		place->mount = next_mount(sb, mount);
	}
	return 0;
}

/* A mount that the host has of a file system: best one of all of it, else of the part that the process's mount shows.
 */
static __always_inline void find_host_mount(struct place *place, struct vfsmount *mnt)
{
	struct dentry *shown = BPF_CORE_READ(mnt, mnt_root);
	struct super_block *sb = BPF_CORE_READ((struct vfsmount___files *)mnt, mnt_sb);
	struct mount **known = bpf_map_lookup_elem(&known_mounts, &sb), *mount;

	place->host_mount = 0;
	if (known) {
		mount = *known; /* its memory may be another's by now, and so may the file system's */
		if (BPF_CORE_READ((struct vfsmount___files *)&mount->mnt, mnt_sb) == sb && is_of_host(mount)) {
			place->host_mount = mount;
			return;
		}
	}
	place->mount = next_mount(sb, 0);
#pragma clang loop unroll(disable)
	for (int round = 0; round < LOOKS; round++)
		if (look_for_host_mount((u64)sb, (u64)shown))
			break;
	mount = place->host_mount;
	if (mount && BPF_CORE_READ(mount, mnt.mnt_root) == BPF_CORE_READ(sb, s_root))
		bpf_map_update_elem(&known_mounts, &sb, &mount, BPF_ANY);
}

/* Text of a walk from `at` on, to `out`, behind the `length` bytes there; gives the new length. */
static __always_inline u32 copy_text(char *out, u32 length, struct path_walk *walk, u32 at)
{
	u32 bytes = TEXT_END - at;

	if (length > TEXT_END || bytes > TEXT_END)
		return 0;
	if (bpf_probe_read_kernel(&out[within(length)], within(bytes), &walk->text[within(at)]))
		return 0;
	return length + bytes;
}

/*
 * Writes where on the host a mount of another mount namespace begins; 0 when the host has no mount of its file system.
 * Global functions: the verifier looks into such only once, however many call them. They can be given numbers only.
 */
__noinline int place_host_mount(u64 mnt_address)
{
	struct vfsmount *mnt = (struct vfsmount *)mnt_address;
	enum path_step step;
	struct path_walk *host;
	struct place *place;
	u32 zero = 0, one = 1;

	place = bpf_map_lookup_elem(&places, &zero);
	host = bpf_map_lookup_elem(&walks, &one);
	if (!place || !host || !host_mnt_ns)
		return 0;
	find_host_mount(place, mnt);
	if (!place->host_mount)
		return 0;
	step = walk_begin(host, BPF_CORE_READ(mnt, mnt_root),
			  (void *)place->host_mount + bpf_core_field_offset(struct mount, mnt));
#pragma clang loop unroll(disable)
	for (int round = 0; round < ROUNDS && step == PATH_MORE; round++)
		step = walk_on(host);
	if (step != PATH_DONE)
		return 0;
	place->host_path_len = copy_text(place->host_path, 0, host, host->at);
	return 1;
}

/* How many bytes of the place's path lead to a mount that lies on another, 0 when they do not. */
__noinline int place_below(u64 mount_address)
{
	struct mount *mount = (struct mount *)mount_address, *parent = BPF_CORE_READ(mount, mnt_parent);
	enum path_step step;
	struct path_walk *walk;
	struct place *place;
	u32 zero = 0, one = 1, length;

	place = bpf_map_lookup_elem(&places, &zero);
	walk = bpf_map_lookup_elem(&walks, &one);
	if (!place || !walk)
		return 0;
	step = walk_begin(walk, BPF_CORE_READ(mount, mnt_mountpoint),
			  (void *)parent + bpf_core_field_offset(struct mount, mnt));
#pragma clang loop unroll(disable)
	for (int round = 0; round < ROUNDS && step == PATH_MORE; round++)
		step = walk_on(walk);
	length = TEXT_END - walk->at;
	if (step != PATH_DONE || length >= place->path_len || place->path[within(length)] != '/')
		return 0;
#pragma clang loop unroll(disable)
	for (u32 index = 0; index < PATH_BYTES; index++) {
		if (index >= length)
			return length;
		if (place->path[index] != walk->text[within(walk->at + index)])
			return 0;
	}
	return 0;
}

/* Looks at one more mount that lies on `place->mount`; goes on from there when the path leads into it. */
static __noinline bool look_below(struct place *place)
{
	struct mount *mount = place->mount;
	struct list_head *head = (void *)mount + bpf_core_field_offset(struct mount___files, mnt_mounts);
	struct list_head *child = place->child ? place->child : head;
	int length;

	child = BPF_CORE_READ(child, next);
	if (!child || child == head)
		return false;
	place->child = child;
	mount = (void *)child - bpf_core_field_offset(struct mount___files, mnt_child);
	length = place_below((u64)mount);
	if (length > 0) {
		place->mount = mount;
		place->child = 0;
		place->mount_at = length;
	}
	return true;
}

/*
 * A name may lead into another mount than that of the directory where it is looked up: a volume, say. Goes down from
 * mount to mount as far as the name does; gives the last one, and in `mount_at` how much of the path leads there.
 */
static __always_inline struct mount *mount_of_name(struct place *place, struct vfsmount *mnt)
{
	place->mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	place->child = 0;
	place->mount_at = 0;
#pragma clang loop unroll(disable)
	for (int round = 0; round < MOUNTS; round++)
		if (!look_below(place))
			break;
	return place->mount;
}

static __always_inline void limit(struct place *place)
{
	if (place->path_len > TEXT_END) {
		place->path_len = TEXT_END;
		place->truncated = 1;
	}
	if (place->host_path_len > TEXT_END) {
		place->host_path_len = TEXT_END;
		place->truncated = 1;
	}
}

/* Whether a mount is of another mount namespace than the current process's: reached by way of another process. */
static __always_inline bool is_foreign(struct vfsmount *mnt)
{
	struct mount___files *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	u32 namespace = BPF_CORE_READ(mount, mnt_ns, ns.inum); /* 0 of the kernel's own mounts */

	return namespace && namespace != MNT_NS_ANON_INO && namespace != task_mnt_ns(current_task());
}

/* Path and host path without a slash at their ends: empty for a root. */
__noinline int place_walk(u64 dentry_address, u64 mnt_address)
{
	struct dentry *dentry = (struct dentry *)dentry_address;
	struct vfsmount *mnt = (struct vfsmount *)mnt_address;
	struct path_walk *walk;
	struct place *place;
	u32 zero = 0;

	walk = bpf_map_lookup_elem(&walks, &zero);
	place = bpf_map_lookup_elem(&places, &zero);
	if (!walk || !place)
		return 0;
	place->inode = BPF_CORE_READ((struct dentry___files *)dentry, d_inode, i_ino);
	place->device = BPF_CORE_READ((struct dentry___files *)dentry, d_sb, s_dev);
	place->foreign = is_foreign(mnt);
	place->host_path_len = 0;
	walk_up(place, walk, dentry, mnt);
	place->path_len = copy_text(place->path, 0, walk, place->root_at);
	place->elsewhere = task_mnt_ns(current_task()) != host_mnt_ns;
	if (place->elsewhere) {
		place->host_known = place->mount_at && place_host_mount(mnt_address);
		if (place->host_known)
			place->host_path_len = copy_text(place->host_path, place->host_path_len, walk, place->mount_at);
	} else {
		place->host_known = 1;
		place->host_path_len = copy_text(place->host_path, 0, walk, place->top_at);
	}
	return 0;
}

/* What has been walked, as people write it. */
static __always_inline void place_end(struct place *place)
{
	limit(place);
	if (!place->path_len) {
		place->path[0] = '/';
		place->path_len = 1;
	}
	if (place->host_known && !place->host_path_len) {
		place->host_path[0] = '/';
		place->host_path_len = 1;
	}
}

/* The place of an open file, or of anything of which the kernel still has the path. */
static __always_inline void place_path(struct place *place, const struct path *path)
{
	place_walk((u64)path->dentry, (u64)path->mnt);
	place_end(place);
}

/* Reads a name that the caller has given, zeros behind it; its length, or less than 0. */
static __always_inline long place_read_name(struct place *place, const char *name)
{
	long got;

	__builtin_memset(place->name, 0, sizeof(place->name));
	got = bpf_probe_read_user_str(place->name, sizeof(place->name), name);
	place->name_len = got > 0 ? got - 1 : 0;
	return got - 1;
}

static __always_inline u32 append_name(struct place *place, char *out, u32 length)
{
	u32 at = length;

	if (length > TEXT_END)
		return length;
	if (place->name[0] != '/') {
		out[within(length)] = '/';
		at = length + 1;
	}
	bpf_probe_read_kernel(&out[within(at)], sizeof(place->name), place->name);
	return at + place->name_len;
}

/* The path on the host of a name that leads into another mount. */
static __always_inline void place_in_mount(struct place *place, struct mount *mount)
{
	u32 at = place->mount_at, bytes = place->path_len - at, length;
	struct vfsmount *mnt = (void *)mount + bpf_core_field_offset(struct mount, mnt);

	place->host_known = place_host_mount((u64)mnt);
	length = place->host_path_len;
	if (!place->host_known || at > TEXT_END || bytes > TEXT_END || length > TEXT_END) {
		place->host_path_len = 0;
		return;
	}
	bpf_probe_read_kernel(&place->host_path[within(length)], within(bytes), &place->path[within(at)]);
	place->host_path_len = length + bytes;
}

/*
 * The place of a name that has been read: below `base`, where it was looked up. It is put together as text, so links
 * in it are not followed; what dots mean is left to user space. A global function, for it is called with the two names
 * of a rename.
 */
__noinline int place_name(u64 dentry, u64 mnt)
{
	struct mount *mount, *first = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	struct place *place;
	u32 zero = 0, chrooted;

	place_walk(dentry, mnt);
	place = bpf_map_lookup_elem(&places, &zero);
	if (!place)
		return 0;
	place->inode = 0;
	chrooted = place->root_at != place->top_at;
	if (place->name_len) {
		place->path_len = append_name(place, place->path, place->path_len);
		if (place->host_known)
			place->host_path_len = append_name(place, place->host_path, place->host_path_len);
		place->truncated |= place->name_len == NAMED_BYTES - 1;
	}
	if (place->elsewhere && !chrooted) {
		mount = mount_of_name(place, (struct vfsmount *)mnt);
		if (mount != first)
			place_in_mount(place, mount);
	}
	limit(place);
	return 0;
}

static __always_inline struct file___files *file_of(s32 fd)
{
	struct file___files *file = 0;
	struct fdtable *table;
	struct file **fds;
	u32 count;

	if (CURRENT_IS_TYPED) {
		table = ((struct task_struct___files *)bpf_get_current_task_btf())->files->fdt;
		count = table->max_fds;
		fds = table->fd;
	} else {
		table = BPF_CORE_READ((struct task_struct___files *)current_task(), files, fdt);
		count = BPF_CORE_READ(table, max_fds);
		fds = BPF_CORE_READ(table, fd);
	}
	if ((u32)fd >= count)
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), &fds[fd]);
	return file;
}

static __always_inline void path_of(struct file___files *file, struct path *path)
{
	bpf_core_read(path, sizeof(*path), &file->f_path);
}

/* Where a name given to a call is looked up: the process's root, its working directory, or a directory it has open. */
static __always_inline bool base_of(s32 dirfd, bool absolute, struct path *base)
{
	struct task_struct *task = current_task();
	struct file___files *directory;

	base->dentry = 0;
	if (absolute) {
		base->dentry = BPF_CORE_READ(task, fs, root.dentry);
		base->mnt = BPF_CORE_READ(task, fs, root.mnt);
	} else if (dirfd == AT_FDCWD) {
		base->dentry = BPF_CORE_READ(task, fs, pwd.dentry);
		base->mnt = BPF_CORE_READ(task, fs, pwd.mnt);
	} else {
		directory = file_of(dirfd);
		if (directory)
			path_of(directory, base);
	}
	return base->dentry;
}

/* The place of the name that has been read. */
static __always_inline void place_read(struct place *place, s32 dirfd)
{
	struct path base = {};

	place->path_len = 0;
	place->host_path_len = 0;
	place->truncated = 0;
	place->inode = 0;
	place->device = 0;
	place->foreign = 0;
	if (base_of(dirfd, place->name[0] == '/', &base))
		place_name((u64)base.dentry, (u64)base.mnt);
}

/* The place of a name that a call was given. */
static __noinline __attribute__((unused)) int place_given(struct place *place, s32 dirfd, u64 name)
{
	bool missing;

	if (!place)
		return 0;
	missing = place_read_name(place, (const char *)name) < 0;
	place_read(place, missing ? NOWHERE : dirfd);
	place->truncated |= missing;
	return 0;
}

/* The same of one that the kernel has copied already. */
static __noinline __attribute__((unused)) int place_copied(struct place *place, s32 dirfd, u64 name)
{
	long got;

	if (!place)
		return 0;
	__builtin_memset(place->name, 0, sizeof(place->name));
	got = bpf_probe_read_kernel_str(place->name, sizeof(place->name), (void *)name);
	place->name_len = got > 0 ? got - 1 : 0;
	place_read(place, dirfd);
	return 0;
}

#endif
