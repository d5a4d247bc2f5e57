// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "latency.bpf.h"
#include "names.bpf.h"
#include "place.bpf.h"
#include "slot.bpf.h"
#include "totals.bpf.h"

#define S_IFMT 0170000 /* include/uapi/linux/stat.h */
#define S_IFREG 0100000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define S_PRIVATE 0x200 /* include/linux/fs.h: inodes inside the kernel, such as those of eventfd and epoll */
#define FMODE_READ 0x1	/* include/linux/fs.h */
#define FMODE_WRITE 0x2
#define STREAMS 3
#define FMODE_CREATED 0x100000 /* include/linux/fs.h */
#define FMODE_STREAM 0x200000  /* pipes, sockets; since 5.1 */
#define O_ACCMODE 03
#define O_WRONLY 01
#define O_CREAT 0100
#define O_TRUNC 01000
#define __O_TMPFILE 020000000
#define AT_REMOVEDIR 0x200
#define AT_EMPTY_PATH 0x1000

enum call {
	CALL_OTHER,
	CALL_READ,
	CALL_PREAD64,
	CALL_READV,
	CALL_PREADV,
	CALL_PREADV2,
	CALL_GETDENTS,
	CALL_GETDENTS64,
	CALL_WRITE,
	CALL_PWRITE64,
	CALL_WRITEV,
	CALL_PWRITEV,
	CALL_PWRITEV2,
	CALL_SENDFILE,
	CALL_SENDFILE64,
	CALL_COPY_FILE_RANGE,
	CALL_SPLICE,
	CALL_OPEN,
	CALL_CREAT,
	CALL_OPENAT,
	CALL_OPENAT2,
	CALL_OPEN_BY_HANDLE_AT,
	CALL_UNLINK,
	CALL_UNLINKAT,
	CALL_RMDIR,
	CALL_RENAME,
	CALL_RENAMEAT,
	CALL_RENAMEAT2,
	CALL_LINK,
	CALL_LINKAT,
	CALL_SYMLINK,
	CALL_SYMLINKAT,
	CALL_MKDIR,
	CALL_MKDIRAT,
	CALL_MKNOD,
	CALL_MKNODAT,
	CALL_CHMOD,
	CALL_FCHMOD,
	CALL_FCHMODAT,
	CALL_FCHMODAT2,
	CALL_CHOWN,
	CALL_CHOWN32,
	CALL_LCHOWN,
	CALL_LCHOWN32,
	CALL_FCHOWN,
	CALL_FCHOWN32,
	CALL_FCHOWNAT,
	CALL_TRUNCATE,
	CALL_TRUNCATE64,
	CALL_FTRUNCATE,
	CALL_FTRUNCATE64,
	CALL_IO_URING_ENTER, /* what it has asked for: submitted.bpf.h */
};

CALLS(enum call);

/* Calls that took 1 us or less, at most 4 us, at most 16 us ...; the last one has all that took longer. */
#define SLOTS 12

/* What is counted: a row for each process and file, in every interval. */
struct total {
	struct event_base;
	u64 opens DOC("how often the process opened the file");
	u64 reads DOC("calls that read, or listed a directory, successfully");
	bytes_t read_bytes DOC("bytes that they read");
	u64 writes DOC("calls that wrote successfully");
	bytes_t write_bytes DOC("bytes that they wrote");
	u64 deletes DOC("how often the name was deleted");
	u64 renames DOC("how often the name was changed to another, or exchanged for it");
	u64 errors DOC("calls that should have read or written and failed");
	duration_ns_t total_latency DOC("with --latency: time spent in all these calls");
	duration_ns_t max_latency DOC("with --latency: the longest of them");
	duration_ns_t read_latency DOC("time spent in the calls that read successfully");
	duration_ns_t write_latency DOC("time spent in the calls that wrote successfully");
	u64 read_slots[SLOTS] DOC("calls that read successfully, by how long they took");
	u64 write_slots[SLOTS] DOC("calls that wrote successfully, by how long they took");
	u64 inode DOC("inode number of the file, 0 of one that was only named");
	u32 device DOC("device of its file system");
	u8 path_truncated : 1 DOC("whether a path lacks a part");
	u8 named : 1 DOC("whether the path is made of the name that a call was given");
	u8 _unused : 6;
	u8 _pad[3];
	u16 path_len;
	u16 host_path_len;
	char path[PATH_BYTES] DOC("path of the file as the process sees it");
	char host_path[PATH_BYTES] DOC("path of the same file on the host; none when the host cannot see it");
};

/* A path tells files apart; its last component's name does so for the same memory used again within an interval. */
struct file_key {
	struct dentry *dentry;
	struct vfsmount *mnt;
	u64 name; /* hash and length */
	u32 pid;
	u32 named;
};

TOTALS(struct file_key, struct total, 8192);

enum kind {
	KIND_OPEN,
	KIND_CREATE,
	KIND_UNLINK,
	KIND_RMDIR,
	KIND_RENAME,
	KIND_LINK,
	KIND_SYMLINK,
	KIND_MKDIR,
	KIND_MKNOD,
	KIND_CHMOD,
	KIND_CHOWN,
	KIND_TRUNCATE,
};

#define GIVEN_BYTES 256
#define NONE -1

struct event {
	struct event_base;
	enum kind
		event DOC("open, create, unlink, rmdir, rename, link, symlink, mkdir, mknod, chmod, chown or truncate");
	errno_t error DOC("why it failed; none when it did not");
	exit_code_t fd DOC("open, create: the descriptor");
	u32 flags DOC("flags of the call");
	exit_code_t mode DOC("permissions asked for; mknod: the kind of file, too");
	exit_code_t owner DOC("chown: the new owner's user id; none when it stays");
	exit_code_t group DOC("chown: the new group id; none when it stays");
	u64 size DOC("truncate: the new size in bytes");
	u64 inode DOC("inode number of the file, 0 of one that was only named");
	u32 device DOC("device of its file system");
	u8 path_truncated : 1 DOC("whether a path lacks a part");
	u8 named : 1 DOC("whether the path is made of the name that a call was given");
	u8 new_named : 1 DOC("the same of the second one");
	u8 foreign
		: 1 DOC("whether the file's mount, or that where the name is looked up, is another mount namespace's");
	u8 _unused : 4;
	u16 name_len;
	u16 path_len;
	u16 host_path_len;
	u16 new_path_len;
	u16 new_host_path_len;
	char name[GIVEN_BYTES] DOC("the name as it was given to the call, at most 255 bytes of it");
	char path[PATH_BYTES] DOC("path of the file as the process sees it; symlink: what the link says");
	char host_path[PATH_BYTES] DOC("path of the same file on the host; none when the host cannot see it");
	char new_path[PATH_BYTES] DOC("rename, link, symlink: the new path, as the process sees it");
	char new_host_path[PATH_BYTES] DOC("the same as the host sees it");
};

EVENTS(struct event, 8 * 1024 * 1024);

const volatile bool latency DOC("whether the time that calls take is measured") = false;
const volatile bool failed DOC("whether calls that failed are reported") = true;
const volatile bool all_reads DOC("whether opens that only read are reported whatever the file's name") = true;

/* A call that returns: its arguments, whatever entry it came through. */
struct returned {
	long result;
	u32 compat;
	u32 code;
	u32 call;
	u64 args[6];
};

/*
 * A register, by a plain load where the program may follow pointers. The argument count is a constant, so that only
 * what is looked at is loaded.
 */
#define REG(followed, regs, name) ((followed) ? (regs)->name : BPF_CORE_READ(regs, name))

static __always_inline bool read_call(struct returned *call, struct pt_regs *regs, long result, bool followed)
{
	u32 code = followed ? syscall_code_typed(regs) : syscall_code(regs);
	bool compat = code / SYSCALL_ENTRY == 1;

	call->code = code;
	call->call = syscall_call(code);
	if (call->call == CALL_OTHER)
		return false;
	call->result = result;
	call->compat = compat;
#if defined(__TARGET_ARCH_x86)
	if (compat) {
		call->args[0] = (u32)REG(followed, regs, bx);
		call->args[1] = (u32)REG(followed, regs, cx);
		call->args[2] = (u32)REG(followed, regs, dx);
		call->args[3] = (u32)REG(followed, regs, si);
		call->args[4] = (u32)REG(followed, regs, di);
	} else {
		call->args[0] = REG(followed, regs, di);
		call->args[1] = REG(followed, regs, si);
		call->args[2] = REG(followed, regs, dx);
		call->args[3] = REG(followed, regs, r10);
		call->args[4] = REG(followed, regs, r8);
	}
#elif defined(__TARGET_ARCH_arm64)
	call->args[0] = REG(followed, regs, orig_x0);
	call->args[1] = REG(followed, regs, regs[1]);
	call->args[2] = REG(followed, regs, regs[2]);
	call->args[3] = REG(followed, regs, regs[3]);
	call->args[4] = REG(followed, regs, regs[4]);
	if (compat)
		for (int index = 0; index < 5; index++)
			call->args[index] = (u32)call->args[index];
#endif
	return true;
}

/* Counting. */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct total);
} first_rows SEC(".maps");

static __always_inline struct total *add_row(struct place *place, const struct file_key *key)
{
	struct total *first;
	u32 zero = 0;

	first = bpf_map_lookup_elem(&first_rows, &zero);
	if (!first)
		return 0;
	event_fill_current((struct event_base *)first); /* all counters in it are 0 and stay so */
	first->inode = place->inode;
	first->device = place->device;
	first->path_truncated = place->truncated;
	first->named = key->named;
	first->path_len = place->path_len;
	first->host_path_len = place->host_path_len;
	bpf_probe_read_kernel(first->path, sizeof(first->path), place->path);
	bpf_probe_read_kernel(first->host_path, sizeof(first->host_path), place->host_path);
	return totals_add(key, first);
}

static __noinline struct total *add_file(const struct file_key *key)
{
	struct dentry *dentry = key->dentry;
	struct path path = {.mnt = key->mnt, .dentry = dentry};
	struct inode *inode = BPF_CORE_READ((struct dentry___files *)dentry, d_inode);
	u32 zero = 0, type = BPF_CORE_READ(inode, i_mode) & S_IFMT;
	struct place *place;

	if ((type != S_IFREG && type != S_IFDIR && type != S_IFCHR && type != S_IFBLK) ||
	    (BPF_CORE_READ(inode, i_flags) & S_PRIVATE))
		return 0;
	place = bpf_map_lookup_elem(&places, &zero);
	if (!place)
		return 0;
	place_path(place, &path);
	return add_row(place, key);
}

/* The row of an open file; NULL for what is no file: sockets, pipes, and the kernel's other things with descriptors. */
static __always_inline struct total *row_of(s32 fd)
{
	struct file___files *file = file_of(fd);
	struct file_key key = {};
	struct total *total;
	struct path path;

	if (!file || (BPF_CORE_READ(file, f_mode) & FMODE_STREAM))
		return 0;
	path_of(file, &path);
	key.dentry = path.dentry;
	key.mnt = path.mnt;
	key.name = BPF_CORE_READ((struct dentry___files *)path.dentry, d_name.hash_len);
	key.pid = bpf_get_current_pid_tgid() >> 32;
	total = totals_find(&key);
	return total ? total : add_file(&key);
}

static __always_inline u64 hash_name(const struct place *place)
{
	const u64 *words = (const u64 *)place->name;
	u64 hash = place->name_len;

#pragma clang loop unroll(disable)
	for (u32 index = 0; index < NAMED_BYTES / 8; index++) {
		if (index * 8 >= place->name_len)
			break;
		hash = (hash ^ words[index]) * HASH_PRIME;
		hash ^= hash >> 32;
	}
	return hash;
}

/* The row of a name: what was deleted or renamed is gone when the call returns. */
static __noinline struct total *row_named(s32 dirfd, const char *name)
{
	struct file_key key = {.named = 1};
	struct total *total;
	struct place *place;
	struct path base;
	u32 zero = 0;

	place = bpf_map_lookup_elem(&places, &zero);
	if (!place)
		return 0;
	place_read_name(place, name);
	if (!base_of(dirfd, place->name[0] == '/', &base))
		return 0;
	key.dentry = base.dentry;
	key.mnt = base.mnt;
	key.name = hash_name(place);
	key.pid = bpf_get_current_pid_tgid() >> 32;
	total = totals_find(&key);
	if (total)
		return total;
	place_name((u64)base.dentry, (u64)base.mnt);
	return add_row(place, &key);
}

static __always_inline void add(u64 *counter, u64 value)
{
	__sync_fetch_and_add(counter, value);
}

static __always_inline void add_latency(struct total *total, u64 took)
{
	if (took)
		latency_add(&total->total_latency, &total->max_latency, took);
}

/* A call of those that have a histogram of their own, and the sum of what is in it. */
static __always_inline void add_slot(u64 *slots, u64 *sum, u64 took)
{
	u32 slot;

	if (!took)
		return;
	slot = (log2_us(took) + 1) / 2;
	barrier_var(slot); /* what is checked must be the very register that is used */
	if (slot >= SLOTS)
		slot = SLOTS - 1;
	add(&slots[slot], 1);
	add(sum, took);
}

static __always_inline void count_read(s32 fd, long result, u64 elapsed)
{
	struct total *total = row_of(fd);

	if (!total)
		return;
	add_latency(total, elapsed);
	if (result < 0) {
		add(&total->errors, 1);
		return;
	}
	add(&total->reads, 1);
	add_slot(total->read_slots, &total->read_latency, elapsed);
	if (result)
		add(&total->read_bytes, result);
}

static __always_inline void count_write(s32 fd, long result, u64 elapsed)
{
	struct total *total = row_of(fd);

	if (!total)
		return;
	add_latency(total, elapsed);
	if (result < 0) {
		add(&total->errors, 1);
		return;
	}
	add(&total->writes, 1);
	add_slot(total->write_slots, &total->write_latency, elapsed);
	if (result)
		add(&total->write_bytes, result);
}

static __always_inline void count_open(long result, u64 elapsed)
{
	struct total *total = result < 0 ? 0 : row_of(result);

	if (!total)
		return;
	add_latency(total, elapsed);
	add(&total->opens, 1);
}

static __always_inline void count_named(const struct returned *call, s32 dirfd, u64 name, bool renamed, u64 elapsed)
{
	struct total *total = call->result < 0 ? 0 : row_named(dirfd, (const char *)name);

	if (!total)
		return;
	add_latency(total, elapsed);
	add(renamed ? &total->renames : &total->deletes, 1);
}

static __always_inline int count_call(struct pt_regs *regs, long result, bool followed)
{
	struct returned call;
	u64 elapsed, *args = call.args;

	if (!read_call(&call, regs, result, followed) || !filter_pass_current())
		return 0;
	elapsed = latency ? latency_end(bpf_get_current_pid_tgid(), call.code) : 0;
	if (call.call <= CALL_GETDENTS64) {
		count_read(args[0], result, elapsed);
	} else if (call.call <= CALL_PWRITEV2) {
		count_write(args[0], result, elapsed);
	} else if (call.call <= CALL_SPLICE) {
		bool sendfile = call.call <= CALL_SENDFILE64; /* which names its output first */

		count_read(sendfile ? args[1] : args[0], result, elapsed);
		count_write(sendfile ? args[0] : args[2], result, elapsed);
	} else if (call.call <= CALL_OPEN_BY_HANDLE_AT) {
		count_open(result, elapsed);
	} else if (call.call <= CALL_RENAMEAT2) {
		bool at = call.call == CALL_UNLINKAT || call.call >= CALL_RENAMEAT;

		count_named(&call, at ? (s32)args[0] : AT_FDCWD, at ? args[1] : args[0], call.call >= CALL_RENAME,
			    elapsed);
	}
	return 0;
}

RELAY(count_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(count_btf, struct pt_regs *regs, long result)
{
	count_call(regs, result, true);
	relay(ctx, count_btf);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(count_raw, struct pt_regs *regs, long result)
{
	return count_call(regs, result, false);
}

static __always_inline int begin_call(struct pt_regs *regs, bool followed)
{
	struct returned call;

	if (read_call(&call, regs, 0, followed) && call.call <= CALL_RENAMEAT2 && filter_pass_current())
		latency_begin(bpf_get_current_pid_tgid(), call.code);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(begin_btf, struct pt_regs *regs)
{
	return begin_call(regs, true);
}

SEC("raw_tp/sys_enter")
int BPF_PROG(begin_raw, struct pt_regs *regs)
{
	return begin_call(regs, false);
}

/* Events. */

/* What a call was asked to do. Its file is the open one `fd`, or else the one called `name` below `dirfd`. */
struct request {
	enum kind kind;
	s32 fd;
	s32 dirfd;
	s32 new_dirfd;
	u64 name;
	u64 new_name;
	u64 size;
	u32 flags;
	s32 mode;
	s32 owner;
	s32 group;
};

static __always_inline void name_at(struct request *request, const u64 *args, u32 place)
{
	request->dirfd = args[place];
	request->name = args[place + 1];
}

static __always_inline void new_name_at(struct request *request, const u64 *args, u32 place)
{
	request->new_dirfd = args[place];
	request->new_name = args[place + 1];
}

static __always_inline void read_open(const struct returned *call, struct request *request)
{
	struct open_how {
		u64 flags, mode, resolve;
	} how = {};
	const u64 *args = call->args;

	request->kind = KIND_OPEN;
	if (call->call == CALL_OPEN) {
		request->name = args[0];
		how.flags = args[1];
		how.mode = args[2];
	} else if (call->call == CALL_CREAT) {
		request->name = args[0];
		how.flags = O_CREAT | O_WRONLY | O_TRUNC;
		how.mode = args[1];
	} else if (call->call == CALL_OPEN_BY_HANDLE_AT) {
		how.flags = args[2];
	} else {
		name_at(request, args, 0);
		if (call->call == CALL_OPENAT) {
			how.flags = args[2];
			how.mode = args[3];
		} else {
			bpf_probe_read_user(&how, sizeof(how), (void *)args[2]);
		}
	}
	request->flags = how.flags;
	if (how.flags & (O_CREAT | __O_TMPFILE))
		request->mode = how.mode & 07777;
	if (call->result >= 0)
		request->fd = call->result;
}

static __always_inline void read_owner(struct request *request, const u64 *args, u32 place)
{
	request->kind = KIND_CHOWN;
	request->owner = args[place];
	request->group = args[place + 1];
}

static __always_inline bool read_request(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	switch (call->call) {
	case CALL_OPEN ... CALL_OPEN_BY_HANDLE_AT:
		read_open(call, request);
		return true;
	case CALL_UNLINK:
	case CALL_RMDIR:
		request->kind = call->call == CALL_UNLINK ? KIND_UNLINK : KIND_RMDIR;
		request->name = args[0];
		return true;
	case CALL_UNLINKAT:
		request->kind = args[2] & AT_REMOVEDIR ? KIND_RMDIR : KIND_UNLINK;
		request->flags = args[2];
		name_at(request, args, 0);
		return true;
	case CALL_RENAME:
	case CALL_LINK:
	case CALL_SYMLINK:
		request->kind = call->call == CALL_RENAME ? KIND_RENAME
				: call->call == CALL_LINK ? KIND_LINK
							  : KIND_SYMLINK;
		request->name = args[0];
		request->new_name = args[1];
		return true;
	case CALL_RENAMEAT:
	case CALL_RENAMEAT2:
	case CALL_LINKAT:
		request->kind = call->call == CALL_LINKAT ? KIND_LINK : KIND_RENAME;
		name_at(request, args, 0);
		new_name_at(request, args, 2);
		request->flags = call->call == CALL_RENAMEAT ? 0 : args[4];
		return true;
	case CALL_SYMLINKAT:
		request->kind = KIND_SYMLINK;
		request->name = args[0];
		new_name_at(request, args, 1);
		return true;
	case CALL_MKDIR:
	case CALL_MKNOD:
		request->kind = call->call == CALL_MKDIR ? KIND_MKDIR : KIND_MKNOD;
		request->name = args[0];
		request->mode = args[1] & (call->call == CALL_MKDIR ? 07777 : S_IFMT | 07777);
		return true;
	case CALL_MKDIRAT:
	case CALL_MKNODAT:
		request->kind = call->call == CALL_MKDIRAT ? KIND_MKDIR : KIND_MKNOD;
		name_at(request, args, 0);
		request->mode = args[2] & (call->call == CALL_MKDIRAT ? 07777 : S_IFMT | 07777);
		return true;
	case CALL_CHMOD:
		request->kind = KIND_CHMOD;
		request->name = args[0];
		request->mode = args[1] & 07777;
		return true;
	case CALL_FCHMOD:
		request->kind = KIND_CHMOD;
		request->fd = args[0];
		request->mode = args[1] & 07777;
		return true;
	case CALL_FCHMODAT:
	case CALL_FCHMODAT2:
		request->kind = KIND_CHMOD;
		name_at(request, args, 0);
		request->mode = args[2] & 07777;
		request->flags = call->call == CALL_FCHMODAT2 ? args[3] : 0;
		return true;
	case CALL_CHOWN:
	case CALL_CHOWN32:
	case CALL_LCHOWN:
	case CALL_LCHOWN32:
		request->name = args[0];
		read_owner(request, args, 1);
		return true;
	case CALL_FCHOWN:
	case CALL_FCHOWN32:
		request->fd = args[0];
		read_owner(request, args, 1);
		return true;
	case CALL_FCHOWNAT:
		name_at(request, args, 0);
		read_owner(request, args, 2);
		request->flags = args[4];
		return true;
	case CALL_TRUNCATE:
	case CALL_TRUNCATE64:
	case CALL_FTRUNCATE:
	case CALL_FTRUNCATE64:
		request->kind = KIND_TRUNCATE;
		if (call->call == CALL_TRUNCATE || call->call == CALL_TRUNCATE64)
			request->name = args[0];
		else
			request->fd = args[0];
		request->size = args[1];
#if defined(__TARGET_ARCH_x86)
		if (call->compat && (call->call == CALL_TRUNCATE64 || call->call == CALL_FTRUNCATE64))
			request->size = args[2] << 32 | args[1];
#elif defined(__TARGET_ARCH_arm64)
		if (call->compat) /* a pair of registers begins with an even one */
			request->size = args[3] << 32 | args[2];
#endif
		return true;
	}
	return false;
}

static __always_inline void fill_name(struct event *event, const struct place *place)
{
	event->name_len = place->name_len < GIVEN_BYTES ? place->name_len : GIVEN_BYTES - 1;
	bpf_probe_read_kernel(event->name, sizeof(event->name), place->name);
}

static __always_inline void fill_place(struct event *event, const struct place *place)
{
	event->inode = place->inode;
	event->device = place->device;
	event->foreign = place->foreign;
	event->path_truncated = place->truncated;
	event->path_len = place->path_len;
	event->host_path_len = place->host_path_len;
	bpf_probe_read_kernel(event->path, sizeof(event->path), place->path);
	bpf_probe_read_kernel(event->host_path, sizeof(event->host_path), place->host_path);
}

/*
 * Whether an open file is one that the process had already, for the same: /dev/stdout leads there, as do the links to
 * it that images have in place of logs, and what a runtime gave a process may well be of the host's mounts.
 */
static __always_inline bool is_own_stream(struct file___files *file, const struct path *path)
{
	u32 access = BPF_CORE_READ(file, f_mode) & (FMODE_READ | FMODE_WRITE);
	struct file___files *stream;
	struct path other;

#pragma clang loop unroll(disable)
	for (s32 fd = 0; fd < STREAMS; fd++) {
		stream = file_of(fd);
		if (!stream || stream == file)
			continue;
		path_of(stream, &other);
		if (other.dentry == path->dentry && other.mnt == path->mnt &&
		    (BPF_CORE_READ(stream, f_mode) & access) == access)
			return true;
	}
	return false;
}

/* The path of an open file; if its opening made it, the event says so. */
static __always_inline void fill_opened(struct event *event, struct place *place, struct file___files *file)
{
	struct path path;

	path_of(file, &path);
	place_path(place, &path);
	if (place->foreign && event->event == KIND_OPEN && is_own_stream(file, &path))
		place->foreign = 0;
	if (event->event == KIND_OPEN &&
	    ((BPF_CORE_READ(file, f_mode) & FMODE_CREATED) || (event->flags & __O_TMPFILE)))
		event->event = KIND_CREATE;
}

/* What a symbolic link says is no name of a file that anybody has looked up. */
static __always_inline void place_text(struct place *place)
{
	bpf_probe_read_kernel(place->path, PATH_BYTES, place->name);
	place->path_len = place->name_len;
	place->host_path_len = 0;
	place->truncated = 0;
	place->foreign = 0;
	place->inode = 0;
	place->device = 0;
}

static __always_inline void fill_path(struct event *event, struct place *place, const struct request *request)
{
	struct file___files *file = request->fd == NONE ? 0 : file_of(request->fd);

	event->name_len = 0;
	if (request->name) {
		place_read_name(place, (const char *)request->name);
		fill_name(event, place);
	}
	event->named = !file && event->event != KIND_SYMLINK;
	if (file)
		fill_opened(event, place, file);
	else if (event->event == KIND_SYMLINK)
		place_text(place);
	else
		place_given(place, request->dirfd, request->name);
	fill_place(event, place);
}

static __always_inline void fill_new_place(struct event *event, const struct place *place)
{
	event->new_named = 1;
	event->path_truncated |= place->truncated;
	event->foreign |= place->foreign;
	event->new_path_len = place->path_len;
	event->new_host_path_len = place->host_path_len;
	bpf_probe_read_kernel(event->new_path, sizeof(event->new_path), place->path);
	bpf_probe_read_kernel(event->new_host_path, sizeof(event->new_host_path), place->host_path);
}

static __always_inline void fill_new_path(struct event *event, struct place *place, const struct request *request)
{
	event->new_named = 0;
	event->new_path_len = 0;
	event->new_host_path_len = 0;
	if (!request->new_name)
		return;
	place_given(place, request->new_dirfd, request->new_name);
	fill_new_place(event, place);
}

static __always_inline bool only_reads(enum kind kind, u32 flags)
{
	return kind == KIND_OPEN && !(flags & (O_ACCMODE | O_CREAT | O_TRUNC | __O_TMPFILE));
}

/*
 * Whether an open is one of those that only read, and of a file that nobody asked for. Asked before there is a record:
 * such opens are most of what happens to files.
 */
static __noinline bool is_idle_read(struct place *place, const struct request *request)
{
	struct file___files *file;
	struct dentry *dentry;

	if (!only_reads(request->kind, request->flags))
		return false;
	if (request->fd == NONE) {
		place_read_name(place, (const char *)request->name);
		return !is_read_name_given(place);
	}
	file = file_of(request->fd);
	dentry = file ? BPF_CORE_READ(file, f_path.dentry) : 0;
	return !is_read_name_of(dentry);
}

static __always_inline void fill_request(struct event *event, const struct request *request, long result)
{
	event->event = request->kind;
	event->error = result < 0 ? -result : 0;
	event->fd = request->kind == KIND_OPEN ? request->fd : NONE;
	event->flags = request->flags;
	event->mode = request->mode;
	event->owner = request->owner;
	event->group = request->group;
	event->size = request->size;
}

static __always_inline void start(struct request *request)
{
	__builtin_memset(request, 0, sizeof(*request));
	request->fd = NONE;
	request->dirfd = AT_FDCWD;
	request->new_dirfd = AT_FDCWD;
	request->mode = NONE;
	request->owner = NONE;
	request->group = NONE;
}

#include "submitted.bpf.h"

/* A function of its own, since there is no stack to spare in the one that asks. */
static __noinline bool is_asked_for(void)
{
	return filter_pass_current();
}

static __always_inline int report_call(struct pt_regs *regs, long result, bool followed)
{
	struct returned call;
	struct request request;
	struct place *place;
	struct event *event;
	u32 zero = 0;

	if (!read_call(&call, regs, result, followed) || call.call < CALL_OPEN)
		return 0;
	if (call.call == CALL_IO_URING_ENTER)
		return on_call_over();
	if ((result < 0 && !failed) || !is_asked_for())
		return 0;
	start(&request);
	if (!read_request(&call, &request))
		return 0;
	place = bpf_map_lookup_elem(&places, &zero);
	if (!place || (!all_reads && is_idle_read(place, &request)))
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	fill_request(event, &request, result);
	fill_path(event, place, &request);
	fill_new_path(event, place, &request);
	event_submit(event);
	return 0;
}

RELAY(report_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(report_btf, struct pt_regs *regs, long result)
{
	report_call(regs, result, true);
	relay(ctx, report_btf);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(report_raw, struct pt_regs *regs, long result)
{
	return report_call(regs, result, false);
}
