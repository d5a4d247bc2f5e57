// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What cap_capable() decides: every question of the kernel whether a task has a capability ends there, whatever other
 * security modules say. Since 6.14 a tracepoint tells it, before that its return.
 */
#include "arrivals.bpf.h"
#include "knowledge.bpf.h"
#include "totals.bpf.h"

#define EPERM 1
#define DENIALS_MOST 4	 /* in one call */
#define OPTION_NOAUDIT 2 /* CAP_OPT_NOAUDIT, include/linux/security.h */
#define OPTIONS_UNKNOWN ~0u
#define FAILED_UNKNOWN ~0ULL

enum kind {
	KIND_CHECK,
};

struct event {
	struct event_base;
	enum kind event DOC("check: the kernel asked");
	capability_t capability DOC("the capability that was asked for");
	optional_bool_t dispensable
		DOC("whether the call would have done the same without; none where its arguments do not say");
	errno_t error DOC("EPERM where it was not there; none where it was");
	namespace_t target_user_ns DOC("user namespace that it was asked for in");
	syscall_nr_t syscall DOC("the system call that needed it; none where the kernel cannot tell");
	optional_bool_t audit DOC("whether a refusal is for the audit log; none where the kernel does not tell");
	bool borrowed DOC("whether credentials were asked that the kernel lent, such as an overlay file system's");
};

EVENTS(struct event, 1024 * 1024);

struct key {
	u64 mm; /* a program: what a pid stands for changes by an exec */
	u32 pid;
	u32 target_user_ns;
	u16 syscall;
	errno_t error;
	u8 capability;
	u8 dispensable;
	u8 audit;
	u8 borrowed;
	u8 by_runtime;
	u8 _pad[6];
};

struct total {
	struct event_base;
	u64 count DOC("how often it was asked for");
	optional_count_t failed DOC("with --needs: how often it was not there and the system call then failed");
	capability_t capability DOC("the capability that was asked for");
	optional_bool_t dispensable
		DOC("whether the call would have done the same without; none where its arguments do not say");
	errno_t error DOC("EPERM where it was not there; none where it was");
	namespace_t target_user_ns DOC("user namespace that it was asked for in");
	syscall_nr_t syscall DOC("the system call that needed it; none where the kernel cannot tell");
	optional_bool_t audit DOC("whether a refusal is for the audit log; none where the kernel does not tell");
	bool borrowed DOC("whether credentials were asked that the kernel lent, such as an overlay file system's");
	optional_bool_t by_runtime DOC("with --needs: whether a container's runtime did it, before the first program");
	u8 _pad[3];
};

TOTALS(struct key, struct total, 8192);

const volatile bool denied DOC("whether only what was denied is told") = false;
const volatile bool needs DOC("whether what tells a need is told too") = false;

/* Of the system call that is under way. */
static __always_inline struct pt_regs *current_regs(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) /* 5.15 */
		return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return regs_on_stack();
}

static __always_inline struct question question_of(const void *cred, int capability)
{
	struct question question = {.cred = cred, .regs = current_regs(), .capability = capability};

	question.code = question.regs ? syscall_code(question.regs) : SYSCALL_NONE;
	if (question.code == SYSCALL_NONE)
		question.regs = 0;
	return question;
}

static __always_inline u32 namespace_of(const void *target)
{
	return BPF_CORE_READ((const struct user_namespace *)target, ns.inum);
}

static __always_inline u8 is_for_audit(u32 options)
{
	return options == OPTIONS_UNKNOWN ? OPTIONAL_NONE : !(options & OPTION_NOAUDIT);
}

static __noinline struct total *add(const struct key *key)
{
	struct total first = {};

	event_fill_current((struct event_base *)&first);
	first.failed = needs ? 0 : FAILED_UNKNOWN;
	first.capability = key->capability;
	first.dispensable = key->dispensable;
	first.error = key->error;
	first.target_user_ns = key->target_user_ns;
	first.syscall = key->syscall;
	first.audit = key->audit;
	first.borrowed = key->borrowed;
	first.by_runtime = key->by_runtime;
	return totals_add(key, &first);
}

/* What a thread's call under way was denied, each capability once; whether that mattered its result tells. */
struct denial {
	u64 count;
	struct key keys[DENIALS_MOST];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* not every call returns */
	__uint(max_entries, 4096);
	__type(key, u32); /* thread */
	__type(value, struct denial);
} denials SEC(".maps");

static __noinline int note_denial(const struct key *key)
{
	struct denial first = {.count = 1};
	u32 tid = bpf_get_current_pid_tgid();
	struct denial *before = bpf_map_lookup_elem(&denials, &tid);

	if (!before) {
		first.keys[0] = *key;
		return bpf_map_update_elem(&denials, &tid, &first, BPF_ANY);
	}
	for (u32 index = 0; index < DENIALS_MOST; index++) {
		if (index == before->count) {
			before->keys[index] = *key;
			before->count++;
			return 0;
		}
		if (before->keys[index].capability == key->capability)
			return 0;
	}
	return 0;
}

static __noinline int count_failed(const struct denial *denial)
{
	struct total *total;
	struct key key;

	for (u32 index = 0; index < DENIALS_MOST && index < denial->count; index++) {
		key = denial->keys[index];
		total = totals_find(&key) ?: add(&key);
		if (total)
			__sync_fetch_and_add(&total->failed, 1);
	}
	return 0;
}

/* After a signal: -ERESTARTSYS to -ERESTARTNOHAND, -ERESTART_RESTARTBLOCK (include/linux/errno.h). */
static __always_inline bool is_begun_anew(long result)
{
	return (result <= -512 && result >= -514) || result == -516;
}

static __always_inline int on_finish(long result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct denial *denial = bpf_map_lookup_elem(&denials, &tid);

	if (!denial)
		return 0;
	if (result < 0 && result >= -SYSCALL_MAX_ERRNO && !is_begun_anew(result))
		count_failed(denial);
	bpf_map_delete_elem(&denials, &tid);
	return 0;
}

RELAY(finish_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(finish_btf, struct pt_regs *regs, long result)
{
	on_finish(result);
	relay(ctx, finish_btf);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(finish_raw, struct pt_regs *regs, long result)
{
	return on_finish(result);
}

static __always_inline int on_count(const void *cred, const void *target, int capability, u32 options, int result)
{
	struct key key = {.capability = capability, .error = result ? EPERM : 0};
	struct question question;
	struct total *total;

	if ((denied && !result) || !filter_pass_current())
		return 0;
	question = question_of(cred, capability);
	key.mm = (u64)BPF_CORE_READ(current_task(), mm);
	key.pid = bpf_get_current_pid_tgid() >> 32;
	key.target_user_ns = namespace_of(target);
	key.syscall = question.code;
	key.dispensable = is_dispensable(&question);
	key.audit = is_for_audit(options);
	key.borrowed = is_borrowed(&question);
	key.by_runtime = needs ? is_arrival(task_cgroup_id(current_task())) : OPTIONAL_NONE;
	total = totals_find(&key) ?: add(&key);
	if (total)
		__sync_fetch_and_add(&total->count, 1);
	if (needs && result && !key.borrowed)
		note_denial(&key);
	return 0;
}

static __always_inline int on_check(const void *cred, const void *target, int capability, u32 options, int result)
{
	struct question question;
	struct event *event;

	if ((denied && !result) || !filter_pass_current())
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	question = question_of(cred, capability);
	event_fill_current((struct event_base *)event);
	event->event = KIND_CHECK;
	event->capability = capability;
	event->dispensable = is_dispensable(&question);
	event->error = result ? EPERM : 0;
	event->target_user_ns = namespace_of(target);
	event->syscall = question.code;
	event->audit = is_for_audit(options);
	event->borrowed = is_borrowed(&question);
	event_submit(event);
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(asked_count_btf, const void *cred, const void *target, const void *capable, int capability, int result)
{
	return on_count(cred, target, capability, OPTIONS_UNKNOWN, result);
}

SEC("tp_btf/cap_capable")
int BPF_PROG(asked_check_btf, const void *cred, const void *target, const void *capable, int capability, int result)
{
	return on_check(cred, target, capability, OPTIONS_UNKNOWN, result);
}

SEC("fexit/cap_capable")
int BPF_PROG(count_fexit, const void *cred, const void *target, int capability, u32 options, int result)
{
	return on_count(cred, target, capability, options, result);
}

SEC("fexit/cap_capable")
int BPF_PROG(check_fexit, const void *cred, const void *target, int capability, u32 options, int result)
{
	return on_check(cred, target, capability, options, result);
}

/* A return probe does not know what was asked. */
struct asked {
	const void *cred;
	const void *target;
	int capability;
	u32 options;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct asked);
} asked SEC(".maps");

SEC("kprobe/cap_capable")
int BPF_KPROBE(asked_kprobe, const void *cred, const void *target, int capability, u32 options)
{
	struct asked now = {.cred = cred, .target = target, .capability = capability, .options = options};
	u32 tid = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&asked, &tid, &now, BPF_ANY);
	return 0;
}

SEC("kretprobe/cap_capable")
int BPF_KRETPROBE(count_kretprobe, int result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct asked *now = bpf_map_lookup_elem(&asked, &tid);

	return now ? on_count(now->cred, now->target, now->capability, now->options, result) : 0;
}

SEC("kretprobe/cap_capable")
int BPF_KRETPROBE(check_kretprobe, int result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct asked *now = bpf_map_lookup_elem(&asked, &tid);

	return now ? on_check(now->cred, now->target, now->capability, now->options, result) : 0;
}
