/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a call was asked to do: from registers, and what they point to, to one form for all calls. */
#ifndef __SENSITIVE_REQUEST_BPF_H
#define __SENSITIVE_REQUEST_BPF_H

#include "calls.bpf.h"
#include "place.bpf.h"

#define NONE -1

/* How the path is found. */
enum where {
	WHERE_NOWHERE,
	WHERE_NAME,  /* `name` below `dirfd`, as text */
	WHERE_FILE,  /* that of the open file `file` */
	WHERE_ROOT,  /* the process's root directory, as it now is */
	WHERE_MOUNT, /* the newest mount of the process's mount namespace */
};

/* A call that returns: its arguments, whatever entry it came through. */
struct returned {
	long result;
	u32 call;
	u32 compat;
	u64 args[6];
};

struct request {
	enum kind kind;
	enum where where;
	u64 name; /* addresses of strings */
	u64 name2;
	u64 text;
	u64 address; /* of a struct sockaddr */
	s32 fd;	     /* that is reported */
	s32 file;
	s32 dirfd;
	s32 socket;
	s32 pidfd; /* may be one */
	s32 pid;   /* as the caller numbers processes */
	u32 flags;
	u32 command;
	u32 family;
	u32 type;
	u32 protocol;
	bool listens;
};

static __always_inline void name_at(struct request *request, s32 dirfd, u64 name)
{
	request->where = WHERE_NAME;
	request->dirfd = dirfd;
	request->name = name;
}

static __always_inline void file_at(struct request *request, s32 fd)
{
	request->where = WHERE_FILE;
	request->file = fd;
}

static __always_inline u32 user_u32(u64 address)
{
	u32 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline u64 user_u64(u64 address)
{
	u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

#endif
