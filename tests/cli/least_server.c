/*
 * A server as there are many: as root it takes port 80, writes its pid, gives its data away and becomes somebody else.
 * Then it answers, and counts in a file. Not much, but each step needs a privilege of its own.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define USER 65534

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int prepare(void)
{
	int pid = open("/var/run/server.pid", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	int data = open("/var/lib/server/count", O_WRONLY | O_CREAT, 0644);

	if (pid < 0 || dprintf(pid, "%d\n", getpid()) < 0)
		return fail("pid");
	if (data < 0 || chown("/var/lib/server", USER, USER) || chown("/var/lib/server/count", USER, USER))
		return fail("data");
	close(pid);
	close(data);
	return 0;
}

static int serve(int listener)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
	char request[4096];
	unsigned count = 0;

	for (;;) {
		int connection = accept(listener, 0, 0);
		int data;

		if (connection < 0)
			return fail("accept");
		if (read(connection, request, sizeof(request)) < 0)
			return fail("read");
		data = open("/var/lib/server/count", O_WRONLY | O_TRUNC);
		if (data < 0 || dprintf(data, "%u\n", ++count) < 0)
			return fail("count");
		close(data);
		if (write(connection, answer, strlen(answer)) < 0)
			return fail("write");
		close(connection);
	}
}

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setvbuf(stdout, 0, _IOLBF, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16))
		return fail("bind");
	if (prepare())
		return 1;
	if (setgid(USER) || setuid(USER))
		return fail("setuid");
	puts("serving");
	return serve(listener);
}
