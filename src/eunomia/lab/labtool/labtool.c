// SPDX-License-Identifier: Apache-2.0
/* labtool [try] [via WAY] COMMAND ARGUMENT...
 *
 * Exit codes: 0 done; 1 the kernel refused (with `try` that is 0, too); 2 used wrongly; 77 not on this machine.
 */
#include "labtool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const GROUPS[] = {FILE_COMMANDS, PROCESS_COMMANDS, KERNEL_COMMANDS, NETWORK_COMMANDS};
static const char *chosen = "";

int way(const char *name)
{
	return strcmp(chosen, name) == 0;
}

void impossible(const char *what)
{
	fprintf(stderr, "labtool: not on this machine: %s\n", what);
	exit(77);
}

void wrong(const char *what, const char *word)
{
	fprintf(stderr, "labtool: %s: %s\n", what, word);
	exit(2);
}

static void no_such_entry(int number)
{
	static const char text[] = "labtool: not on this machine: 32-bit system calls\n";

	(void)number;
	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(77);
}

long int80(long number, long a, long b, long c, long d, long e)
{
#ifdef __x86_64__
	long result;

	signal(SIGSEGV, no_such_entry); /* a kernel without them */
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	signal(SIGSEGV, SIG_DFL);
	if ((int)result < 0) {
		errno = -(int)result;
		return -1;
	}
	return (int)result;
#else
	no_such_entry(0);
	return number + a + b + c + d + e;
#endif
}

long low(const char *text)
{
	static char room[8192]; /* the program is linked at a fixed address, below 4 GiB */
	static size_t used;
	size_t length = strlen(text) + 1;

	if (length > sizeof(room) - used)
		wrong("too long", text);
	memcpy(room + used, text, length);
	used += length;
	return (long)(room + used - length);
}

static void choose_way(const struct command *command, const char *asked)
{
	size_t length = strlen(asked);

	for (const char *at = command->ways; at && *at; at += strcspn(at, " "), at += *at == ' ') {
		if (strncmp(at, asked, length) == 0 && (at[length] == ' ' || !at[length])) {
			chosen = asked;
			return;
		}
	}
	fprintf(stderr, "labtool: %s: no way %s; there are: %s\n", command->name, asked,
		command->ways ? command->ways : "none");
	exit(2);
}

static const struct command *find(const char *name)
{
	for (size_t group = 0; group < sizeof(GROUPS) / sizeof(*GROUPS); group++)
		for (const struct command *one = GROUPS[group]; one->name; one++)
			if (strcmp(one->name, name) == 0)
				return one;
	wrong("no such command (see labtool help)", name);
}

static int help(void)
{
	puts("labtool [try] [via WAY] COMMAND ARGUMENT...");
	for (size_t group = 0; group < sizeof(GROUPS) / sizeof(*GROUPS); group++)
		for (const struct command *one = GROUPS[group]; one->name; one++)
			printf("  %s %s%s%s\n", one->name, one->arguments, one->ways ? "   via " : "",
			       one->ways ? one->ways : "");
	return 0;
}

int main(int argc, char **argv)
{
	const char *asked = NULL;
	int any_answer = 0;

	(void)argc;
	argv++;
	if (!*argv || strcmp(*argv, "help") == 0)
		return help();
	if (strcmp(*argv, "try") == 0)
		any_answer = 1, argv++;
	if (*argv && strcmp(*argv, "via") == 0 && argv[1])
		asked = argv[1], argv += 2;
	if (!*argv)
		wrong("which command", "none given");

	const struct command *command = find(*argv++);
	int given = 0;

	while (argv[given])
		given++;
	if (given < command->least)
		wrong(command->name, command->arguments);
	if (asked)
		choose_way(command, asked);
	if (command->run(argv) >= 0)
		return 0;
	if (errno == ENOSYS && !any_answer)
		impossible(command->name);
	fprintf(stderr, "labtool: %s: %s\n", command->name, strerror(errno));
	return any_answer ? 0 : 1;
}
