// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The smallest event: what every event carries, and a kind. */
#include "flood.bpf.h"

struct event {
	struct event_base;
	enum kind event DOC("first or later of its call");
};

EVENTS(struct event, 8 * 1024 * 1024);

static __always_inline void emit(u32 index)
{
	struct event *event;

	if (!filter_pass_current())
		return;
	event = event_reserve(struct event);
	if (!event)
		return;
	event_fill_current((struct event_base *)event);
	event->event = index ? KIND_LATER : KIND_FIRST;
	event_submit(event);
}

FLOOD(emit)
