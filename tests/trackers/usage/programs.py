"""Programs in C, compiled for a test."""

from __future__ import annotations

import subprocess
from pathlib import Path

# Threads, children, another program, calls that fail, and every entry into the kernel that the machine has.
EVERYTHING = r"""
#define _GNU_SOURCE
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *work(void *unused)
{
	sched_get_priority_max(0);
	return unused;
}

static void arguments(void)
{
	int pair[2];

	socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socket(AF_INET6, SOCK_DGRAM, 0);
	socket(AF_NETLINK, SOCK_RAW, 0);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	personality(0xffffffff);
	prctl(PR_GET_DUMPABLE, 0L, 0L, 0L, 0L);
	prctl(PR_SET_PTRACER, 0L, 0L, 0L, 0L);
	ioctl(-1, TIOCGWINSZ, 0);
	syscall(SYS_ioctl, -1, 0xffffffff80045430, 0); /* as musl puts it */
	ptrace(PTRACE_PEEKDATA, -1, 0, 0);
	unshare(CLONE_FS | CLONE_SYSVSEM);
	setns(-1, CLONE_NEWNET);
	syscall(SYS_bpf, BPF_MAP_GET_NEXT_ID, 0, 0);
	syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 0);
}

static void other_entries(void)
{
#if defined(__x86_64__)
	long result;

	asm volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); /* getpid */
	asm volatile("int $0x80" : "=a"(result) : "a"(64) : "memory"); /* getppid */
	syscall(0x40000000 + 110); /* getppid, x32 */
#endif
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc > 1) {
		umask(022);
		return 0;
	}
	syscall(SYS_futex, &(int){ 0 }, 1 /* FUTEX_WAKE */, 1, 0, 0, 0); /* whether joining waits is chance */
	pthread_create(&thread, 0, work, 0);
	pthread_join(thread, 0);
	if (!fork()) {
		chdir("/no/such/directory");
		execl("/proc/self/exe", "everything", "again", 0);
		return 1;
	}
	wait(0);
	arguments();
	other_entries();
	return 0;
}
"""

# Every number from FIRST on once, each by a process of its own, while all processors are busy with calls.
FLOOD = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int over;
static long calls;

static void *work(void *unused)
{
	long made = 0;

	while (!over)
		made += !!syscall(SYS_getppid);
	__sync_fetch_and_add(&calls, made);
	return unused;
}

int main(int argc, char **argv)
{
	int first = atoi(argv[1]), count = atoi(argv[2]), others = atoi(argv[3]);
	pthread_t threads[64];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpus > 64)
		cpus = 64;
	for (int i = 0; i < cpus; i++)
		pthread_create(&threads[i], 0, work, 0);
	for (int i = 0; i < count * others; i++) {
		if (!fork()) {
			if (i % others == 0)
				syscall(first + i / others);
			_exit(0);
		}
		wait(0);
	}
	over = 1;
	for (int i = 0; i < cpus; i++)
		pthread_join(threads[i], 0);
	printf("%ld\n", calls);
	return 0;
}
"""

# The child begins in the cgroup whose directory is given.
INTO_CGROUP = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
	int status;
	long child;

	args.cgroup = open(argv[1], O_PATH | O_DIRECTORY);
	child = syscall(SYS_clone3, &args, sizeof(args));
	if (child < 0)
		return 1;
	if (!child) {
		sched_get_priority_max(0);
		execl("/bin/sh", "sh", "-c", "exit 0", (char *)0);
		_exit(1);
	}
	return wait(&status) != child || status;
}
"""


def compiled(text: str, folder: Path) -> Path:
    """A static program."""
    source, program = folder / "program.c", folder / "program"
    source.write_text(text)
    subprocess.run(["cc", "-O1", "-static", "-pthread", "-o", program, source], check=True)
    return program
