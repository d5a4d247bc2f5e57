// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "labtool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MS_REC 16384
#define MNT_DETACH 2

enum { COMPAT_MOUNT = 21 };

/* Mounts */

static const char *absent(const char *word)
{
	return strcmp(word, "-") == 0 ? NULL : word;
}

static long mount_by_context(char **words)
{
	int context = syscall(SYS_fsopen, words[2], FSOPEN_CLOEXEC);

	if (context < 0)
		return -1;
	if (absent(words[0]) && syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", words[0], 0) < 0)
		return -1;
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	int made = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);

	return made < 0 ? -1 : syscall(SYS_move_mount, made, "", AT_FDCWD, words[1], MOVE_MOUNT_F_EMPTY_PATH);
}

/* words: SOURCE TARGET TYPE FLAGS [DATA], `-` for what is not given */
static long run_mount(char **words)
{
	long flags = number_of(MOUNT_FLAGS, words[3]);
	const char *source = absent(words[0]), *type = absent(words[2]), *data = words[4];

	if (way("fsmount"))
		return mount_by_context(words);
	if (way("int80"))
		return int80(COMPAT_MOUNT, source ? low(source) : 0, low(words[1]), type ? low(type) : 0, flags,
			     data ? low(data) : 0);
	if (way("open_tree")) {
		int tree = syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

		return tree < 0 ? -1 : syscall(SYS_move_mount, tree, "", AT_FDCWD, words[1], MOVE_MOUNT_F_EMPTY_PATH);
	}
	return syscall(SYS_mount, source, words[1], type, flags, data);
}

static long run_umount(char **words)
{
	return syscall(SYS_umount2, words[0], MNT_DETACH);
}

/* Modules: what is offered is none, so no kernel takes it. */

static long run_init_module(char **words)
{
	(void)words;
	return syscall(SYS_init_module, "not a module", 12UL, "");
}

static long run_finit_module(char **words)
{
	return syscall(SYS_finit_module, open(words[0], O_RDONLY), "", 0);
}

static long run_delete_module(char **words)
{
	return syscall(SYS_delete_module, words[0], O_NONBLOCK);
}

/* No image, no segments: nothing is loaded, and none that may be there is taken away without the right to. */
static long run_kexec_load(char **words)
{
	(void)words;
	return syscall(SYS_kexec_file_load, -1, -1, 0UL, "", 0UL);
}

/* Programs and rings inside the kernel */

static long run_bpf(char **words)
{
	union bpf_attr asked = {0};

	if (strcmp(words[0], "map") == 0) {
		asked.map_type = BPF_MAP_TYPE_ARRAY;
		asked.key_size = asked.value_size = 4;
		asked.max_entries = 1;
		return syscall(SYS_bpf, BPF_MAP_CREATE, &asked, sizeof(asked));
	}
	/* r0 = 0; exit */
	static const struct bpf_insn nothing[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};

	asked.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	asked.insns = (uintptr_t)nothing;
	asked.insn_cnt = 2;
	asked.license = (uintptr_t)"GPL";
	return syscall(SYS_bpf, BPF_PROG_LOAD, &asked, sizeof(asked));
}

static long run_userfaultfd(char **words)
{
	(void)words;
	return syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
}

static long run_io_uring(char **words)
{
	struct io_uring_params made = {0};

	(void)words;
	return syscall(SYS_io_uring_setup, 8, &made);
}

static long run_perf_event(char **words)
{
	struct perf_event_attr what = {.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY, .size = sizeof(what)};

	(void)words;
	what.exclude_kernel = 1;
	return syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
}

static long run_key(char **words)
{
	if (way("keyctl"))
		return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
	if (way("request_key"))
		return syscall(SYS_request_key, "user", words[0], NULL, 0);
	return syscall(SYS_add_key, "user", words[0], "value", 5UL, KEY_SPEC_PROCESS_KEYRING);
}

static long run_memfd(char **words)
{
	return syscall(SYS_memfd_create, words[0], 0);
}

static long run_mprotect_exec(char **words)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)words;
	return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* The name that the machine has already. */
static long run_sethostname(char **words)
{
	(void)words;
	return gethostname(content, sizeof(content)) < 0 ? -1 : sethostname(content, strlen(content));
}

/* Asks for no more than everybody has. */
static long run_io_ports(char **words)
{
	(void)words;
#ifdef SYS_iopl
	return way("ioperm") ? syscall(SYS_ioperm, 0x80, 1, 0) : syscall(SYS_iopl, 0);
#else
	impossible("I/O ports");
#endif
}

const struct command KERNEL_COMMANDS[] = {
	{"mount", "SOURCE|- TARGET TYPE|- FLAG[,FLAG...] [DATA]", "mount fsmount open_tree int80", 4, run_mount},
	{"umount", "TARGET", NULL, 1, run_umount},
	{"init-module", "", NULL, 0, run_init_module},
	{"finit-module", "FILE", NULL, 1, run_finit_module},
	{"delete-module", "NAME", NULL, 1, run_delete_module},
	{"kexec-load", "", NULL, 0, run_kexec_load},
	{"bpf", "program|map", NULL, 1, run_bpf},
	{"userfaultfd", "", NULL, 0, run_userfaultfd},
	{"io-uring", "", NULL, 0, run_io_uring},
	{"perf-event", "", NULL, 0, run_perf_event},
	{"key", "NAME", "add_key keyctl request_key", 1, run_key},
	{"memfd", "NAME", NULL, 1, run_memfd},
	{"mprotect-exec", "", NULL, 0, run_mprotect_exec},
	{"sethostname", "", NULL, 0, run_sethostname},
	{"io-ports", "", "iopl ioperm", 0, run_io_ports},
	{0},
};
