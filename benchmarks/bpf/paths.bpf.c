// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* An event with a path, of which it tells the length. */
#include "flood.bpf.h"

#define PATH_BYTES 256
#define SHORTEST 24

struct event {
	struct event_base;
	enum kind event DOC("first or later of its call");
	u32 path_len;
	char path[PATH_BYTES] DOC("a path of 24 to 55 bytes");
};

EVENTS(struct event, 64 * 1024 * 1024);

static __always_inline void emit(u32 index)
{
	static const char path[56] = "/usr/lib/x86_64-linux-gnu/perl-base/auto/List/Util/Util";
	struct event *event;

	if (!filter_pass_current())
		return;
	event = event_reserve(struct event);
	if (!event)
		return;
	event_fill_current((struct event_base *)event);
	event->event = index ? KIND_LATER : KIND_FIRST;
	event->path_len = SHORTEST + (index & 31);
	__builtin_memcpy(event->path, path, sizeof(path));
	event_submit(event);
}

FLOOD(emit)
