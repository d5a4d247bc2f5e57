// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "eunomia.bpf.h"
#include "path.bpf.h"

#define ARGS_BYTES 2048
#define ARG_BYTES 512 /* of one argument, of an exec that failed */
#define ARGS_COUNT 64 /* likewise */
#define FILE_BYTES 512
#define INTERPRETER_BYTES 256
#define SIGNAL_GROUP_EXIT 0x4 /* include/linux/sched/signal.h */
#define NO_EXIT_CODE -1
#define EEXIST 17

enum kind {
	KIND_EXEC,
	KIND_EXEC_FAILED,
	KIND_FORK,
	KIND_EXIT,
};

struct event {
	struct event_base;
	enum kind event DOC("exec, exec_failed, fork or exit");
	char parent_comm[16] DOC("name of the parent process");
	exit_code_t exit_code DOC("exit: the code given to exit(2); none when a signal ended the process");
	duration_ns_t duration DOC("exit: how long the process lived, in nanoseconds");
	signal_nr_t signal DOC("exit: the signal that ended the process");
	errno_t error DOC("exec_failed: why");
	u8 args_truncated : 1 DOC("whether args lacks its end");
	u8 path_truncated : 1 DOC("whether a path lacks a part");
	u8 _unused : 6;
	u16 filename_len;
	u16 args_len;
	u16 executable_len;
	u16 cwd_len;
	u16 interpreter_len;
	char filename[FILE_BYTES] DOC("the file as it was named to execve(2)");
	argv_t args[ARGS_BYTES] DOC("the argument list, the program's own name first");
	char executable[PATH_BYTES] DOC("path of the program file that runs, for a script its interpreter's");
	char cwd[PATH_BYTES] DOC("working directory, as the process sees it");
	char interpreter[INTERPRETER_BYTES] DOC("exec of a script: the interpreter its first line names");
};

EVENTS(struct event, 8 * 1024 * 1024);

const volatile u64 min_duration_ns DOC("only exits of processes that lived at least this long, and nothing else") = 0;

/* Everything an event of another kind leaves out; the strings' bytes behind their length are never read. */
static __always_inline void clear(struct event *event, enum kind kind)
{
	event->event = kind;
	event->exit_code = NO_EXIT_CODE;
	event->duration = 0;
	event->signal = 0;
	event->error = 0;
	event->args_truncated = 0;
	event->path_truncated = 0;
	event->filename_len = 0;
	event->args_len = 0;
	event->executable_len = 0;
	event->cwd_len = 0;
	event->interpreter_len = 0;
}

/* What every event tells beyond its prefix. */
static __always_inline void fill(struct event *event, struct task_struct *task, enum kind kind)
{
	BPF_CORE_READ_INTO(&event->parent_comm, task, real_parent, group_leader, comm);
	clear(event, kind);
}

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
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill((struct event_base *)event, child);
	fill(event, child, KIND_FORK);
	event_submit(event);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(fork_btf, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(child);
}

SEC("raw_tp/sched_process_fork")
int BPF_PROG(fork_raw, struct task_struct *parent, struct task_struct *child)
{
	return on_fork(child);
}

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
#if defined(__TARGET_ARCH_x86)
#define SYSCALL_NR orig_ax
#define NR_EXECVE 59
#define NR_EXECVEAT 322
#define IS_COMPAT(task) (BPF_CORE_READ(task, thread_info.status) & 2) /* TS_COMPAT */
#elif defined(__TARGET_ARCH_arm64)
#define SYSCALL_NR syscallno
#define NR_EXECVE 221
#define NR_EXECVEAT 281
#define IS_COMPAT(task) (BPF_CORE_READ(task, thread_info.flags) >> 22 & 1) /* TIF_32BIT */
#endif

static __always_inline int on_sys_exit(struct pt_regs *regs, u32 nr, long result)
{
	if (nr != NR_EXECVE && nr != NR_EXECVEAT)
		return 0;
	if (IS_COMPAT(current_task())) /* other calls have these numbers there */
		return 0;
	if (nr == NR_EXECVE)
		return on_exec_failed((void *)PT_REGS_PARM1_CORE_SYSCALL(regs),
				      (void *)PT_REGS_PARM2_CORE_SYSCALL(regs), result);
	return on_exec_failed((void *)PT_REGS_PARM2_CORE_SYSCALL(regs), (void *)PT_REGS_PARM3_CORE_SYSCALL(regs),
			      result);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit_btf, struct pt_regs *regs, long result)
{
	return result < 0 ? on_sys_exit(regs, regs->SYSCALL_NR, result) : 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(sys_exit_raw, struct pt_regs *regs, long result)
{
	return result < 0 ? on_sys_exit(regs, BPF_CORE_READ(regs, SYSCALL_NR), result) : 0;
}
