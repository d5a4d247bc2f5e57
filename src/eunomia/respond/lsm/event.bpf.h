/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What was asked for and is not allowed: told, and answered. */
#ifndef __EVENT_BPF_H
#define __EVENT_BPF_H

#include "path.bpf.h"

#define EPERM 1
#define NO_CAPABILITY 255

const volatile bool denies DOC("whether what is not allowed is denied; else it is told only") = false;

enum asked {
	ASKED_EXEC,
	ASKED_MAP,
	ASKED_WRITE,
	ASKED_MOUNT,
	ASKED_SOCKET,
	ASKED_CONNECT,
	ASKED_CAPABILITY,
};

struct event {
	struct event_base;
	enum asked event DOC("what was asked for");
	bool denied DOC("whether it was denied; otherwise the policy only logs");
	bool untold DOC("exec, write: whether the path is not known whole, and so judged as not allowed");
	u8 capability DOC("capability: its number");
	u16 family DOC("socket, connect: the address family, its number");
	u16 port DOC("connect: of the other side");
	ip_t address DOC("connect: of the other side");
	u16 path_len;
	char path[PATH_BYTES] DOC("exec, map, write, mount: the path from the top of the mount namespace");
};

EVENTS(struct event, 1 << 20);

static __always_inline struct event *begin(enum asked asked)
{
	struct event *event = event_reserve(struct event);

	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	event->event = asked;
	event->denied = denies;
	event->untold = false;
	event->capability = NO_CAPABILITY;
	event->family = 0;
	event->port = 0;
	__builtin_memset(event->address, 0, sizeof(event->address));
	event->path_len = 0;
	return event;
}

/*
 * What the kernel's question gets. A constant on each way: from arithmetic, which the compiler would make of it, the
 * verifier cannot tell that it is an error's number (since 6.12 it asks).
 */
static __always_inline int answer(void)
{
	int refused = -EPERM;

	if (!denies)
		return 0;
	barrier_var(refused);
	return refused;
}

#endif
