/*
 * Work for a benchmark, without a library's or an interpreter's share: prints the nanoseconds of one round, a line for
 * each batch. Called by itself, without arguments, it is the smallest program there is.
 *
 *     loops getppid|spawn|read|write|connect ROUNDS BATCHES [FILE]
 *
 * FILE is what is started, or opened for reading or writing; without it, the program itself.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static void getparent(char *file)
{
	(void)file;
	syscall(SYS_getppid);
}

static void spawn(char *file)
{
	char *arguments[] = {file, 0}, *environment[] = {0};
	pid_t child;

	if (posix_spawn(&child, file, 0, 0, arguments, environment) || waitpid(child, 0, 0) != child)
		exit(1);
}

static void open_as(char *file, int flags)
{
	int opened = open(file, flags);

	if (opened < 0)
		exit(1);
	close(opened);
}

static void open_to_read(char *file)
{
	open_as(file, O_RDONLY);
}

static void open_to_write(char *file)
{
	open_as(file, O_WRONLY);
}

/* By UDP: nothing is sent. */
static void reach(char *file)
{
	static const struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = 9 << 8};
	static int sender = -1;

	(void)file;
	if (sender < 0)
		sender = socket(AF_INET, SOCK_DGRAM, 0);
	if (connect(sender, (const struct sockaddr *)&there, sizeof(there)))
		exit(1);
}

static const struct work {
	const char *name;
	void (*once)(char *file);
} works[] = {
	{"getppid", getparent}, {"spawn", spawn},   {"read", open_to_read},
	{"write", open_to_write}, {"connect", reach},
};

int main(int count, char **arguments)
{
	const struct work *work = works, *end = works + sizeof(works) / sizeof(*works);

	if (count < 4)
		_exit(0);
	while (work < end && strcmp(work->name, arguments[1]))
		work++;
	if (work == end)
		return 2;
	long rounds = atol(arguments[2]), batches = atol(arguments[3]);
	for (long batch = 0; batch < batches; batch++) {
		double start = now();
		for (long round = 0; round < rounds; round++)
			work->once(arguments[count > 4 ? 4 : 0]);
		printf("%.2f\n", (now() - start) / rounds);
	}
}
