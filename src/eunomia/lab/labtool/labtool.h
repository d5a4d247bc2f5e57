/* SPDX-License-Identifier: Apache-2.0 */
/* One static program that makes single system calls by name, so that attacks are a line of shell. */
#pragma once

/* An action. Its result is that of its system call: -1 with errno when it was refused. */
struct command {
	const char *name;
	const char *arguments; /* as the usage shows them */
	const char *ways;      /* system calls that have the same effect, the first one unless `via` says otherwise */
	int least;	       /* how many arguments it needs */
	long (*run)(char **arguments);
};

extern const struct command FILE_COMMANDS[], PROCESS_COMMANDS[], KERNEL_COMMANDS[], NETWORK_COMMANDS[];

/* Whether this way was asked for with `via`. */
int way(const char *name);

/* Ends with exit code 77: this machine has no such thing. */
__attribute__((noreturn)) void impossible(const char *what);
/* Ends with exit code 2. */
__attribute__((noreturn)) void wrong(const char *what, const char *word);

/* The 32-bit entry of the kernel. Addresses must be below 4 GiB: see `low`. */
long int80(long number, long a, long b, long c, long d, long e);
/* A copy of a text at an address that fits in 32 bits. */
long low(const char *text);

/* System calls of io_uring, without a system call of their own. */
long uring_openat(const char *path, int flags, int mode);
long uring_renameat(const char *from, const char *to);
long uring_unlinkat(const char *path);
long uring_connect(int fd, const void *address, unsigned int length);
long uring_socket(int family, int type, int protocol);

/* Numbers of names, as in `RDONLY,CREAT`. Ends the program at one that is not known. */
enum kind { OPEN_FLAGS, MOUNT_FLAGS, NAMESPACES, FAMILIES, SOCKET_TYPES };
long number_of(enum kind kind, const char *names);

/* Opens in the way that was asked for. */
long open_file(const char *path, int flags, int mode);
/* Whole content of a file (at most 64 KiB) into the buffer `content`; gives its length. */
long read_all(long fd);
extern char content[65536];
