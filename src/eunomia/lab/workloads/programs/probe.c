// SPDX-License-Identifier: Apache-2.0
/*
 * probe native|int80|x32 FIRST-LAST...: makes each of these system calls with arguments that fit none (-1), and writes
 * a line for each: its number and what it returned. The first one has to be refused with the errno in argv[2], or
 * nothing is tried: no filter is in force. No libc: it may use no call but write and exit_group, which every program
 * has.
 *
 *     probe ENTRY ERRNO FIRST-LAST...
 */
#define ROOM 65536

static char told[ROOM];
static unsigned used;

#ifdef __x86_64__
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall probe\n");
enum { WRITE = 1, EXIT_GROUP = 231 };

static long native(long number, long a, long b, long c)
{
	register long fourth __asm__("r10") = -1;
	register long fifth __asm__("r8") = -1;
	register long sixth __asm__("r9") = -1;

	__asm__ volatile("syscall"
			 : "+a"(number)
			 : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
			 : "rcx", "r11", "memory");
	return number;
}

static long int80(long number)
{
	__asm__ volatile("int $0x80"
			 : "+a"(number)
			 : "b"(-1L), "c"(-1L), "d"(-1L), "S"(-1L), "D"(-1L)
			 : "r8", "r9", "r10", "r11", "memory");
	return (int)number;
}
#else
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl probe\n");
enum { WRITE = 64, EXIT_GROUP = 94 };

static long native(long number, long a, long b, long c)
{
	register long call __asm__("x8") = number;
	register long first __asm__("x0") = a;
	register long second __asm__("x1") = b;
	register long third __asm__("x2") = c;
	register long fourth __asm__("x3") = -1;
	register long fifth __asm__("x4") = -1;
	register long sixth __asm__("x5") = -1;

	__asm__ volatile("svc 0"
			 : "+r"(first)
			 : "r"(call), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
			 : "memory");
	return first;
}

static long int80(long number)
{
	return number;
}
#endif

static void end(int code)
{
	native(WRITE, 1, (long)told, used);
	for (;;)
		native(EXIT_GROUP, code, -1, -1);
}

static void tell(long value, char after)
{
	char digits[24];
	unsigned at = sizeof(digits);
	unsigned long left = value < 0 ? -value : value;

	do
		digits[--at] = '0' + left % 10;
	while (left /= 10);
	if (value < 0)
		digits[--at] = '-';
	while (at < sizeof(digits) && used < ROOM - 1)
		told[used++] = digits[at++];
	told[used++] = after;
}

static long number_at(const char **text)
{
	long value = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++)
		value = 10 * value + **text - '0';
	return value;
}

void probe(long *stack)
{
	const char **words = (const char **)(stack + 1);
	char entry = words[1][0];
	const char *text = words[2];
	long refused = -number_at(&text);
	int first = 1;

	for (words += 3; *words; words++) {
		text = *words;
		long at = number_at(&text);
		long last = *text == '-' ? (text++, number_at(&text)) : at;

		for (; at <= last && used < ROOM - 64; at++, first = 0) {
			long result = entry == 'i'   ? int80(at)
				      : entry == 'x' ? native(at | 0x40000000, -1, -1, -1)
						     : native(at, -1, -1, -1);

			tell(at, ' ');
			tell(result, '\n');
			if (first && result != refused)
				end(3);
		}
	}
	end(0);
}
