// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * System calls that matter to security, each with what the kernel made of its arguments. They are seen where they
 * return. A call that is not asked for leaves after two loads; one whose arguments are harmless before the filter.
 */
#include "address.bpf.h"
#include "ask_kernel.bpf.h"
#include "ask_mounts.bpf.h"
#include "ask_processes.bpf.h"
#include "event.bpf.h"
#include "mounts.bpf.h"
#include "task.bpf.h"

#define FD_DIGITS 8
#define NAME_LOOKED_AT 32     /* of a name, for a descriptor in it */
#define NSFS_MAGIC 0x6e736673 /* include/uapi/linux/magic.h */
#define PID_FS_MAGIC 0x50494446

const volatile u64 wanted DOC("the kinds that are reported, as bits") = ~0ULL;
const volatile bool failed DOC("whether calls that failed are reported") = true;

/* Scratch for one call. */
struct work {
	struct returned call;
	struct request request;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct work);
} works SEC(".maps");

/* A descriptor that stands for a namespace or for a process. The latter have a file system of their own since 6.9. */
static __noinline int fill_behind(struct event *event, s32 fd)
{
	struct file___sensitive *file = (void *)file_of(fd);
	struct ns_common___kind *namespace;
	struct inode___sensitive *inode;
	struct task_struct *task;
	struct pid *pid;
	u64 magic;

	if (!event || !file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	magic = BPF_CORE_READ(inode, i_sb, s_magic);
	if (magic == NSFS_MAGIC) {
		namespace = BPF_CORE_READ(inode, i_private);
		event->text_len = read_kernel_text(event->text, BPF_CORE_READ(namespace, ops, name));
		event->inode = BPF_CORE_READ(inode, i_ino);
		return 0;
	}
	if (magic == PID_FS_MAGIC)
		pid = BPF_CORE_READ(inode, i_private);
	else if (!event->error) /* else it need not be of a process */
		pid = BPF_CORE_READ(file, private_data);
	else
		return 0;
	task = task_of_pid(pid);
	if (task)
		set_target(event, task);
	return 0;
}

/* What is known of the mount where the path lies, for those calls that are about mounts. */
static __always_inline void fill_mounted(struct event *event, const struct request *request, struct vfsmount *mnt)
{
	struct mount___source *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	struct vfsmount___sensitive *of = (void *)mnt;

	event->text_len = read_kernel_text(event->text, BPF_CORE_READ(of, mnt_sb, s_type, name));
	if (!request->name2 || request->kind != KIND_MOUNT)
		event->path2_len = read_kernel_text(event->path2, BPF_CORE_READ(mount, mnt_devname));
}

static __always_inline bool find_mounted(struct path *path)
{
	struct mount *mount = newest_mount();

	if (!mount)
		return false;
	path->mnt = (void *)mount + bpf_core_field_offset(struct mount, mnt);
	path->dentry = BPF_CORE_READ(mount, mnt.mnt_root);
	return path->dentry;
}

/*
 * The descriptor that a name means which leads through /proc/self/fd, or NONE: container runtimes mount on such, so
 * that nobody can put a link in their way.
 */
static __always_inline s32 number_behind(const char *name, const char *prefix, u32 bytes)
{
	s32 number = 0;

#pragma clang loop unroll(full)
	for (u32 at = 0; at < bytes; at++)
		if (name[at] != prefix[at])
			return NONE;
#pragma clang loop unroll(full)
	for (u32 digits = 0; digits < FD_DIGITS; digits++) {
		char digit = name[bytes + digits];

		if (digit < '0' || digit > '9')
			return digits && !digit ? number : NONE;
		number = number * 10 + digit - '0';
	}
	return NONE;
}

static __always_inline s32 fd_of_name(const char *name)
{
	s32 fd = number_behind(name, "/proc/self/fd/", 14);

	return fd == NONE ? number_behind(name, "/proc/thread-self/fd/", 21) : fd;
}

static __always_inline void copy_place(struct event *event, struct place *place)
{
	event->inode = place->inode;
	event->device = place->device;
	event->path_truncated = place->truncated;
	event->path_len = place->path_len;
	event->host_path_len = place->host_path_len;
	bpf_probe_read_kernel(event->path, sizeof(event->path), place->path);
	bpf_probe_read_kernel(event->host_path, sizeof(event->host_path), place->host_path);
}

static __always_inline int fill_path(struct event *event, const struct request *request)
{
	struct file___files *file;
	struct place *place;
	struct path path = {};
	u32 zero = 0;
	s32 fd;

	place = bpf_map_lookup_elem(&places, &zero);
	if (!event || !request || !place)
		return 0;
	if (request->name) {
		__builtin_memset(event->name, 0, NAME_LOOKED_AT);
		event->name_len = read_user_text(event->name, request->name);
	}
	fd = request->where == WHERE_FILE ? request->file : NONE;
	if (request->where == WHERE_NAME)
		fd = fd_of_name(event->name);
	if (fd != NONE) {
		file = file_of(fd);
		if (!file)
			return 0;
		path_of(file, &path);
		place_path(place, &path);
	} else if (request->where == WHERE_ROOT) {
		place_root(place);
	} else if (request->where == WHERE_MOUNT && find_mounted(&path)) {
		place_path(place, &path);
	} else {
		place_given(place, request->dirfd, request->name);
		event->named = 1;
	}
	copy_place(event, place);
	if (path.mnt && request->where != WHERE_NAME && request->kind <= KIND_FSMOUNT)
		fill_mounted(event, request, path.mnt);
	if (request->kind == KIND_FSMOUNT) { /* it lies nowhere yet */
		event->path_len = 0;
		event->host_path_len = 0;
	}
	return 0;
}

static __always_inline void fill_texts(struct event *event, const struct request *request)
{
	event->path2_len = read_user_text(event->path2, request->name2);
	if (request->kind == KIND_BPF) /* names there need no NUL at their end */
		event->text_len =
			request->text
				? length_of(bpf_probe_read_user_str(event->text, BPF_NAME_BYTES, (void *)request->text))
				: 0;
	else
		event->text_len = read_user_text(event->text, request->text);
}

static __always_inline void clear(struct event *event)
{
	event->name_len = 0;
	event->path_len = 0;
	event->host_path_len = 0;
	event->path_truncated = 0;
	event->named = 0;
	event->has_address = 0;
	event->inode = 0;
	event->device = 0;
	event->target_pid = 0;
	event->target_comm[0] = 0;
	event->port = 0;
	__builtin_memset(event->ip, 0, sizeof(event->ip));
}

/* A global function: the verifier looks into it once, and not for each call that leads here. Such get numbers only. */
__noinline int report(u64 unused)
{
	const struct request *request;
	const struct returned *call;
	struct task_struct *target;
	struct event *event;
	struct work *work;
	u32 zero = 0;

	work = bpf_map_lookup_elem(&works, &zero);
	if (!work)
		return 0;
	call = &work->call;
	request = &work->request;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	clear(event);
	event->event = request->kind;
	event->error = call->result < 0 && call->result >= -SYSCALL_MAX_ERRNO ? -call->result : 0;
	event->fd = request->fd;
	event->command_nr = request->command;
	event->flags = request->flags;
	event->family_nr = request->family;
	event->type_nr = request->type;
	event->protocol_nr = request->protocol;
	__builtin_memcpy(event->arguments, call->args, sizeof(event->arguments));
	fill_texts(event, request);
	if (request->where != WHERE_NOWHERE)
		fill_path(event, request);
	if (request->pidfd != NONE)
		fill_behind(event, request->pidfd);
	if (request->socket != NONE || request->address)
		fill_socket(event, request);
	target = request->pid > 0 ? task_by_number(request->pid) : 0;
	if (target)
		set_target(event, target);
	event_submit(event);
	return 0;
}

static __always_inline void read_arguments(struct returned *call, struct pt_regs *regs, u32 code, bool typed)
{
	call->compat = code / SYSCALL_ENTRY == 1;
#pragma clang loop unroll(full)
	for (u32 index = 0; index < 6; index++)
		call->args[index] = syscall_arg_of(typed, regs, code, index);
}

/* What becomes one of the three descriptors that everybody has is mostly a file or a pipe. */
static __always_inline bool is_worth_it(const struct request *request)
{
	return request->kind != KIND_DUP_STDIO || socket_of(request->fd);
}

static __always_inline void start(struct request *request)
{
	__builtin_memset(request, 0, sizeof(*request));
	request->fd = NONE;
	request->file = NONE;
	request->dirfd = AT_FDCWD;
	request->socket = NONE;
	request->pidfd = NONE;
	request->pid = NONE;
}

/* What the call was asked; false for what nobody wants to know. */
static __always_inline bool read_request(const struct returned *call, struct request *request)
{
	if (call->call <= CALL_CHROOT)
		return read_mount_call(call, request);
	if (call->call >= CALL_INIT_MODULE && call->call <= CALL_REQUEST_KEY)
		return read_kernel_call(call, request);
	if (call->call >= CALL_SOCKET && call->call <= CALL_FCNTL64)
		return read_socket_call(call, request);
	return read_process_call(call, request);
}

#include "submitted.bpf.h"

static __always_inline int on_return(struct pt_regs *regs, long result, bool typed)
{
	u32 code = typed ? syscall_code_typed(regs) : syscall_code(regs), call = syscall_call(code), zero = 0;
	struct work *work;

	if (!(kinds_of[call % CALLS_MOST] & wanted))
		return 0;
	if (call == CALL_IO_URING_ENTER)
		return on_call_over();
	if (result < 0 && !failed)
		return 0;
	work = bpf_map_lookup_elem(&works, &zero);
	if (!work)
		return 0;
	work->call.call = call;
	work->call.result = result;
	read_arguments(&work->call, regs, code, typed);
	start(&work->request);
	if (!read_request(&work->call, &work->request) || !(wanted >> work->request.kind & 1) ||
	    !filter_pass_current() || !is_worth_it(&work->request))
		return 0;
	return report(0);
}

RELAY(calls_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(calls_btf, struct pt_regs *regs, long result)
{
	on_return(regs, result, true);
	relay(ctx, calls_btf);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(calls_raw, struct pt_regs *regs, long result)
{
	return on_return(regs, result, false);
}
