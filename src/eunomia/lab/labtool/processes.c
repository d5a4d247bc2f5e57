// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "labtool.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { COMPAT_EXECVE = 11, COMPAT_SETUID32 = 213 };

extern char **environ;

/* What a tracer looks at: the same place in us and in our children. */
static long looked_at = 42;

/* A child of our own that only waits, and ends with us. */
static int waiting_child(void)
{
	pid_t us = getpid(), child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != us)
		_exit(0);
	for (;;)
		pause();
}

static int started(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Writes the content of a file into another. */
static long copy_into(long fd, const char *from)
{
	int source = open(from, O_RDONLY);
	ssize_t got = -1;

	if (fd < 0 || source < 0)
		return -1;
	while ((got = read(source, content, sizeof(content))) > 0)
		if (write(fd, content, got) != got)
			return -1;
	close(source);
	return got;
}

/* Programs */

static long run_exec(char **words)
{
	if (way("fexecve"))
		return syscall(SYS_execveat, open(words[0], O_PATH), "", words, environ, AT_EMPTY_PATH);
	if (way("proc-fd")) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", open(words[0], O_RDONLY));
		return execve(path, words, environ);
	}
	if (way("int80")) {
		static uint32_t list[16]; /* pointers as the 32-bit call wants them */

		for (int at = 0; words[at] && at < 15; at++)
			list[at] = low(words[at]);
		return int80(COMPAT_EXECVE, low(words[0]), (long)list, 0, 0, 0);
	}
	return execve(words[0], words, environ);
}

/* words: NAME PROGRAM ARGUMENT... */
static long run_memfd_exec(char **words)
{
	char path[64];
	int fd = syscall(SYS_memfd_create, words[0], MFD_CLOEXEC);

	if (copy_into(fd, words[1]) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return way("proc-fd") ? execve(path, words + 1, environ) : fexecve(fd, words + 1, environ);
}

/* words: COPY PROGRAM ARGUMENT...: runs a copy whose file is gone */
static long run_deleted_exec(char **words)
{
	int writing = open(words[0], O_WRONLY | O_CREAT | O_EXCL, 0755);

	if (copy_into(writing, words[1]) < 0)
		return -1;
	close(writing);
	int fd = open(words[0], O_RDONLY | O_CLOEXEC);

	unlink(words[0]);
	return fexecve(fd, words + 1, environ);
}

/* words: NAME PROGRAM ARGUMENT...: calls a program otherwise than its file */
static long run_named(char **words)
{
	char *program = words[1];

	words[1] = words[0];
	return execve(program, words + 1, environ);
}

/* words: COMM PROGRAM ARGUMENT...: a process that calls itself otherwise starts a program */
static long run_as(char **words)
{
	prctl(PR_SET_NAME, words[0]);
	return run_exec(words + 1);
}

/* words: COMM PROGRAM ARGUMENT...: the same in a child, as servers do */
static long run_spawn(char **words)
{
	prctl(PR_SET_NAME, words[0]);
	pid_t child = fork();

	if (child == 0)
		_exit(execve(words[1], words + 1, environ) < 0);
	return started(child);
}

/* Other processes */

static long run_ptrace(char **words)
{
	pid_t child = waiting_child();

	(void)words;
	if (way("traceme")) {
		pid_t tracee = fork();

		if (tracee == 0)
			_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
		return started(tracee);
	}
	if (way("seize"))
		return ptrace(PTRACE_SEIZE, child, NULL, NULL);
	if (ptrace(PTRACE_ATTACH, child, NULL, NULL) < 0 || waitpid(child, NULL, 0) < 0)
		return -1;
	return way("poke") ? ptrace(PTRACE_POKEDATA, child, &looked_at, looked_at)
			   : ptrace(PTRACE_DETACH, child, NULL, NULL);
}

static long run_vm_write(char **words)
{
	struct iovec place = {&looked_at, sizeof(looked_at)};
	pid_t child = waiting_child();

	(void)words;
	return way("read") ? process_vm_readv(child, &place, 1, &place, 1, 0)
			   : process_vm_writev(child, &place, 1, &place, 1, 0);
}

static long run_proc_mem(char **words)
{
	char path[64];

	(void)words;
	snprintf(path, sizeof(path), "/proc/%d/mem", waiting_child());
	long fd = open_file(path, O_RDWR, 0);

	return fd < 0 ? -1 : pwrite(fd, &looked_at, sizeof(looked_at), (off_t)(uintptr_t)&looked_at);
}

/* words: PATH below /proc/PID of a child of ours, such as `environ` or `root/etc/passwd` */
static long run_proc_of_child(char **words)
{
	char path[4096];

	snprintf(path, sizeof(path), "/proc/%d/%s", waiting_child(), words[0]);
	long fd = open_file(path, O_RDONLY, 0);

	return fd < 0 ? -1 : read(fd, content, sizeof(content));
}

/* Namespaces */

static long run_unshare(char **words)
{
	long flags = number_of(NAMESPACES, words[0]);

	if (way("unshare"))
		return unshare(flags);
	if (way("clone3")) {
		struct clone_args how = {.flags = flags, .exit_signal = SIGCHLD};
		pid_t child = syscall(SYS_clone3, &how, sizeof(how));

		if (child == 0)
			_exit(0);
		return started(child);
	}
	if (way("clone")) {
		pid_t child = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

		if (child == 0)
			_exit(0);
		return started(child);
	}
	return unshare(flags);
}

static long run_setns(char **words)
{
	int fd = way("pidfd") ? syscall(SYS_pidfd_open, atoi(words[1]), 0) : open(words[1], O_RDONLY);

	return setns(fd, number_of(NAMESPACES, words[0]));
}

static long run_chroot(char **words)
{
	return chroot(words[0]) < 0 ? -1 : chdir("/");
}

static long run_pivot_root(char **words)
{
	return syscall(SYS_pivot_root, words[0], words[1]);
}

/* Credentials */

static long run_setuid(char **words)
{
	uid_t uid = atoi(words[0]);

	if (way("setresuid"))
		return syscall(SYS_setresuid, uid, uid, uid);
	if (way("setreuid"))
		return syscall(SYS_setreuid, uid, uid);
	if (way("int80"))
		return int80(COMPAT_SETUID32, uid, 0, 0, 0, 0);
	return syscall(SYS_setuid, uid);
}

/* Takes one capability from the effective set and puts it back, or asks for all there are. */
static long run_capset(char **words)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct had[2], asked[2];

	if (syscall(SYS_capget, &header, had) < 0)
		return -1;
	memcpy(asked, had, sizeof(had));
	if (strcmp(words[0], "all") == 0) {
		for (int half = 0; half < 2; half++)
			asked[half].effective = asked[half].permitted = had[half].permitted | (half ? 0x1ff : ~0U);
		return syscall(SYS_capset, &header, asked);
	}
	for (int half = 0; half < 2; half++)
		asked[half].effective = 0;
	return syscall(SYS_capset, &header, asked) < 0 ? -1 : syscall(SYS_capset, &header, had);
}

/* Gives root up, as servers do, keeps the right to change users, and is root again. */
static long run_regain_root(char **words)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct kept[2];
	static char *root[] = {"0", NULL};

	(void)words;
	if (way("saved")) /* what a setuid program may do for whom it keeps as its saved user, without a capability */
		return syscall(SYS_setresuid, -1, 1000, -1) < 0 ? -1 : syscall(SYS_setresuid, -1, 0, -1);
	prctl(PR_SET_KEEPCAPS, 1);
	if (syscall(SYS_setresuid, 1000, 1000, 1000) < 0 || syscall(SYS_capget, &header, kept) < 0)
		return -1;
	for (int half = 0; half < 2; half++)
		kept[half].effective = kept[half].permitted;
	return syscall(SYS_capset, &header, kept) < 0 ? -1 : run_setuid(root);
}

/* words: UID PROGRAM ARGUMENT... */
static long run_as_user(char **words)
{
	uid_t uid = atoi(words[0]);

	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, uid, uid, uid) < 0 ||
	    syscall(SYS_setresuid, uid, uid, uid) < 0)
		return -1;
	return run_exec(words + 1);
}

/* Whoever runs the file may then read and write all files of the container. */
static long run_file_capability(char **words)
{
	struct vfs_cap_data all_files = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};

	all_files.data[0].permitted = 1 << CAP_DAC_OVERRIDE;
	return setxattr(words[0], "security.capability", &all_files, sizeof(all_files), 0);
}

static long run_personality(char **words)
{
	(void)words;
	return personality(ADDR_NO_RANDOMIZE);
}

const struct command PROCESS_COMMANDS[] = {
	{"exec", "PROGRAM ARGUMENT...", "execve fexecve proc-fd int80", 1, run_exec},
	{"memfd-exec", "NAME PROGRAM ARGUMENT...", "fexecve proc-fd", 2, run_memfd_exec},
	{"deleted-exec", "COPY PROGRAM ARGUMENT...", NULL, 2, run_deleted_exec},
	{"as", "COMM PROGRAM ARGUMENT...", NULL, 2, run_as},
	{"named", "NAME PROGRAM ARGUMENT...", NULL, 2, run_named},
	{"spawn", "COMM PROGRAM ARGUMENT...", NULL, 2, run_spawn},
	{"ptrace", "", "attach seize poke traceme", 0, run_ptrace},
	{"vm-write", "", "write read", 0, run_vm_write},
	{"proc-mem", "", "openat openat2 int80 uring", 0, run_proc_mem},
	{"proc-of-child", "PATH", "openat openat2 int80 uring", 1, run_proc_of_child},
	{"unshare", "NAMESPACE[,NAMESPACE...]", "unshare clone clone3", 1, run_unshare},
	{"setns", "NAMESPACE PATH|PID", "file pidfd", 2, run_setns},
	{"chroot", "PATH", NULL, 1, run_chroot},
	{"pivot-root", "NEW OLD", NULL, 2, run_pivot_root},
	{"setuid", "UID", "setuid setresuid setreuid int80", 1, run_setuid},
	{"capset", "same|all", NULL, 1, run_capset},
	{"regain-root", "", "setuid setresuid setreuid int80 saved", 0, run_regain_root},
	{"as-user", "UID PROGRAM ARGUMENT...", NULL, 2, run_as_user},
	{"file-capability", "FILE", NULL, 1, run_file_capability},
	{"personality", "", NULL, 0, run_personality},
	{0},
};
