// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What cap_capable() decides: every question of the kernel whether a task has a capability ends there, whatever other
 * security modules say. Since 6.14 a tracepoint tells it, before that its return.
 */
#include "syscall.bpf.h"

#define EPERM 1

enum kind {
	KIND_CHECK,
};

struct event {
	struct event_base;
	enum kind event DOC("check: the kernel asked");
	capability_t capability DOC("the capability that was asked for");
	u8 _pad;
	errno_t error DOC("EPERM where it was not there; none where it was");
	namespace_t target_user_ns DOC("user namespace that it was asked for in");
	syscall_nr_t syscall DOC("the system call that needed it; none where the kernel cannot tell");
	u8 _pad2[2];
};

EVENTS(struct event, 1024 * 1024);

struct key {
	u64 mm; /* a program: what a pid stands for changes by an exec */
	u32 pid;
	u32 target_user_ns;
	u16 syscall;
	errno_t error;
	u8 capability;
	u8 _pad[3];
};

struct total {
	struct event_base;
	u64 count DOC("how often it was asked for");
	capability_t capability DOC("the capability that was asked for");
	u8 _pad;
	errno_t error DOC("EPERM where it was not there; none where it was");
	namespace_t target_user_ns DOC("user namespace that it was asked for in");
	syscall_nr_t syscall DOC("the system call that needed it; none where the kernel cannot tell");
	u8 _pad2[6];
};

TOTALS(struct key, struct total, 8192);

const volatile bool denied DOC("whether only what was denied is told") = false;

/* Of the system call that is under way: bpf_task_pt_regs(), 5.15. */
static __always_inline u16 current_syscall(void)
{
	struct pt_regs *regs;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return SYSCALL_NONE;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return syscall_code(regs);
}

static __always_inline u32 namespace_of(const void *target)
{
	return BPF_CORE_READ((const struct user_namespace *)target, ns.inum);
}

static __noinline struct total *add(const struct key *key)
{
	struct total first = {};

	event_fill_current((struct event_base *)&first);
	first.capability = key->capability;
	first.error = key->error;
	first.target_user_ns = key->target_user_ns;
	first.syscall = key->syscall;
	return totals_add(key, &first);
}

static __always_inline int on_count(const void *target, int capability, int result)
{
	struct key key = {.capability = capability, .error = result ? EPERM : 0};
	struct total *total;

	if ((denied && !result) || !filter_pass_current())
		return 0;
	key.mm = (u64)BPF_CORE_READ(current_task(), mm);
	key.pid = bpf_get_current_pid_tgid() >> 32;
	key.target_user_ns = namespace_of(target);
	key.syscall = current_syscall();
	total = totals_find(&key) ?: add(&key);
	if (total)
		__sync_fetch_and_add(&total->count, 1);
	return 0;
}

static __always_inline int on_check(const void *target, int capability, int result)
{
	struct event *event;

	if ((denied && !result) || !filter_pass_current())
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	event->event = KIND_CHECK;
	event->capability = capability;
	event->error = result ? EPERM : 0;
	event->target_user_ns = namespace_of(target);
	event->syscall = current_syscall();
	event_submit(event);
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(asked_count_btf, const void *cred, const void *target, const void *capable, int capability, int result)
{
	return on_count(target, capability, result);
}

SEC("tp_btf/cap_capable")
int BPF_PROG(asked_check_btf, const void *cred, const void *target, const void *capable, int capability, int result)
{
	return on_check(target, capability, result);
}

SEC("fexit/cap_capable")
int BPF_PROG(count_fexit, const void *cred, const void *target, int capability, u32 options, int result)
{
	return on_count(target, capability, result);
}

SEC("fexit/cap_capable")
int BPF_PROG(check_fexit, const void *cred, const void *target, int capability, u32 options, int result)
{
	return on_check(target, capability, result);
}

/* A return probe does not know what was asked. */
struct asked {
	const void *target;
	int capability;
	u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct asked);
} asked SEC(".maps");

SEC("kprobe/cap_capable")
int BPF_KPROBE(asked_kprobe, const void *cred, const void *target, int capability)
{
	struct asked now = {.target = target, .capability = capability};
	u32 tid = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&asked, &tid, &now, BPF_ANY);
	return 0;
}

SEC("kretprobe/cap_capable")
int BPF_KRETPROBE(count_kretprobe, int result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct asked *now = bpf_map_lookup_elem(&asked, &tid);

	return now ? on_count(now->target, now->capability, result) : 0;
}

SEC("kretprobe/cap_capable")
int BPF_KRETPROBE(check_kretprobe, int result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct asked *now = bpf_map_lookup_elem(&asked, &tid);

	return now ? on_check(now->target, now->capability, result) : 0;
}
