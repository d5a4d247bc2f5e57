/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef __TOTALS_BPF_H
#define __TOTALS_BPF_H

#include "eunomia.bpf.h"
#include "words.bpf.h"

/*
 * Counting in the kernel: two tables take turns. User space lets programs go on with the other one, waits until none of
 * them is still at work in the first, and empties that: so nothing is lost between reading and clearing. The rows are
 * columns as those of an event; the keys are the program's own business.
 *
 *	struct total { struct event_base; u64 count; };
 *	TOTALS(struct key, struct total, 16384);
 *
 *	total = totals_find(&key) ?: totals_add(&key, &first);
 *	if (total)
 *		__sync_fetch_and_add(&total->count, 1);
 *
 * Equal keys must mean rows that may be added up. A row may be changed on several CPUs at once. Every member of `first`
 * must be set, but for a string's bytes behind its length. Preallocated, as the filter is. A table that is half full
 * rings a bell, so that user space comes for it early; it makes `rows` and `rung` 0 again.
 */
#define TOTALS(key_struct, total_struct, entries)                                                                      \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, 1);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, u32);                                                                                    \
	} totals_turn SEC(".maps");                                                                                    \
	struct totals {                                                                                                \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(max_entries, entries);                                                                          \
		__type(key, key_struct);                                                                               \
		__type(value, total_struct);                                                                           \
	};                                                                                                             \
	struct totals totals_0 SEC(".maps"), totals_1 SEC(".maps");                                                    \
	struct totals_fill {                                                                                           \
		u32 rows, rung;                                                                                        \
	};                                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, 2);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, struct totals_fill);                                                                     \
	} totals_fills SEC(".maps");                                                                                   \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                                    \
		__uint(max_entries, 65536); /* the loader makes it one page */                                         \
	} totals_bell SEC(".maps");                                                                                    \
	const total_struct *const volatile total_type = 0;                                                             \
	const volatile u32 totals_half = (entries) / 2;                                                                \
                                                                                                                       \
	static __always_inline void totals_added(u32 turn)                                                             \
	{                                                                                                              \
		struct totals_fill *fill = bpf_map_lookup_elem(&totals_fills, &turn);                                  \
                                                                                                                       \
		if (!fill)                                                                                             \
			return;                                                                                        \
		__sync_fetch_and_add(&fill->rows, 1); /* what was there before, 5.10 cannot say: so look again */      \
		if (fill->rung || *(volatile u32 *)&fill->rows < totals_half)                                          \
			return;                                                                                        \
		fill->rung = 1; /* by two at once: then it rings twice */                                              \
		bpf_ringbuf_output(&totals_bell, &turn, sizeof(turn), 0);                                              \
	}                                                                                                              \
                                                                                                                       \
	/* Which table counts now. What is done in several steps must stay with one. */                                \
	static __always_inline u32 totals_now(void)                                                                    \
	{                                                                                                              \
		u32 zero = 0, *turn = bpf_map_lookup_elem(&totals_turn, &zero);                                        \
                                                                                                                       \
		return turn && *turn;                                                                                  \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline total_struct *totals_find_in(u32 turn, const key_struct *key)                           \
	{                                                                                                              \
		if (turn) { /* two calls and not one with a chosen map: only so does the JIT inline them */            \
			total_struct *total = bpf_map_lookup_elem(&totals_1, key);                                     \
                                                                                                                       \
			barrier(); /* else the compiler makes one of them */                                           \
			return total;                                                                                  \
		}                                                                                                      \
		return bpf_map_lookup_elem(&totals_0, key);                                                            \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline total_struct *totals_add_in(u32 turn, const key_struct *key, const total_struct *first) \
	{                                                                                                              \
		total_struct *total;                                                                                   \
                                                                                                                       \
		if (turn) {                                                                                            \
			if (!bpf_map_update_elem(&totals_1, key, first, BPF_NOEXIST))                                  \
				totals_added(1);                                                                       \
			total = bpf_map_lookup_elem(&totals_1, key);                                                   \
		} else {                                                                                               \
			if (!bpf_map_update_elem(&totals_0, key, first, BPF_NOEXIST))                                  \
				totals_added(0);                                                                       \
			total = bpf_map_lookup_elem(&totals_0, key);                                                   \
		}                                                                                                      \
		if (!total)                                                                                            \
			count(COUNTER_TOTALS_FULL);                                                                    \
		return total;                                                                                          \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline __attribute__((unused)) total_struct *totals_find(const key_struct *key)                \
	{                                                                                                              \
		return totals_find_in(totals_now(), key);                                                              \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline __attribute__((unused)) total_struct *totals_add(const key_struct *key,                 \
										const total_struct *first)             \
	{                                                                                                              \
		return totals_add_in(totals_now(), key, first);                                                        \
	}

/*
 * In front of the tables, for what happens at every system call: each CPU counts a few hundred keys by itself, without
 * a hash of the kernel's and without a locked instruction, which is half the price. Whoever has a row may take a slot
 * that nobody has had in this interval; user space adds what is counted there to the row's `count`
 * (kernel/front.py). A key's size is a multiple of 8. Only for programs of one hook that the kernel runs one after the
 * other on a CPU.
 *
 *	TOTALS_FRONT(struct key);
 *
 *	turn = totals_now();
 *	slot = totals_slot(turn, &key);
 *	if (slot && slot->count) {
 *		slot->count++;
 *		return 0;
 *	}
 *	total = totals_find_in(turn, &key) ?: totals_add_in(turn, &key, &first);
 *	if (total && slot)
 *		totals_take(slot, &key);
 *	else if (total)
 *		__sync_fetch_and_add(&total->count, 1);
 */
#define TOTALS_SLOTS 512

#define TOTALS_FRONT(key_struct)                                                                                       \
	struct totals_slot {                                                                                           \
		key_struct key;                                                                                        \
		u64 count;                                                                                             \
	};                                                                                                             \
	struct totals_slots {                                                                                          \
		struct totals_slot slots[TOTALS_SLOTS];                                                                \
	};                                                                                                             \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                               \
		__uint(max_entries, 2);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, struct totals_slots);                                                                    \
	} totals_front SEC(".maps");                                                                                   \
                                                                                                                       \
	/* The key's own slot, or one that is free for it; NULL when another key has it. */                            \
	static __always_inline struct totals_slot *totals_slot(u32 turn, const key_struct *key)                        \
	{                                                                                                              \
		struct totals_slots *front = bpf_map_lookup_elem(&totals_front, &turn);                                \
		u64 place = hash_words((const u64 *)key, sizeof(*key) / 8) >> 32;                                      \
		struct totals_slot *slot;                                                                              \
                                                                                                                       \
		if (!front)                                                                                            \
			return 0;                                                                                      \
		slot = &front->slots[place % TOTALS_SLOTS];                                                            \
		if (same_words((const u64 *)&slot->key, (const u64 *)key, sizeof(*key) / 8) || !slot->count)           \
			return slot;                                                                                   \
		return 0;                                                                                              \
	}                                                                                                              \
                                                                                                                       \
	/* For a key that has a row. */                                                                                \
	static __always_inline void totals_take(struct totals_slot *slot, const key_struct *key)                       \
	{                                                                                                              \
		slot->key = *key;                                                                                      \
		slot->count = 1;                                                                                       \
	}

#endif
