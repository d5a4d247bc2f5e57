// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "labtool.h"

#include <fcntl.h>
#include <libgen.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/fs.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define OPEN_WAYS "openat openat2 open creat int80 int80-openat uring dirfd"

/* Numbers of the 32-bit table (arch/x86/entry/syscalls/syscall_32.tbl). */
enum { COMPAT_OPEN = 5, COMPAT_UNLINK = 10, COMPAT_CHMOD = 15, COMPAT_RENAME = 38, COMPAT_SYMLINK = 83 };
enum { COMPAT_OPENAT = 295 };

char content[65536];

static long open_by_openat2(const char *path, int flags, int mode)
{
	struct open_how how = {.flags = flags, .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0};

	return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static long open_by_directory(const char *path, int flags, int mode)
{
	char above[4096], name[4096];

	snprintf(above, sizeof(above), "%s", path);
	snprintf(name, sizeof(name), "%s", path);
	int directory = open(dirname(above), O_PATH | O_DIRECTORY);

	return directory < 0 ? -1 : openat(directory, basename(name), flags, mode);
}

long open_file(const char *path, int flags, int mode)
{
	if (way("openat2"))
		return open_by_openat2(path, flags, mode);
	if (way("dirfd"))
		return open_by_directory(path, flags, mode);
	if (way("uring"))
		return uring_openat(path, flags, mode);
	if (way("int80"))
		return int80(COMPAT_OPEN, low(path), flags, mode, 0, 0);
	if (way("int80-openat"))
		return int80(COMPAT_OPENAT, AT_FDCWD, low(path), flags, mode, 0);
#ifdef SYS_open
	if (way("open"))
		return syscall(SYS_open, path, flags, mode);
	if (way("creat"))
		return syscall(SYS_creat, path, mode);
#endif
	return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

long read_all(long fd)
{
	long length = 0, got;

	while (length < (long)sizeof(content) && (got = read(fd, content + length, sizeof(content) - length)) > 0)
		length += got;
	return length;
}

static long run_open(char **words)
{
	return open_file(words[1], number_of(OPEN_FLAGS, words[0]), 0644);
}

static long run_read(char **words)
{
	long fd = open_file(words[0], O_RDONLY, 0);

	return fd < 0 ? -1 : read(fd, content, sizeof(content));
}

/* What is there already is written again. */
static long run_write_back(char **words)
{
	int reading = open(words[0], O_RDONLY);

	if (reading < 0)
		return -1;
	long length = read_all(reading);
	long fd = open_file(words[0], O_WRONLY, 0);

	return fd < 0 ? -1 : write(fd, content, length);
}

static long run_write(char **words)
{
	long fd = open_file(words[0], O_WRONLY | O_CREAT | O_TRUNC, 0644);

	return fd < 0 ? -1 : write(fd, words[1], strlen(words[1]));
}

static long run_append(char **words)
{
	long fd = open_file(words[0], O_WRONLY | O_CREAT | O_APPEND, 0644);

	return fd < 0 ? -1 : dprintf(fd, "%s\n", words[1]);
}

static long run_rename(char **words)
{
	if (way("uring"))
		return uring_renameat(words[0], words[1]);
	if (way("int80"))
		return int80(COMPAT_RENAME, low(words[0]), low(words[1]), 0, 0, 0);
	if (way("renameat2"))
		return syscall(SYS_renameat2, AT_FDCWD, words[0], AT_FDCWD, words[1], 0);
	return rename(words[0], words[1]);
}

/* words: SUFFIX FILE...: one process gives many files new names */
static long run_rename_all(char **words)
{
	char name[4096], *pair[] = {NULL, name, NULL};

	for (char **file = words + 1; *file; file++) {
		snprintf(name, sizeof(name), "%s%s", *file, words[0]);
		pair[0] = *file;
		if (run_rename(pair) < 0)
			return -1;
	}
	return 0;
}

static long run_exchange(char **words)
{
	return syscall(SYS_renameat2, AT_FDCWD, words[0], AT_FDCWD, words[1], RENAME_EXCHANGE);
}

static long run_unlink(char **words)
{
	if (way("uring"))
		return uring_unlinkat(words[0]);
	if (way("int80"))
		return int80(COMPAT_UNLINK, low(words[0]), 0, 0, 0, 0);
	return way("unlinkat") ? unlinkat(AT_FDCWD, words[0], 0) : unlink(words[0]);
}

static long run_chmod(char **words)
{
	mode_t mode = strtoul(words[0], NULL, 8);

	if (way("fchmod"))
		return fchmod(open(words[1], O_RDONLY), mode);
	if (way("fchmodat"))
		return syscall(SYS_fchmodat, AT_FDCWD, words[1], mode);
	if (way("fchmodat2"))
		return syscall(SYS_fchmodat2, AT_FDCWD, words[1], mode, 0);
	if (way("int80"))
		return int80(COMPAT_CHMOD, low(words[1]), mode, 0, 0, 0);
	return chmod(words[1], mode);
}

/* A file that has this mode from the start. */
static long run_create(char **words)
{
	umask(0);
	return open_file(words[1], O_WRONLY | O_CREAT | O_EXCL, strtoul(words[0], NULL, 8));
}

static long run_link(char **words)
{
	return way("linkat") ? linkat(AT_FDCWD, words[0], AT_FDCWD, words[1], AT_SYMLINK_FOLLOW)
			     : link(words[0], words[1]);
}

static long run_symlink(char **words)
{
	if (way("int80"))
		return int80(COMPAT_SYMLINK, low(words[0]), low(words[1]), 0, 0, 0);
	return symlink(words[0], words[1]);
}

static long run_truncate(char **words)
{
	return way("ftruncate") ? ftruncate(open(words[0], O_WRONLY), 0) : truncate(words[0], 0);
}

static long run_mknod(char **words)
{
	mode_t kind = strcmp(words[1], "b") == 0 ? S_IFBLK : S_IFCHR;
	dev_t device = makedev(atoi(words[2]), atoi(words[3]));

#ifdef SYS_mknod
	if (!way("mknodat"))
		return syscall(SYS_mknod, words[0], kind | 0600, device);
#endif
	return mknodat(AT_FDCWD, words[0], kind | 0600, device);
}

static long run_open_by_handle(char **words)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} made = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
	int mount;

	/* Not every file has a handle. That one is asked for is what there is to see. */
	if (name_to_handle_at(AT_FDCWD, words[0], &made.handle, &mount, 0) < 0)
		made.handle.handle_bytes = 8;
	return open_by_handle_at(open(words[0], O_RDONLY), &made.handle, O_RDONLY);
}

const struct command FILE_COMMANDS[] = {
	{"open", "FLAG[,FLAG...] PATH", OPEN_WAYS, 2, run_open},
	{"read", "PATH", OPEN_WAYS, 1, run_read},
	{"write", "PATH TEXT", OPEN_WAYS, 2, run_write},
	{"append", "PATH TEXT", OPEN_WAYS, 2, run_append},
	{"write-back", "PATH", OPEN_WAYS, 1, run_write_back},
	{"create", "MODE PATH", OPEN_WAYS, 2, run_create},
	{"rename", "OLD NEW", "rename renameat2 int80 uring", 2, run_rename},
	{"rename-all", "SUFFIX FILE...", "rename renameat2 int80 uring", 2, run_rename_all},
	{"exchange", "ONE OTHER", NULL, 2, run_exchange},
	{"unlink", "PATH", "unlink unlinkat int80 uring", 1, run_unlink},
	{"chmod", "MODE PATH", "chmod fchmod fchmodat fchmodat2 int80", 2, run_chmod},
	{"link", "OLD NEW", "link linkat", 2, run_link},
	{"symlink", "TARGET PATH", "symlink int80", 2, run_symlink},
	{"truncate", "PATH", "truncate ftruncate", 1, run_truncate},
	{"mknod", "PATH b|c MAJOR MINOR", "mknod mknodat", 4, run_mknod},
	{"open-by-handle", "PATH", NULL, 1, run_open_by_handle},
	{0},
};
