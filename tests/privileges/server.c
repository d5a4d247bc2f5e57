/* Starts as servers do: as root it takes port 80, gives its log to a user, becomes that user, and serves a request. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define USER 65534

static int must(const char *what, long result)
{
	if (result >= 0)
		return result;
	perror(what);
	_exit(1);
}

int main(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int server = must("socket", socket(AF_INET, SOCK_STREAM, 0)), client;
	gid_t group = USER;

	must("bind", bind(server, (struct sockaddr *)&at, sizeof(at)));
	must("listen", listen(server, 1));
	must("open", open("/log", O_WRONLY | O_APPEND));
	must("chown", chown("/log", USER, -1));
	must("setgroups", setgroups(1, &group));
	must("setgid", setgid(group));
	must("setuid", setuid(USER));
	must("access", access("/log", W_OK));
	must("log", open("/log", O_WRONLY | O_APPEND));
	client = must("socket", socket(AF_INET, SOCK_STREAM, 0));
	must("connect", connect(client, (struct sockaddr *)&at, sizeof(at)));
	must("accept", accept(server, 0, 0));
	return 0;
}
