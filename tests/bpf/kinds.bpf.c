// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* BTF kinds that no tracker's object has: compared with what bpftool reads. */
#include "eunomia.bpf.h"

struct only_declared;
union either {
	u8 byte;
	u64 word;
};

typedef int (*callback)(struct only_declared *declared, const char *restrict text);

struct everything {
	union either either;
	float ratio;
	double precise;
	struct only_declared *declared;
	callback call;
	char *restrict text;
	int __attribute__((btf_type_tag("user"))) * tagged;
	s64 narrow : 37;
	long matrix[2][3];
	enum { NEGATIVE = -7, POSITIVE = 7 } sign;
} DOC("a tag on a type");

struct everything everything SEC(".data.things") DOC("a tag on a variable");
const volatile u16 numbers[7] = {1};
