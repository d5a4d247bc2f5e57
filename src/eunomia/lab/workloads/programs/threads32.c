// SPDX-License-Identifier: Apache-2.0
/* Threads that work by 64-bit calls and by 32-bit ones (int 0x80). Exit code 0: all came out as it should. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 200 };
enum {
	I386_FORK = 2,
	I386_READ,
	I386_WRITE,
	I386_OPEN,
	I386_CLOSE,
	I386_TIME = 13,
	I386_GETPID = 20,
	I386_UNAME = 122
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready, total;
static char path[] = "/tmp/threads32"; /* at a fixed address below 4 GiB, as the program is linked so */
static char text[THREADS][16];

static void check(int right, const char *what)
{
	if (!right) {
		fprintf(stderr, "threads32: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static long int80(long number, long a, long b, long c)
{
	__asm__ volatile("int $0x80" : "+a"(number) : "b"(a), "c"(b), "d"(c) : "r8", "r9", "r10", "r11", "memory");
	return (int)number;
}

static void no_such_entry(int number)
{
	(void)number;
	_exit(77);
}

static void *work(void *which)
{
	char *mine = text[(long)which];

	pthread_mutex_lock(&lock);
	ready++;
	pthread_cond_broadcast(&changed);
	while (ready < THREADS)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	for (int round = 0; round < ROUNDS; round++) {
		check(int80(I386_GETPID, 0, 0, 0) == getpid(), "getpid");
		long fd = int80(I386_OPEN, (long)path, O_RDONLY, 0);
		check(fd >= 0 && int80(I386_READ, fd, (long)mine, 7) == 7, "read");
		check(int80(I386_CLOSE, fd, 0, 0) == 0 && memcmp(mine, "content", 7) == 0, "content");
		check(int80(I386_TIME, 0, 0, 0) > 1000000000, "time");
		pthread_mutex_lock(&lock);
		total++;
		pthread_mutex_unlock(&lock);
	}
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	int code;

	signal(SIGSEGV, no_such_entry);
	long fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	check(fd >= 0 && int80(I386_WRITE, fd, (long)strcpy(text[0], "content"), 7) == 7 && close(fd) == 0, "write");
	for (long which = 0; which < THREADS; which++)
		check(pthread_create(&threads[which], NULL, work, (void *)which) == 0, "thread");
	for (int which = 0; which < THREADS; which++)
		pthread_join(threads[which], NULL);
	check(total == THREADS * ROUNDS, "total");
	long child = int80(I386_FORK, 0, 0, 0);
	if (child == 0)
		_exit(int80(I386_GETPID, 0, 0, 0) == getpid() ? 5 : 1);
	check(child > 0 && waitpid(child, &code, 0) == child && WEXITSTATUS(code) == 5, "child");
	check(unlink(path) == 0, "unlink");
	return 0;
}
