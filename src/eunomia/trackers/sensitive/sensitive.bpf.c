// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * System calls that matter to security, each with what the kernel made of its arguments. They are seen where they
 * return. A call that is not asked for leaves after two loads; one whose arguments are harmless before the filter.
 */
#include "mounts.bpf.h"
#include "request.bpf.h"
#include "task.bpf.h"
#include "types.h"

#define TEXT_BYTES 256
#define S_IFSOCK_MODE 0140000
#define S_IFMT_MODE 0170000
#define NSFS_MAGIC 0x6e736673 /* include/uapi/linux/magic.h */
#define PID_FS_MAGIC 0x50494446

struct event {
	struct event_base;
	enum kind event DOC("which call it was; see the tracker's README");
	errno_t error DOC("why it failed; none when it did not");
	exit_code_t fd DOC("the descriptor that it is about: the new one, or the one that was given");
	u32 command_nr DOC("number of the command of bpf, ptrace, keyctl and the like");
	u32 flags DOC("flags of the call");
	optional_u32_t target_pid DOC("the other process: ptrace, process_vm_*, perf_event_open, setns, clone_ns");
	char target_comm[16] DOC("name of that process's thread");
	u32 family_nr DOC("address family of a socket");
	u32 type_nr DOC("type of a socket, a BPF program or map, a perf event");
	u32 protocol_nr DOC("protocol of a socket");
	ip_t ip DOC("address of a socket");
	u16 port DOC("port: bind, listen: one's own; dup_stdio: the other side's");
	u8 path_truncated : 1 DOC("whether a path lacks a part");
	u8 named : 1 DOC("whether the path is made of the name that a call was given");
	u8 _unused : 6;
	u8 has_address : 1 DOC("whether there is an address");
	u8 _unused2 : 7;
	u64 inode DOC("inode number of the file; setns: of the namespace");
	u32 device DOC("device of its file system");
	u16 name_len;
	u16 path_len;
	u16 host_path_len;
	u16 path2_len;
	u16 text_len;
	hex_t arguments[6] DOC("its arguments, as they are in the registers");
	char name[TEXT_BYTES] DOC("the name as it was given to the call, at most 255 bytes of it");
	char path[PATH_BYTES] DOC("path of the file or directory as the process sees it; mount: where it lies");
	char host_path[PATH_BYTES] DOC("path of the same file on the host; none when the host cannot see it");
	char path2[TEXT_BYTES] DOC("the second name: what is mounted, where pivot_root puts the old root");
	char text[TEXT_BYTES] DOC("type of a file system or namespace, name of a memfd, module, key or host");
};

EVENTS(struct event, 2 * 1024 * 1024);

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

static __always_inline u32 length_of(long got)
{
	return got > 1 ? got - 1 : 0;
}

static __always_inline u32 read_user_text(char *out, u64 address)
{
	return address ? length_of(bpf_probe_read_user_str(out, TEXT_BYTES, (void *)address)) : 0;
}

static __always_inline u32 read_kernel_text(char *out, const char *from)
{
	return length_of(bpf_probe_read_kernel_str(out, TEXT_BYTES, from));
}

static __always_inline struct inode___sensitive *inode_of(struct file___files *file)
{
	struct file___sensitive *of = (void *)file;

	return BPF_CORE_READ(of, f_inode);
}

static __always_inline void set_target(struct event *event, struct task_struct *task)
{
	event->target_pid = BPF_CORE_READ(task, tgid);
	BPF_CORE_READ_INTO(&event->target_comm, task, comm);
}

/* setns(2) takes a file that stands for a namespace, or one that stands for a process. */
static __noinline int fill_namespace(struct event *event, s32 fd)
{
	struct file___files *file = file_of(fd);
	struct inode___sensitive *inode;
	struct ns_common___kind *namespace;
	struct file___sensitive *of = (void *)file;
	struct task_struct *task;
	struct pid *pid;
	u64 magic;

	if (!event || !file)
		return 0;
	inode = inode_of(file);
	magic = BPF_CORE_READ(inode, i_sb, s_magic);
	if (magic == NSFS_MAGIC) {
		namespace = BPF_CORE_READ(inode, i_private);
		event->text_len = read_kernel_text(event->text, BPF_CORE_READ(namespace, ops, name));
		event->inode = BPF_CORE_READ(inode, i_ino);
	} else if (!event->error) { /* else it need not be of a process; those have a file system of their own since 6.9
				     */
		pid = magic == PID_FS_MAGIC ? BPF_CORE_READ(inode, i_private) : BPF_CORE_READ(of, private_data);
		task = task_of_pid(pid);
		if (task)
			set_target(event, task);
	}
	return 0;
}

static __always_inline void set_ipv4(struct event *event, u32 address)
{
	__builtin_memset(event->ip, 0, sizeof(event->ip));
	event->ip[10] = 0xff;
	event->ip[11] = 0xff;
	__builtin_memcpy(&event->ip[12], &address, sizeof(address));
	event->has_address = 1;
}

/* The address that bind(2) was given. */
static __always_inline void fill_given_address(struct event *event, u64 address)
{
	struct {
		u16 family, port;
		u32 address_or_flow;
		u8 address[16];
	} given = {};

	bpf_probe_read_user(&given, 8, (void *)address);
	event->family_nr = given.family;
	if (given.family == AF_INET) {
		set_ipv4(event, given.address_or_flow);
	} else if (given.family == AF_INET6) {
		bpf_probe_read_user(&given, sizeof(given), (void *)address);
		__builtin_memcpy(event->ip, given.address, sizeof(event->ip));
		event->has_address = 1;
	} else {
		return;
	}
	event->port = __builtin_bswap16(given.port);
}

/* One's own address of a socket that listens, else the other side's. */
static __always_inline void fill_address(struct event *event, struct sock *sk, bool own)
{
	event->port = own ? BPF_CORE_READ(sk, __sk_common.skc_num)
			  : __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (!event->port && !own)
		return;
	if (event->family_nr == AF_INET) {
		set_ipv4(event,
			 own ? BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr) : BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else {
		event->has_address = 1;
		if (own)
			BPF_CORE_READ_INTO(&event->ip, sk, __sk_common.skc_v6_rcv_saddr);
		else
			BPF_CORE_READ_INTO(&event->ip, sk, __sk_common.skc_v6_daddr);
	}
}

static __always_inline struct sock *socket_of(s32 fd)
{
	struct file___sensitive *file = (void *)file_of(fd);
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT_MODE) != S_IFSOCK_MODE)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __noinline int fill_socket(struct event *event, const struct request *request)
{
	struct sock *sk;

	if (!event || !request)
		return 0;
	sk = request->socket == NONE ? 0 : socket_of(request->socket);
	if (sk) {
		event->family_nr = BPF_CORE_READ(sk, __sk_common.skc_family);
		event->type_nr = BPF_CORE_READ(sk, sk_type);
		event->protocol_nr = BPF_CORE_READ(sk, sk_protocol);
	}
	if (request->address)
		fill_given_address(event, request->address);
	else if (sk && (event->family_nr == AF_INET || event->family_nr == AF_INET6))
		fill_address(event, sk, request->listens);
	return 0;
}

/* What is known of the mount where the path lies, for those calls that are about mounts. */
static __always_inline void fill_mounted(struct event *event, struct vfsmount *mnt)
{
	struct mount___source *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	struct vfsmount___sensitive *of = (void *)mnt;

	event->text_len = read_kernel_text(event->text, BPF_CORE_READ(of, mnt_sb, s_type, name));
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

	place = bpf_map_lookup_elem(&places, &zero);
	if (!event || !request || !place)
		return 0;
	if (request->name)
		event->name_len = read_user_text(event->name, request->name);
	if (request->where == WHERE_FILE) {
		file = file_of(request->file);
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
	if (path.mnt && request->kind <= KIND_FSMOUNT)
		fill_mounted(event, path.mnt);
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
	if (request->kind == KIND_SETNS)
		fill_namespace(event, request->file);
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

/* Whether a socket lies behind a descriptor that has become one of the three everybody has: most are files and pipes.
 */
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
	request->pid = NONE;
}

static __always_inline int on_return(struct pt_regs *regs, long result, bool typed)
{
	u32 code = typed ? syscall_code_typed(regs) : syscall_code(regs), call = syscall_call(code), zero = 0;
	struct work *work;

	if (!(kinds_of[call % CALLS_MOST] & wanted) || (result < 0 && !failed))
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

SEC("tp_btf/sys_exit")
int BPF_PROG(calls_btf, struct pt_regs *regs, long result)
{
	return on_return(regs, result, true);
}

SEC("raw_tp/sys_exit")
int BPF_PROG(calls_raw, struct pt_regs *regs, long result)
{
	return on_return(regs, result, false);
}
