// SPDX-License-Identifier: Apache-2.0
/* What filters are put on in tests: threads that make calls, a process in a blocking call, a probe of all numbers. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int stop;
static struct count {
	long calls, denied, wrong;
} *counts;

static void *spin(void *argument)
{
	struct count *count = argument;
	long parent = getppid();

	while (!stop) {
		long result = syscall(SYS_getppid);

		if (++count->calls % 64 == 0)
			sched_yield();
		if (result < 0 && errno == EPERM)
			count->denied++;
		else if (result != parent)
			count->wrong++;
		if (getpid() <= 0) /* this one is never denied */
			count->wrong++;
	}
	return NULL;
}

/* spin N: N threads make calls; a line on stdin: they are asked what they saw since the last one. */
static int spinning(int threads)
{
	pthread_attr_t attributes;
	char line[64];

	counts = calloc(threads, sizeof(*counts));
	struct count *before = calloc(threads, sizeof(*before));

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	for (int i = 0; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, &attributes, spin, &counts[i]))
			return 1;
	}
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		long calls = 0, denied = 0, wrong = 0, alike = 0;

		memcpy(before, counts, threads * sizeof(*counts));
		for (int i = 0; i < threads; i++) {
			while (counts[i].calls < before[i].calls + 10)
				usleep(1000);
			struct count now = counts[i];

			calls += now.calls;
			denied += now.denied;
			wrong += now.wrong;
			alike += now.denied - before[i].denied >= 10;
		}
		/* a new child has what its parent has */
		pid_t child = fork();
		int status;

		if (child == 0)
			_exit(syscall(SYS_getppid) < 0 ? errno : 0);
		waitpid(child, &status, 0);
		printf("%ld %ld %ld %ld %d\n", calls, denied, wrong, alike, WEXITSTATUS(status));
	}
	return 0;
}

static int word;
static void *wake(void *argument)
{
	char byte;

	(void)argument;
	if (read(0, &byte, 1) == 1) {
		word = 1;
		syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	return NULL;
}

#ifdef __x86_64__
static long raw32(long number, long a, long b, long c, long d, long e)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static long raw64(long number, long a, long b, long c, long d, long e)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "memory", "rcx", "r11");
	return result;
}

/* By the 32-bit entry, where this number is another call's than by the 64-bit one. */
static long waiting32(int fd)
{
	static struct epoll_event event;
	long result = raw32(256, fd, (long)&event, 1, -1, 0);

	errno = result < 0 ? -result : 0;
	return result < 0 ? -1 : result;
}
#else
static long raw64(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}
#endif

/* Until somebody writes a byte to us; then lets in who wants to connect. */
static void *let_in(void *argument)
{
	char byte;

	return read(0, &byte, 1) == 1 && accept(*(int *)argument, NULL, NULL) >= 0 ? argument : NULL;
}

/* A second one wants to connect where there is room for one. */
static long connecting(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = sizeof(address.sun_family);
	static int listening;
	struct timeval limit = {60, 0};
	int first, second;
	pthread_t thread;

	listening = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(listening, (struct sockaddr *)&address, length); /* a name of the kernel's choice */
	listen(listening, 0);
	length = sizeof(address);
	getsockname(listening, (struct sockaddr *)&address, &length);
	first = socket(AF_UNIX, SOCK_STREAM, 0);
	second = socket(AF_UNIX, SOCK_STREAM, 0);
	setsockopt(second, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(first, (struct sockaddr *)&address, length))
		return -1;
	pthread_create(&thread, NULL, let_in, &listening);
	puts("ready");
	return connect(second, (struct sockaddr *)&address, length) + 1;
}

static long asynchronous(void)
{
	struct iocb control = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = 0, .aio_buf = POLLIN};
	struct iocb *controls = &control;
	aio_context_t context = 0;
	struct io_event event;

	if (syscall(SYS_io_setup, 1, &context) || syscall(SYS_io_submit, context, 1, &controls) != 1)
		return -1;
	puts("ready");
	return syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
}

static volatile sig_atomic_t handled;
static void handle(int number)
{
	(void)number;
	handled++;
}

static long blocked(const char *how, char *byte)
{
	struct pollfd one = {.fd = 0, .events = POLLIN};
	struct timespec second = {1, 500000000}, hour = {3600, 0};
	struct epoll_event event = {.events = EPOLLIN};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	sigset_t none;
	fd_set set;
	int fd;

	sigemptyset(&none);
	if (!strcmp(how, "read")) {
		puts("ready");
		return read(0, byte, 1);
	}
	if (!strcmp(how, "poll")) {
		puts("ready");
		return poll(&one, 1, -1);
	}
	if (!strcmp(how, "poll_limit")) {
		puts("ready");
		return poll(&one, 1, 1500) + 1;
	}
	if (!strcmp(how, "ppoll")) {
		puts("ready");
		return ppoll(&one, 1, NULL, &none);
	}
	if (!strcmp(how, "select")) {
		FD_ZERO(&set);
		FD_SET(0, &set);
		puts("ready");
		return select(1, &set, NULL, NULL, NULL);
	}
	if (!strcmp(how, "nanosleep")) {
		puts("ready");
		return nanosleep(&second, NULL) + 1;
	}
	if (!strcmp(how, "nanosleep_long")) {
		puts("ready");
		return nanosleep(&hour, NULL) + 1;
	}
	if (!strncmp(how, "epoll", 5)) {
		fd = epoll_create1(0);
		epoll_ctl(fd, EPOLL_CTL_ADD, 0, &event);
		puts("ready");
		if (!strcmp(how, "epoll_pwait"))
			return epoll_pwait(fd, &event, 1, -1, &none);
#ifdef __x86_64__
		if (!strcmp(how, "epoll_32"))
			return waiting32(fd);
#endif
		return epoll_wait(fd, &event, 1, -1);
	}
	if (!strcmp(how, "io_getevents"))
		return asynchronous();
	if (!strcmp(how, "connect_limit"))
		return connecting();
	if (!strcmp(how, "futex")) {
		pthread_t thread;

		pthread_create(&thread, NULL, wake, NULL);
		puts("ready");
		return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0) + 1;
	}
	if (!strcmp(how, "wait")) {
		pid_t child = fork();

		if (child == 0)
			_exit(read(0, byte, 1) != 1);
		puts("ready");
		return waitpid(child, NULL, 0) == child;
	}
	if (!strcmp(how, "accept")) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		bind(fd, (struct sockaddr *)&address, sizeof(address));
		listen(fd, 1);
		getsockname(fd, (struct sockaddr *)&address, &length);
		printf("ready %d\n", ntohs(address.sin_port));
		return accept(fd, NULL, NULL) >= 0;
	}
	if (!strcmp(how, "sigsuspend")) {
		puts("ready");
		sigsuspend(&none);
		return handled;
	}
	return -1;
}

/* block HOW: in a blocking call, until the test wakes it; then what came of it, and how long it took. */
static int blocking(const char *how)
{
	struct sigaction action = {.sa_handler = handle};
	struct timespec before, after;
	char byte;

	sigaction(SIGUSR1, &action, NULL);
	clock_gettime(CLOCK_MONOTONIC, &before);
	errno = 0;
	long result = blocked(how, &byte);
	int error = result < 0 ? errno : 0;

	clock_gettime(CLOCK_MONOTONIC, &after);
	printf("%ld %d %.0f\n", result, error,
	       (after.tv_sec - before.tv_sec) * 1e3 + (after.tv_nsec - before.tv_nsec) / 1e6);
	return 0;
}

/* probe FILE: puts on the filter in FILE, makes every call but write and exit_group, and tells what each returned. */
static int probing(const char *path)
{
	static struct sock_filter filter[4096];
	static const long VALUES[] = {0, 1, 0x100000000, 0x100000001, -1};
	static char told[4 << 20];
	FILE *file = fopen(path, "rb");
	size_t at = 0;

	if (!file)
		return 1;
	struct sock_fprog program = {.len = fread(filter, sizeof(*filter), 4096, file), .filter = filter};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) {
		perror("seccomp");
		return 1;
	}
	for (unsigned i = 0; i < sizeof(VALUES) / sizeof(*VALUES); i++) {
		long v = VALUES[i];

		for (long number = 0; number <= 600; number++) {
			int allowed = number == SYS_write || number == SYS_exit_group;
#ifdef __x86_64__
			/* uretprobe and uprobe are never filtered, and end who is not at a probe */
			allowed |= number == 335 || number == 336;
			int allowed32 = number == 4 || number == 252;
			long x32 = allowed ? 0 : raw64(number | 0x40000000, v, v, v, v, v);
			long i386 = allowed32 ? 0 : raw32(number, v, v, v, v, v);
#else
			long x32 = 0, i386 = 0; /* there are none */
#endif
			long native = allowed ? 0 : raw64(number, v, v, v, v, v);

			/* no libc that might want a call: by hand */
			long row[] = {v, number, native, x32, i386};

			memcpy(told + at, row, sizeof(row));
			at += sizeof(row);
		}
	}
	for (size_t done = 0; done < at;) {
		long wrote = raw64(SYS_write, 1, (long)told + done, at - done, 0, 0);

		if (wrote <= 0)
			return 1;
		done += wrote;
	}
	raw64(SYS_exit_group, 0, 0, 0, 0, 0);
	return 0;
}

#ifdef __aarch64__
static void told_to_stop(int number)
{
	(void)number;
	stop = 1;
}

/* Makes no call until it is told to stop; vector registers that no call is to outlive keep their values, as do others. */
static int computing(void)
{
	struct sigaction action = {.sa_handler = told_to_stop};
	long changed = 0, sum = 0;

	sigaction(SIGUSR1, &action, NULL);
	puts("ready");
	__asm__ volatile(".arch_extension sve\n"
			 "	mov	z0.b, #7\n"
			 "	ptrue	p2.b\n"
			 "	cntb	x11\n"
			 "	mov	x0, #1\n"
			 "	mov	x1, #2\n"
			 "	mov	x2, #4\n"
			 "	mov	x3, #8\n"
			 "	mov	x4, #16\n"
			 "	mov	x5, #32\n"
			 "	mov	x7, #64\n"
			 "	mov	x8, #128\n"
			 "1:	ptrue	p0.b\n"
			 "	cmpne	p1.b, p0/z, z0.b, #7\n"
			 "	b.ne	2f\n"
			 "	cntp	x10, p0, p2.b\n"
			 "	cmp	x10, x11\n"
			 "	b.ne	2f\n"
			 "	ldr	w9, [%[stop]]\n"
			 "	cbz	w9, 1b\n"
			 "	b	3f\n"
			 "2:	mov	%[changed], #1\n"
			 "3:	add	%[sum], x0, x1\n"
			 "	add	%[sum], %[sum], x2\n"
			 "	add	%[sum], %[sum], x3\n"
			 "	add	%[sum], %[sum], x4\n"
			 "	add	%[sum], %[sum], x5\n"
			 "	add	%[sum], %[sum], x7\n"
			 "	add	%[sum], %[sum], x8\n"
			 : [changed] "+&r"(changed), [sum] "+&r"(sum)
			 : [stop] "r"(&stop)
			 : "x0", "x1", "x2", "x3", "x4", "x5", "x7", "x8", "x9", "x10", "x11", "v0", "p0", "p1", "p2", "cc",
			   "memory");
	printf("%ld %ld\n", changed, sum);
	return 0;
}
#endif

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "spin"))
		return spinning(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "block"))
		return blocking(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "signals")) {
		/* how many have come by the time that a byte is read; the read goes on after each of them */
		struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
		char byte;

		sigaction(SIGRTMIN, &action, NULL);
		puts("ready");
		printf("%zd ", read(0, &byte, 1));
		printf("%d\n", handled);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "vfork")) {
		puts("ready");
		if (vfork() == 0) {
			sleep(4);
			_exit(0);
		}
		puts("over");
		return getchar() == EOF;
	}
#ifdef __aarch64__
	if (argc == 2 && !strcmp(argv[1], "compute"))
		return computing();
#endif
	if (argc == 3 && !strcmp(argv[1], "probe"))
		return probing(argv[2]);
	return 2;
}
