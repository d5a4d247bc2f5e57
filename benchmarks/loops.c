/*
 * Work for a benchmark, without a library's or an interpreter's share: prints the nanoseconds of one round, a line for
 * each batch. Called by itself, without arguments, it is the smallest program there is.
 *
 *     loops getppid|spawn ROUNDS BATCHES
 */
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

static void spawn(char *file)
{
	char *arguments[] = {file, 0}, *environment[] = {0};
	pid_t child;

	if (posix_spawn(&child, file, 0, 0, arguments, environment) || waitpid(child, 0, 0) != child)
		exit(1);
}

int main(int count, char **arguments)
{
	if (count != 4)
		_exit(0);
	long rounds = atol(arguments[2]), batches = atol(arguments[3]);
	for (long batch = 0; batch < batches; batch++) {
		double start = now();
		for (long round = 0; round < rounds; round++) {
			if (strcmp(arguments[1], "spawn"))
				syscall(SYS_getppid);
			else
				spawn(arguments[0]);
		}
		printf("%.2f\n", (now() - start) / rounds);
	}
}
