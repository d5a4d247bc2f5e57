// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "labtool.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>

struct named {
	enum kind kind;
	const char *name;
	long number;
};

static const struct named NAMES[] = {
	{OPEN_FLAGS, "RDONLY", O_RDONLY},
	{OPEN_FLAGS, "WRONLY", O_WRONLY},
	{OPEN_FLAGS, "RDWR", O_RDWR},
	{OPEN_FLAGS, "CREAT", O_CREAT},
	{OPEN_FLAGS, "TRUNC", O_TRUNC},
	{OPEN_FLAGS, "APPEND", O_APPEND},
	{OPEN_FLAGS, "EXCL", O_EXCL},
	{OPEN_FLAGS, "DIRECTORY", O_DIRECTORY},
	{OPEN_FLAGS, "PATH", O_PATH},
	{OPEN_FLAGS, "NONBLOCK", O_NONBLOCK},
	{OPEN_FLAGS, "TMPFILE", O_TMPFILE},
	{MOUNT_FLAGS, "NONE", 0},
	{MOUNT_FLAGS, "BIND", MS_BIND},
	{MOUNT_FLAGS, "REC", MS_REC},
	{MOUNT_FLAGS, "RDONLY", MS_RDONLY},
	{MOUNT_FLAGS, "REMOUNT", MS_REMOUNT},
	{MOUNT_FLAGS, "PRIVATE", MS_PRIVATE},
	{MOUNT_FLAGS, "MOVE", MS_MOVE},
	{NAMESPACES, "NEWUSER", CLONE_NEWUSER},
	{NAMESPACES, "NEWNS", CLONE_NEWNS},
	{NAMESPACES, "NEWPID", CLONE_NEWPID},
	{NAMESPACES, "NEWNET", CLONE_NEWNET},
	{NAMESPACES, "NEWIPC", CLONE_NEWIPC},
	{NAMESPACES, "NEWUTS", CLONE_NEWUTS},
	{NAMESPACES, "NEWCGROUP", CLONE_NEWCGROUP},
	{NAMESPACES, "FILES", CLONE_FILES},
	{NAMESPACES, "ANY", 0},
	{FAMILIES, "UNIX", AF_UNIX},
	{FAMILIES, "INET", AF_INET},
	{FAMILIES, "INET6", AF_INET6},
	{FAMILIES, "PACKET", AF_PACKET},
	{FAMILIES, "NETLINK", AF_NETLINK},
	{FAMILIES, "VSOCK", AF_VSOCK},
	{FAMILIES, "ALG", AF_ALG},
	{FAMILIES, "KEY", AF_KEY},
	{SOCKET_TYPES, "STREAM", SOCK_STREAM},
	{SOCKET_TYPES, "DGRAM", SOCK_DGRAM},
	{SOCKET_TYPES, "RAW", SOCK_RAW},
	{SOCKET_TYPES, "SEQPACKET", SOCK_SEQPACKET},
};

static long one_of(enum kind kind, const char *name, size_t length)
{
	for (size_t at = 0; at < sizeof(NAMES) / sizeof(*NAMES); at++)
		if (NAMES[at].kind == kind && strlen(NAMES[at].name) == length &&
		    strncmp(NAMES[at].name, name, length) == 0)
			return NAMES[at].number;
	wrong("no such name", name);
}

long number_of(enum kind kind, const char *names)
{
	long number = 0;

	for (;;) {
		size_t length = strcspn(names, ",");

		number |= one_of(kind, names, length);
		if (!names[length])
			return number;
		names += length + 1;
	}
}
