// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One struct for each thing that a layout has to know; there is no program here. */
#include "syscall.bpf.h"

/* Puts a struct into the object's BTF. */
#define SHAPE(name) const struct name *const volatile shape_##name = 0

/* Those that single trackers declare. */
typedef u32 optional_id_t;
typedef u64 capabilities_t;
typedef u32 ipc_key_t;
typedef s32 ipc_id_t;

struct numbers {
	u8 u1 DOC("one byte");
	__s16 s2;
	__s8 s1;
	u32 u4;
	s64 s8;
	u16 u2;
	u64 u8;
	s32 s4;
	bool yes;
	const void *pointer;
	struct numbers *next;
	const volatile u32 qualified;
};
SHAPE(numbers);

struct arrays {
	u8 bytes[3];
	__s16 shorts[2];
	u32 words[3];
	s64 longs[2];
};
SHAPE(arrays);

struct inner {
	u32 first DOC("inside");
	u64 second;
};

struct nested {
	struct inner;
	struct {
		u16 third;
		struct {
			u8 fourth;
		};
	};
	u8 fifth;
};
SHAPE(nested);

enum colour {
	COLOUR_RED,
	COLOUR_GREEN,
	BLUE,
};

enum balance {
	BALANCE_OWED = -2,
	BALANCE_EVEN = 0,
	BALANCE_PLUS = 3,
};

enum tiny {
	TINY_A,
	TINY_B = 5,
} __attribute__((packed));

struct enums {
	enum colour colour;
	enum tiny tiny;
	enum colour bits : 4;
};
SHAPE(enums);

struct owing {
	enum balance balance;
};
SHAPE(owing);

/* All of one storage unit, as compilers lay them out: a field may cross bytes, but not its unit. */
struct bits {
	u32 one : 1 DOC("a flag");
	u32 three : 3;
	u32 eleven : 11;
	u32 seventeen : 17;
	u8 _unused : 3;
	u8 five : 5;
	u64 thirty_three : 33;
	u64 thirty_one : 31;
	u16 sixteen : 16;
};
SHAPE(bits);

struct signed_bits {
	s32 three : 3;
	s32 whole : 29;
	s64 forty : 40;
	__s16 full : 16;
};
SHAPE(signed_bits);

struct crossing {
	u8 low : 4;
	u8 high : 7; /* packed: begins in one byte, ends in the next */
} __attribute__((packed));
SHAPE(crossing);

struct meanings {
	ktime_ns_t m_ktime_ns_t;
	duration_ns_t m_duration_ns_t;
	cgroup_id_t m_cgroup_id_t;
	namespace_t m_namespace_t;
	exit_code_t m_exit_code_t;
	errno_t m_errno_t;
	signal_nr_t m_signal_nr_t;
	syscall_nr_t m_syscall_nr_t;
	bytes_t m_bytes_t;
	optional_bytes_t m_optional_bytes_t;
	hex_t m_hex_t;
	capability_t m_capability_t;
	u8 _pad[7];
};
SHAPE(meanings);

struct numbers_or_none {
	u32 _before;
	optional_u32_t m_optional_u32_t;
	optional_u64_t m_optional_u64_t;
	optional_bytes_t m_optional_bytes_t;
	syscall_result_t m_syscall_result_t;
	capabilities_t m_capabilities_t;
	optional_count_t m_optional_count_t;
	optional_duration_t m_optional_duration_t;
	optional_id_t m_optional_id_t;
	ipc_key_t m_ipc_key_t;
	ipc_id_t m_ipc_id_t;
	optional_bool_t m_optional_bool_t;
	u8 _pad[3];
};
SHAPE(numbers_or_none);

struct texts {
	u16 sized_len;
	char until_nul[16];
	char sized[16];
	u8 words_len;
	argv_t words[24];
	char last[5]; /* at the struct's very end */
} __attribute__((packed));
SHAPE(texts);

/* A program may put what a helper gave back there as it came, and that is negative when the helper failed. */
struct signed_length {
	s32 name_len;
	char name[16];
	u64 wide_len;
	char wide[16];
};
SHAPE(signed_length);

struct lengths_of_nothing {
	u32 path_len; /* there is no `path` */
	u32 header;
	u32 header_len; /* `header` is no text */
};
SHAPE(lengths_of_nothing);

/* What no column can be made of. */
struct with_union {
	u32 fine;
	union {
		u32 a;
		u64 b;
	} either;
};
SHAPE(with_union);

struct with_struct {
	struct inner named;
};
SHAPE(with_struct);

struct with_float {
	float ratio;
};
SHAPE(with_float);

struct with_matrix {
	u32 matrix[2][2];
};
SHAPE(with_matrix);

struct with_int128 {
	__int128 huge;
};
SHAPE(with_int128);

struct with_hidden_union {
	u32 fine;
	union {
		u32 a;
		u64 b;
	};
};
SHAPE(with_hidden_union);

struct addresses {
	u16 port;
	ip_t near;
	ip_t far DOC("the other side");
	optional_ip_t maybe;
};
SHAPE(addresses);

struct with_padding_only {
	u32 _one;
};
SHAPE(with_padding_only);

struct with_endless_text {
	u32 size;
	char rest[];
};
SHAPE(with_endless_text);

enum far {
	FAR_AWAY = 0x7fffffff,
};

struct with_far_enum {
	enum far far;
};
SHAPE(with_far_enum);

enum both {
	BOTH_SAME,
	Same,
};

struct with_twins {
	enum both twins;
};
SHAPE(with_twins);
