/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a process changes about itself: credentials, namespaces, its name.
 *
 * Where functions of the kernel can be hooked, commit_creds() and switch_task_namespaces() are all there is to see, and
 * nothing else gets slower. Elsewhere what was there is noted as a call begins, and compared when it returns.
 */
#ifndef __PROCESS_CHANGES_BPF_H
#define __PROCESS_CHANGES_BPF_H

#include "event.bpf.h"

#define NAMESPACES 8

const volatile bool credentials DOC("whether changes of credentials are reported") = true;
const volatile bool namespaces DOC("whether changes of namespaces are reported") = true;
const volatile bool changes_failed DOC("whether calls are reported that could not change them") = false;
const volatile bool fork_namespaces DOC("whether children made in namespaces of their own are reported") = false;
const volatile bool forks DOC("whether forks are reported") = true;

enum call {
	CALL_OTHER,
	CALL_EXECVE,
	CALL_EXECVEAT,
	CALL_SETNS,
	CALL_UNSHARE,
	/* from here on: credentials alone */
	CALL_CAPSET,
	CALL_PRCTL,
	CALL_SETFSGID,
	CALL_SETFSGID32,
	CALL_SETFSUID,
	CALL_SETFSUID32,
	CALL_SETGID,
	CALL_SETGID32,
	CALL_SETGROUPS,
	CALL_SETGROUPS32,
	CALL_SETREGID,
	CALL_SETREGID32,
	CALL_SETRESGID,
	CALL_SETRESGID32,
	CALL_SETRESUID,
	CALL_SETRESUID32,
	CALL_SETREUID,
	CALL_SETREUID32,
	CALL_SETUID,
	CALL_SETUID32,
};

CALLS(enum call);

static __always_inline u64 read_capabilities(const void *set)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), set);
	return value;
}

#define CAPABILITIES(cred, member)                                                                                     \
	read_capabilities((void *)(cred) + bpf_core_field_offset(struct cred___process, member))

static __always_inline void read_credentials(struct credentials *out, struct cred___process *cred)
{
	out->uid = BPF_CORE_READ(cred, uid.val);
	out->euid = BPF_CORE_READ(cred, euid.val);
	out->suid = BPF_CORE_READ(cred, suid.val);
	out->fsuid = BPF_CORE_READ(cred, fsuid.val);
	out->gid = BPF_CORE_READ(cred, gid.val);
	out->egid = BPF_CORE_READ(cred, egid.val);
	out->sgid = BPF_CORE_READ(cred, sgid.val);
	out->fsgid = BPF_CORE_READ(cred, fsgid.val);
	out->inheritable = CAPABILITIES(cred, cap_inheritable);
	out->permitted = CAPABILITIES(cred, cap_permitted);
	out->effective = CAPABILITIES(cred, cap_effective);
	out->ambient = CAPABILITIES(cred, cap_ambient);
	out->groups = (u64)BPF_CORE_READ(cred, group_info);
}

static __always_inline bool are_equal(const struct credentials *a, const struct credentials *b)
{
	return a->uid == b->uid && a->euid == b->euid && a->suid == b->suid && a->fsuid == b->fsuid &&
	       a->gid == b->gid && a->egid == b->egid && a->sgid == b->sgid && a->fsgid == b->fsgid &&
	       a->inheritable == b->inheritable && a->permitted == b->permitted && a->effective == b->effective &&
	       a->ambient == b->ambient && a->groups == b->groups;
}

static __noinline int report_credentials(const struct credentials *old, const struct credentials *new, u32 code,
					 u32 error)
{
	struct event *event;

	if (!old || !new || !filter_pass_current())
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill_current((struct event_base *)event);
	fill(event, current_task(), KIND_CREDENTIALS);
	event->uid = new->uid; /* a hook may come before the change */
	event->gid = new->gid;
	event->syscall = code;
	event->error = error;
	event->old_uid = old->uid;
	event->old_euid = old->euid;
	event->old_suid = old->suid;
	event->euid = new->euid;
	event->old_gid = old->gid;
	event->old_egid = old->egid;
	event->egid = new->egid;
	event->old_effective = old->effective;
	event->effective = new->effective;
	event->old_permitted = old->permitted;
	event->permitted = new->permitted;
	event_submit(event);
	return 0;
}

static __always_inline void read_namespaces(u32 *out, struct nsproxy___process *nsproxy, struct cred___process *cred)
{
	out[NAMESPACE_CGROUP] = BPF_CORE_READ(nsproxy, cgroup_ns, ns.inum);
	out[NAMESPACE_IPC] = BPF_CORE_READ(nsproxy, ipc_ns, ns.inum);
	out[NAMESPACE_MNT] = BPF_CORE_READ(nsproxy, mnt_ns, ns.inum);
	out[NAMESPACE_NET] = BPF_CORE_READ(nsproxy, net_ns, ns.inum);
	out[NAMESPACE_PID] = BPF_CORE_READ(nsproxy, pid_ns_for_children, ns.inum);
	out[NAMESPACE_TIME] = BPF_CORE_READ(nsproxy, time_ns_for_children, ns.inum);
	out[NAMESPACE_USER] = BPF_CORE_READ(cred, user_ns, ns.inum);
	out[NAMESPACE_UTS] = BPF_CORE_READ(nsproxy, uts_ns, ns.inum);
}

/* `call` has the call's code, and above 16 bits the error. */
static __noinline int report_namespace(struct task_struct *task, u32 namespace, u32 old, u32 new, u32 call)
{
	struct event *event = event_reserve(struct event);

	if (!event)
		return 0;
	event_fill((struct event_base *)event, task);
	fill(event, task, KIND_NAMESPACE);
	event->namespace = namespace;
	event->old_ns = old;
	event->new_ns = new;
	event->syscall = call;
	event->error = call >> 16;
	if (namespace == NAMESPACE_MNT)
		event->mnt_ns = new;
	else if (namespace == NAMESPACE_USER)
		event->user_ns = new;
	event_submit(event);
	return 0;
}

static __always_inline void report_namespaces(struct task_struct *task, const u32 *old, const u32 *new, u32 call)
{
#pragma clang loop unroll(full)
	for (u32 namespace = 0; namespace < NAMESPACES; namespace ++)
		if (old[namespace] != new[namespace])
			report_namespace(task, namespace, old[namespace], new[namespace], call);
}

/* clone(2) makes a child in new namespaces at once. The child is the one that is in them. */
static __always_inline void report_namespaces_of_child(struct task_struct *child)
{
	struct task_struct___process *from = (void *)current_task(), *to = (void *)child;
	u32 old[NAMESPACES], new[NAMESPACES];

	read_namespaces(old, BPF_CORE_READ(from, nsproxy), BPF_CORE_READ(from, cred));
	read_namespaces(new, BPF_CORE_READ(to, nsproxy), BPF_CORE_READ(to, cred));
	report_namespaces(child, old, new, SYSCALL_NONE);
}

static __always_inline int on_credentials(struct cred___process *cred)
{
	struct task_struct___process *task = (void *)current_task();
	struct cred___process *old_cred = BPF_CORE_READ(task, cred);
	u32 old_ns = BPF_CORE_READ(old_cred, user_ns, ns.inum), new_ns = BPF_CORE_READ(cred, user_ns, ns.inum);
	struct credentials old, new;

	if (namespaces && old_ns != new_ns && filter_pass_current())
		report_namespace((struct task_struct *)task, NAMESPACE_USER, old_ns, new_ns, SYSCALL_NONE);
	if (!credentials)
		return 0;
	read_credentials(&old, old_cred);
	read_credentials(&new, cred);
	if (are_equal(&old, &new))
		return 0;
	return report_credentials(&old, &new, SYSCALL_NONE, 0);
}

static __always_inline int on_namespaces(struct task_struct *task, struct nsproxy___process *nsproxy)
{
	struct task_struct___process *current = (void *)task;
	struct cred___process *cred = BPF_CORE_READ(current, cred);
	u32 old[NAMESPACES], new[NAMESPACES];

	if (!namespaces || !nsproxy || !filter_pass_current()) /* none: the process ends */
		return 0;
	read_namespaces(old, BPF_CORE_READ(current, nsproxy), cred);
	read_namespaces(new, nsproxy, cred);
	report_namespaces(task, old, new, SYSCALL_NONE);
	return 0;
}

/* What a thread had when it began a call. */
struct state {
	struct credentials credentials;
	u32 namespaces[NAMESPACES];
	u32 code;
	u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* an exec by a thread changes its tid: that entry ages out */
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct state);
} states SEC(".maps");

static __always_inline int on_change_enter(u32 code)
{
	u32 call = syscall_call(code), tid = bpf_get_current_pid_tgid();
	struct task_struct___process *task;
	struct cred___process *cred;
	struct state state = {};

	if (!call || (!credentials && call != CALL_SETNS && call != CALL_UNSHARE))
		return 0;
	task = (void *)current_task();
	if (!filter_pass_current())
		return 0;
	cred = BPF_CORE_READ(task, cred);
	state.code = code;
	read_credentials(&state.credentials, cred);
	read_namespaces(state.namespaces, BPF_CORE_READ(task, nsproxy), cred);
	bpf_map_update_elem(&states, &tid, &state, BPF_ANY);
	return 0;
}

static __always_inline void compare_credentials(struct state *state, u32 error)
{
	struct task_struct___process *task = (void *)current_task();
	struct credentials new;

	read_credentials(&new, BPF_CORE_READ(task, cred));
	if (error || !are_equal(&state->credentials, &new))
		report_credentials(&state->credentials, &new, state->code, error);
}

static __always_inline void compare_namespaces(struct state *state)
{
	struct task_struct___process *task = (void *)current_task();
	u32 new[NAMESPACES];

	read_namespaces(new, BPF_CORE_READ(task, nsproxy), BPF_CORE_READ(task, cred));
	report_namespaces((struct task_struct *)task, state->namespaces, new, state->code);
}

static __always_inline int on_change_exit(u32 code, long result)
{
	u32 call = syscall_call(code), tid, error = result < 0 ? -result : 0;
	struct state *state;

	if (!call)
		return 0;
	tid = bpf_get_current_pid_tgid();
	state = bpf_map_lookup_elem(&states, &tid);
	if (!state)
		return 0;
	if (call == CALL_SETNS || call == CALL_UNSHARE) {
		if (namespaces && error && changes_failed)
			report_namespace(current_task(), NO_NAMESPACE, 0, 0, state->code | error << 16);
		else if (namespaces && !error)
			compare_namespaces(state);
		if (credentials && !error)
			compare_credentials(state, 0);
	} else if (call != CALL_EXECVE &&
		   call != CALL_EXECVEAT) { /* those that succeed, the hook of exec has reported */
		/* setfsuid(2) and setfsgid(2) give the id before, not an error; prctl(2) is mostly about other things.
		 */
		if (call == CALL_PRCTL || (call >= CALL_SETFSGID && call <= CALL_SETFSUID32))
			error = 0;
		if (credentials && (!error || changes_failed))
			compare_credentials(state, error);
	}
	bpf_map_delete_elem(&states, &tid);
	return 0;
}

/* The same after an exec, which may return by another entry than it came by. */
static __always_inline int on_changes_by_exec(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct state *state;

	if (!credentials)
		return 0;
	state = bpf_map_lookup_elem(&states, &tid);
	if (!state)
		return 0;
	compare_credentials(state, 0);
	bpf_map_delete_elem(&states, &tid);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(changes_exec_btf)
{
	return on_changes_by_exec();
}

SEC("raw_tp/sched_process_exec")
int BPF_PROG(changes_exec_raw)
{
	return on_changes_by_exec();
}

static __always_inline int on_rename(struct task_struct *task, const char *comm)
{
	struct task_struct___process *renamed = (void *)task;
	struct event *event;

	/* What an exec renames is an exec. */
	if (BPF_CORE_READ(renamed, flags) & PF_KTHREAD || BPF_CORE_READ_BITFIELD_PROBED(renamed, in_execve))
		return 0;
	if (!filter_pass(task))
		return 0;
	event = event_reserve(struct event);
	if (!event)
		return 0;
	event_fill((struct event_base *)event, task);
	fill(event, task, KIND_COMM);
	__builtin_memcpy(event->old_comm, event->comm, sizeof(event->old_comm));
	bpf_probe_read_kernel_str(event->comm, sizeof(event->comm), comm);
	event_submit(event);
	return 0;
}

#endif
