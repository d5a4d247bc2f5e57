// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "labtool.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct address {
	struct sockaddr_storage room;
	socklen_t length;
};

/* ADDRESS PORT as it is written, for IPv4 or IPv6. */
static struct address inet(const char *host, const char *port)
{
	struct address made = {0};
	struct sockaddr_in *four = (void *)&made.room;
	struct sockaddr_in6 *six = (void *)&made.room;

	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(atoi(port));
		made.length = sizeof(*four);
	} else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(atoi(port));
		made.length = sizeof(*six);
	} else {
		wrong("not an address", host);
	}
	return made;
}

/* A path, or with `@` in front an abstract name. */
static struct address unix_name(const char *path)
{
	struct address made = {0};
	struct sockaddr_un *name = (void *)&made.room;

	name->sun_family = AF_UNIX;
	snprintf(name->sun_path, sizeof(name->sun_path), "%s", path);
	made.length = offsetof(struct sockaddr_un, sun_path) + strlen(name->sun_path);
	if (*path == '@')
		name->sun_path[0] = '\0';
	return made;
}

static long connected(const struct address *to)
{
	int fd = socket(to->room.ss_family, SOCK_STREAM, 0);

	if (way("uring"))
		return uring_connect(fd, &to->room, to->length) < 0 ? -1 : fd;
	return connect(fd, (const void *)&to->room, to->length) < 0 ? -1 : fd;
}

static int listening(const struct address *at)
{
	int fd = socket(at->room.ss_family, SOCK_STREAM, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (const void *)&at->room, at->length) < 0 || listen(fd, 128) < 0)
		return -1;
	return fd;
}

static long run_socket(char **words)
{
	int family = number_of(FAMILIES, words[0]), type = number_of(SOCKET_TYPES, words[1]), protocol = atoi(words[2]);

	return way("uring") ? uring_socket(family, type, protocol) : socket(family, type, protocol);
}

/* words: ADDRESS PORT [TEXT] */
static long run_connect(char **words)
{
	struct address to = inet(words[0], words[1]);
	long fd = connected(&to);

	if (fd < 0 || !words[2])
		return fd;
	return write(fd, words[2], strlen(words[2]));
}

static long run_connect_unix(char **words)
{
	struct address to = unix_name(words[0]);

	return connected(&to);
}

/* words: ADDRESS FIRST LAST: tries each port; that nobody listens there is what a scan is like */
static long run_scan(char **words)
{
	char port[16];

	for (int at = atoi(words[1]); at <= atoi(words[2]); at++) {
		snprintf(port, sizeof(port), "%d", at);
		struct address to = inet(words[0], port);

		close(connected(&to));
	}
	return 0;
}

/* words: PREFIX FIRST LAST PORT: the same port of many machines, such as 127.0.0. 1 30 9 */
static long run_sweep(char **words)
{
	char host[64];

	for (int at = atoi(words[1]); at <= atoi(words[2]); at++) {
		snprintf(host, sizeof(host), "%s%d", words[0], at);
		struct address to = inet(host, words[3]);

		close(connected(&to));
	}
	return 0;
}

/* words: ADDRESS PORT TIMES */
static long run_knock(char **words)
{
	struct address to = inet(words[0], words[1]);

	for (int times = atoi(words[2]); times > 0; times--)
		close(connected(&to));
	return 0;
}

/* Goes on in the background, listening already when this returns; each connection is read and closed.
 * It ends after a minute at the latest, and its standard output is not kept open. */
static long serve(const struct address *at)
{
	int fd = listening(at);

	if (fd < 0)
		return -1;
	if (fork())
		return 0;
	int null = open("/dev/null", O_RDWR);

	for (int standard = 0; standard < 3; standard++)
		dup2(null, standard);
	alarm(60);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client >= 0 && way("answer") && write(client, "HTTP/1.0 200 OK\r\n\r\n", 19) < 0)
			_exit(1);
		close(client);
	}
}

static long run_serve(char **words)
{
	struct address at = inet(words[0], words[1]);

	return serve(&at);
}

static long run_serve_unix(char **words)
{
	struct address at = unix_name(words[0]);

	unlink(words[0]);
	return serve(&at);
}

static int onto(int fd, int standard)
{
	if (way("dup3"))
		return dup3(fd, standard, 0);
	if (way("fcntl")) {
		close(standard);
		return fcntl(fd, F_DUPFD, standard);
	}
	return dup2(fd, standard);
}

/* words: ADDRESS PORT PROGRAM ARGUMENT...: a program whose standard input and outputs are a connection */
static long run_on_socket(char **words)
{
	struct address to = inet(words[0], words[1]);
	long fd = connected(&to);

	if (fd < 0)
		return -1;
	for (int standard = 0; standard < 3; standard++)
		if (onto(fd, standard) < 0)
			return -1;
	return execv(words[2], words + 2);
}

/* words: ADDRESS PORT PROGRAM ARGUMENT...: the program's streams are pipes, and a process copies
 * between them and the connection; that is on its own standard streams, or `apart` from them */
static long run_on_pipes(char **words)
{
	struct address to = inet(words[0], words[1]);
	long fd = connected(&to);
	int in[2], out[2];
	ssize_t got;

	for (int standard = 0; standard < 3 && !way("apart"); standard++)
		if (dup2(fd, standard) < 0)
			return -1;
	if (fd < 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	pid_t child = fork();

	if (child == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		_exit(execv(words[2], words + 2) < 0);
	}
	close(in[0]), close(in[1]), close(out[1]);
	while ((got = read(out[0], content, sizeof(content))) > 0)
		if (write(fd, content, got) < 0)
			break;
	return waitpid(child, NULL, 0);
}

/* words: COMM PORT PROGRAM ARGUMENT...: a server on loopback that starts the program when somebody connects, namely
 * itself */
static long run_server_spawns(char **words)
{
	struct address at = inet("127.0.0.1", words[1]);
	int fd = listening(&at), status;

	prctl(PR_SET_NAME, words[0]);
	if (fd < 0)
		return -1;
	long client = connected(&at);
	int accepted = client < 0 ? -1 : accept(fd, NULL, NULL);

	if (accepted < 0)
		return -1;
	pid_t child = fork();

	if (child == 0) {
		if (way("socket"))
			for (int standard = 0; standard < 3; standard++)
				dup2(accepted, standard);
		_exit(execv(words[2], words + 2) < 0);
	}
	return waitpid(child, &status, 0) < 0 || status ? -1 : 0;
}

const struct command NETWORK_COMMANDS[] = {
	{"socket", "FAMILY TYPE PROTOCOL", "socket uring", 3, run_socket},
	{"connect", "ADDRESS PORT [TEXT]", "connect uring", 2, run_connect},
	{"connect-unix", "PATH|@NAME", "connect uring", 1, run_connect_unix},
	{"scan", "ADDRESS FIRST LAST", "connect uring", 3, run_scan},
	{"sweep", "PREFIX FIRST LAST PORT", "connect uring", 4, run_sweep},
	{"knock", "ADDRESS PORT TIMES", "connect uring", 3, run_knock},
	{"serve", "ADDRESS PORT", "silence answer", 2, run_serve},
	{"serve-unix", "PATH|@NAME", NULL, 1, run_serve_unix},
	{"on-socket", "ADDRESS PORT PROGRAM ARGUMENT...", "dup2 dup3 fcntl uring", 3, run_on_socket},
	{"on-pipes", "ADDRESS PORT PROGRAM ARGUMENT...", "standard apart", 3, run_on_pipes},
	{"server-spawns", "COMM PORT PROGRAM ARGUMENT...", "plain socket", 3, run_server_spawns},
	{0},
};
