// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "event.bpf.h"
#include "changes.bpf.h"
#include "origin.bpf.h"

const volatile u64 min_duration_ns DOC("only exits of processes that lived at least this long, and nothing else") = 0;

/* Length without the NUL of what bpf_probe_read_*_str() gave back; a full buffer means that the rest was cut off. */
static __always_inline u16 text_length(long got, u32 size, struct event *event)
{
	if (got <= 0)
		return 0;
	if (got == size)
		event->path_truncated = 1;
	return got - 1;
}

static __always_inline void read_args(struct event *event, struct task_struct *task)
{
	u64 start = BPF_CORE_READ(task, mm, arg_start);
	u64 length = BPF_CORE_READ(task, mm, arg_end) - start;

	if (length > ARGS_BYTES) {
		length = ARGS_BYTES;
		event->args_truncated = 1;
	}
	/* The kernel has only just written them there, so they are in memory. */
	if (bpf_probe_read_user(event->args, length, (void *)start))
		event->args_truncated = 1;
	else
		event->args_len = length;
}

static __always_inline void read_paths(struct event *event, struct task_struct *task, struct file *file)
{
	struct path path = {};
	bool cut = false;

	path.mnt = BPF_CORE_READ(file, f_path.mnt);
	path.dentry = BPF_CORE_READ(file, f_path.dentry);
	event->executable_len = path_read(task, &path, event->executable, &cut);
	event->path_truncated |= cut;
	path.mnt = BPF_CORE_READ(task, fs, pwd.mnt);
	path.dentry = BPF_CORE_READ(task, fs, pwd.dentry);
	event->cwd_len = path_read(task, &path, event->cwd, &cut);
	event->path_truncated |= cut;
}

static __noinline int on_exec(struct task_struct *task, struct linux_binprm *bprm)
{
	const char *filename, *interpreter;
	struct event *event;

	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	fill(event, task, KIND_EXEC);
	filename = BPF_CORE_READ(bprm, filename);
	interpreter = BPF_CORE_READ(bprm, interp);
	event->filename_len =
		text_length(bpf_probe_read_kernel_str(event->filename, FILE_BYTES, filename), FILE_BYTES, event);
	if (interpreter != filename)
		event->interpreter_len =
			text_length(bpf_probe_read_kernel_str(event->interpreter, INTERPRETER_BYTES, interpreter),
				    INTERPRETER_BYTES, event);
	read_args(event, task);
	read_paths(event, task, BPF_CORE_READ(bprm, file));
	read_origin(event, BPF_CORE_READ(bprm, file));
	read_streams(event, task);
	event_submit(event);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_btf, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	return filter_pass_typed(task) ? on_exec(task, bprm) : 0;
}

SEC("raw_tp/sched_process_exec")
int BPF_PROG(exec_raw, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	return filter_pass_current() ? on_exec(task, bprm) : 0;
}

static __always_inline int on_fork(struct task_struct *child)
{
	struct event *event;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid)) /* a thread */
		return 0;
	if (!filter_pass_current() && !filter_pass(child)) /* the parent is the current task */
		return 0;
	if (fork_namespaces)
		report_namespaces_of_child(child);
	if (!forks)
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill((struct event_base *)event, child);
	fill(event, child, KIND_FORK);
	event_submit(event);
	return 0;
}

#include "fork_hooks.bpf.h"

/*
 * The last two threads of a process can both find that no thread is live when they get here, since the count goes down
 * earlier in do_exit(). The first to enter the process here reports it.
 */
struct exited {
	u64 start;
	u32 pid;
	u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct exited);
	__type(value, u8);
} exited SEC(".maps");

static __noinline int on_exit(struct task_struct *task)
{
	struct task_struct *leader;
	struct exited key = {};
	struct event *event;
	u64 duration;
	u8 seen = 1;
	int code;

	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	leader = BPF_CORE_READ(task, group_leader);
	key.start = BPF_CORE_READ(leader, start_boottime);
	key.pid = BPF_CORE_READ(task, tgid);
	duration = bpf_ktime_get_boot_ns() - key.start;
	if (duration < min_duration_ns)
		return 0;
	/* No other error may hide an exit. Before 6.4 only the low half of the result is one (iovisor/bcc#4488). */
	if ((int)bpf_map_update_elem(&exited, &key, &seen, BPF_NOEXIST) == -EEXIST)
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	fill(event, task, KIND_EXIT);
	BPF_CORE_READ_INTO(&event->comm, leader, comm);
	event->duration = duration;
	/* What wait(2) will tell the parent: wait_task_zombie() in kernel/exit.c. */
	if (BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
		code = BPF_CORE_READ(task, signal, group_exit_code);
	else
		code = BPF_CORE_READ(leader, exit_code);
	event->signal = code & 0x7f;
	if (!event->signal)
		event->exit_code = (code >> 8) & 0xff;
	event_submit(event);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(exit_btf, struct task_struct *task)
{
	return filter_pass_typed(task) ? on_exit(task) : 0;
}

SEC("raw_tp/sched_process_exit")
int BPF_PROG(exit_raw, struct task_struct *task)
{
	return filter_pass_current() ? on_exit(task) : 0;
}

/*
 * A failed exec. Its strings are read when it returns: by then the kernel itself has read them, so they are present.
 * The position is kept in the event, not in a register: the verifier then knows nothing of it and is done early.
 */
static __always_inline void read_argv(struct event *event, const char *const *argv)
{
	event->args_truncated = 1;
#pragma clang loop unroll(disable)
	for (int index = 0; index < ARGS_COUNT; index++) {
		const char *arg = 0;
		u64 at;
		long got;

		if (bpf_probe_read_user(&arg, sizeof(arg), &argv[index]))
			return;
		if (!arg) {
			event->args_truncated = 0;
			return;
		}
		at = event->args_len;
		barrier_var(at); /* what is checked must be the very register that is used */
		if (at > ARGS_BYTES - ARG_BYTES)
			return;
		got = bpf_probe_read_user_str(&event->args[at], ARG_BYTES, arg);
		if (got <= 0 || got == ARG_BYTES)
			return;
		event->args_len = at + got;
	}
}

static __always_inline int on_exec_failed(const char *filename, const char *const *argv, long result)
{
	struct task_struct *task = current_task();
	struct path path = {};
	struct event *event;
	bool cut = false;

	if (result >= 0 || !filter_pass_current())
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	fill(event, task, KIND_EXEC_FAILED);
	event->error = -result;
	event->filename_len =
		text_length(bpf_probe_read_user_str(event->filename, FILE_BYTES, filename), FILE_BYTES, event);
	read_argv(event, argv);
	path.mnt = BPF_CORE_READ(task, fs, pwd.mnt);
	path.dentry = BPF_CORE_READ(task, fs, pwd.dentry);
	event->cwd_len = path_read(task, &path, event->cwd, &cut);
	event->path_truncated |= cut;
	event_submit(event);
	return 0;
}

/* First way: the tracepoints of the two system calls, which run for no other call. They need tracefs to attach. */
struct exec_call {
	const char *filename;
	const char *const *argv;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* a successful exec by a thread changes its tid: that entry ages out */
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct exec_call);
} exec_calls SEC(".maps");

static __always_inline int on_exec_enter(const void *filename, const void *argv)
{
	struct exec_call call = {.filename = filename, .argv = argv};
	u32 tid = bpf_get_current_pid_tgid();

	if (!filter_pass_current())
		return 0;
	bpf_map_update_elem(&exec_calls, &tid, &call, BPF_ANY);
	return 0;
}

static __always_inline int on_exec_exit(long result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct exec_call *call = bpf_map_lookup_elem(&exec_calls, &tid);

	if (!call)
		return 0;
	on_exec_failed(call->filename, call->argv, result);
	bpf_map_delete_elem(&exec_calls, &tid);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_execve")
int execve_enter(struct syscall_trace_enter *ctx)
{
	return on_exec_enter((void *)ctx->args[0], (void *)ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_exit_execve")
int execve_exit(struct syscall_trace_exit *ctx)
{
	return on_exec_exit(ctx->ret);
}

SEC("tracepoint/syscalls/sys_enter_execveat")
int execveat_enter(struct syscall_trace_enter *ctx)
{
	return on_exec_enter((void *)ctx->args[1], (void *)ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_execveat")
int execveat_exit(struct syscall_trace_exit *ctx)
{
	return on_exec_exit(ctx->ret);
}

/* Second way: every return from a system call. The registers still hold the arguments. */
static __always_inline int on_sys_exit(struct pt_regs *regs, u32 nr, long result)
{
	u32 call;

	barrier_var(nr); /* what is checked must be the very register that is used */
	call = nr < SYSCALL_ENTRY ? calls[nr] : CALL_OTHER;
	if (call != CALL_EXECVE && call != CALL_EXECVEAT)
		return 0;
	if (syscall_is_compat(syscall_caller())) /* other calls have these numbers there, and shorter pointers */
		return 0;
	if (call == CALL_EXECVE)
		return on_exec_failed((void *)syscall_arg(regs, nr, 0), (void *)syscall_arg(regs, nr, 1), result);
	return on_exec_failed((void *)syscall_arg(regs, nr, 1), (void *)syscall_arg(regs, nr, 2), result);
}

RELAY(sys_exit_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit_btf, struct pt_regs *regs, long result)
{
	if (result < 0)
		on_sys_exit(regs, SYSCALL_NR_TYPED(regs), result);
	relay(ctx, sys_exit_btf);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(sys_exit_raw, struct pt_regs *regs, long result)
{
	return result < 0 ? on_sys_exit(regs, SYSCALL_NR(regs), result) : 0;
}

SEC("fentry/commit_creds")
int BPF_PROG(credentials_fentry, struct cred___process *new)
{
	return on_credentials(new);
}

SEC("kprobe/commit_creds")
int BPF_KPROBE(credentials_kprobe, struct cred___process *new)
{
	return on_credentials(new);
}

SEC("fentry/switch_task_namespaces")
int BPF_PROG(namespaces_fentry, struct task_struct *task, struct nsproxy___process *new)
{
	return on_namespaces(task, new);
}

SEC("kprobe/switch_task_namespaces")
int BPF_KPROBE(namespaces_kprobe, struct task_struct *task, struct nsproxy___process *new)
{
	return on_namespaces(task, new);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(changes_enter_btf, struct pt_regs *regs)
{
	return on_change_enter(syscall_code_typed(regs));
}

RELAY(changes_exit_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(changes_exit_btf, struct pt_regs *regs, long result)
{
	on_change_exit(syscall_code_typed(regs), result);
	relay(ctx, changes_exit_btf);
	return 0;
}

SEC("raw_tp/sys_enter")
int BPF_PROG(changes_enter_raw, struct pt_regs *regs)
{
	return on_change_enter(syscall_code(regs));
}

SEC("raw_tp/sys_exit")
int BPF_PROG(changes_exit_raw, struct pt_regs *regs, long result)
{
	return on_change_exit(syscall_code(regs), result);
}

SEC("tp_btf/task_rename")
int BPF_PROG(comm_btf, struct task_struct *task, const char *comm)
{
	return on_rename(task, comm);
}

SEC("raw_tp/task_rename")
int BPF_PROG(comm_raw, struct task_struct *task, const char *comm)
{
	return on_rename(task, comm);
}
