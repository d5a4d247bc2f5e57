/*
 * The system calls of one web request, those of the server and of its client, in one process that never waits: so that
 * nothing but their cost is measured. Prints the nanoseconds of CPU time that a request took, a line for each batch.
 *
 *     request FILE ROUNDS BATCHES
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define QUESTION 40
#define HEAD 240
#define BODY 612

static char buffer[4096];

static double used(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static void check(int fine)
{
	if (!fine) {
		perror("request");
		exit(1);
	}
}

static int watched(int connection)
{
	struct epoll_event event = {.events = EPOLLIN};
	int one = 1, poll = epoll_create1(0);

	check(!setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	check(!fcntl(connection, F_SETFL, O_NONBLOCK));
	check(!epoll_ctl(poll, EPOLL_CTL_ADD, connection, &event));
	return poll;
}

static void answer(int server, int poll, const char *file)
{
	struct iovec head = {buffer, HEAD};
	struct epoll_event event;
	struct stat status;
	off_t start = 0;
	int fd;

	check(epoll_wait(poll, &event, 1, -1) == 1);
	check(recv(server, buffer, sizeof(buffer), 0) == QUESTION);
	fd = openat(AT_FDCWD, file, O_RDONLY | O_NONBLOCK);
	check(!fstat(fd, &status));
	check(writev(server, &head, 1) == HEAD);
	check(sendfile(server, fd, &start, BODY) == BODY);
	check(!close(fd));
	check(recv(server, buffer, sizeof(buffer), 0) < 0);
}

static void ask(int client, int poll, int server, int server_poll, const char *file)
{
	struct epoll_event event;

	check(write(client, buffer, QUESTION) == QUESTION);
	answer(server, server_poll, file);
	check(epoll_wait(poll, &event, 1, -1) == 1);
	while (read(client, buffer, sizeof(buffer)) > 0)
		;
}

int main(int count, char **arguments)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listening = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), server;
	socklen_t length = sizeof(address);
	int client_poll, server_poll;

	if (count != 4)
		return 2;
	check(!bind(listening, (void *)&address, sizeof(address)) && !listen(listening, 1));
	check(!getsockname(listening, (void *)&address, &length) && !connect(client, (void *)&address, length));
	server = accept(listening, 0, 0);
	client_poll = watched(client);
	server_poll = watched(server);
	for (long batch = atol(arguments[3]), rounds = atol(arguments[2]); batch; batch--) {
		double start = used();

		for (long round = 0; round < rounds; round++)
			ask(client, client_poll, server, server_poll, arguments[1]);
		printf("%.1f\n", (used() - start) / rounds);
	}
}
