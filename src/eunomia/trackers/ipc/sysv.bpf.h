/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* System V: shared memory, semaphores, message queues. */
#ifndef __IPC_SYSV_BPF_H
#define __IPC_SYSV_BPF_H

#include "party.bpf.h"

#define IPC_RMID 0
#define IPC_64 0x100 /* ipc/util.h: set by callers of a 32-bit entry */
#define IPC_INDEX                                                                                                      \
	0x7fff /* the part of an id that is its place: IPCMNI_SHIFT, without the boot option ipcmni_extend             \
		*/
#define IPC_DEPTH 3

/* The objects of the current process's IPC namespace, an array that is a tree or, of one entry at 0, that entry. */
static __always_inline void *ids_of(enum kind kind)
{
	struct task_struct___ipc *task = (void *)current_task();
	struct ipc_namespace *ipc_ns = BPF_CORE_READ(task, nsproxy, ipc_ns);

	/* IPC_SEM_IDS, IPC_MSG_IDS, IPC_SHM_IDS: include/linux/ipc_namespace.h, ipc/util.h */
	if (kind == KIND_SYSV_SEM)
		return BPF_CORE_READ(ipc_ns, ids[0].ipcs_idr.idr_rt.xa_head);
	if (kind == KIND_SYSV_MSG)
		return BPF_CORE_READ(ipc_ns, ids[1].ipcs_idr.idr_rt.xa_head);
	return BPF_CORE_READ(ipc_ns, ids[2].ipcs_idr.idr_rt.xa_head);
}

static __always_inline struct kern_ipc_perm *perm_of(enum kind kind, s32 id)
{
	struct kern_ipc_perm *perm = radix_find(ids_of(kind), id & IPC_INDEX, IPC_DEPTH);

	return perm && (s32)BPF_CORE_READ(perm, id) == id ? perm : 0;
}

/* What the kernel keeps with the object: its key, its size, who made it or was last at its other end. */
static __noinline int describe(struct found *found)
{
	struct kern_ipc_perm *perm;
	struct shmid_kernel *shm;
	struct msg_queue *queue;

	if (!found)
		return 0;
	perm = perm_of(found->event.kind, found->event.ipc_id);
	if (!perm)
		return 0;
	found->event.key = BPF_CORE_READ(perm, key);
	if (found->event.kind == KIND_SYSV_SHM) {
		shm = (void *)perm - bpf_core_field_offset(struct shmid_kernel, shm_perm);
		found->event.bytes = BPF_CORE_READ(shm, shm_segsz);
		set_peer_pid(found, BPF_CORE_READ(shm, shm_cprid), false);
	} else if (found->event.kind == KIND_SYSV_MSG) {
		queue = (void *)perm - bpf_core_field_offset(struct msg_queue, q_perm);
		if (found->event.event == OPERATION_MSG_RECEIVE)
			set_peer_pid(found, BPF_CORE_READ(queue, q_lspid), false);
		else
			set_peer_pid(found, BPF_CORE_READ(queue, q_lrpid), false);
	}
	return 0;
}

static __always_inline struct found *begin_sysv(enum operation operation, enum kind kind, s32 id, long result)
{
	struct task_struct___ipc *task = (void *)current_task();
	struct found *found = begin(operation, kind, result);

	if (!found)
		return 0;
	found->event.ipc_id = id;
	found->object = (u32)id;
	found->space = BPF_CORE_READ(task, nsproxy, ipc_ns, ns.inum);
	return found;
}

static __noinline int on_sysv_get(enum operation operation, enum kind kind, u32 key, long result)
{
	struct found *found = begin_sysv(operation, kind, result < 0 ? -1 : result, result);

	if (!found)
		return 0;
	if (result >= 0)
		describe(found);
	found->event.key = key;
	meet(found);
	return report(found);
}

static __noinline int on_sysv_use(enum operation operation, enum kind kind, s32 id, s64 bytes, long result)
{
	struct found *found = begin_sysv(operation, kind, id, result);

	if (!found)
		return 0;
	found->use = operation != OPERATION_SHM_ATTACH;
	describe(found);
	if (bytes >= 0)
		found->event.bytes = bytes;
	meet(found);
	return report(found);
}

static __noinline int on_sysv_control(enum operation operation, enum kind kind, s32 id, u32 command, long result)
{
	struct found *found;

	if ((command & ~IPC_64) != IPC_RMID)
		return 0;
	found = begin_sysv(operation, kind, id, result);
	if (!found)
		return 0;
	if (result < 0)
		describe(found);
	meet(found);
	return report(found);
}

/* Which segment lies where: shmdt(2) tells no id. */
struct place_key {
	u64 address;
	u32 pid;
	u32 _pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct place_key);
	__type(value, s32);
} attached SEC(".maps");

static __always_inline int on_shm_attach(s32 id, u64 address, long result)
{
	struct place_key key = {.address = address, .pid = bpf_get_current_pid_tgid() >> 32};

	if (result >= 0 || result < -4095) /* an address may look negative, at the 32-bit entry */
		bpf_map_update_elem(&attached, &key, &id, BPF_ANY);
	return on_sysv_use(OPERATION_SHM_ATTACH, KIND_SYSV_SHM, id, -1, result < -4095 ? 0 : result);
}

static __noinline int on_shm_detach(u64 address, long result)
{
	struct place_key key = {.address = address, .pid = bpf_get_current_pid_tgid() >> 32};
	s32 *known = bpf_map_lookup_elem(&attached, &key), id = known ? *known : -1;
	struct found *found = begin_sysv(OPERATION_SHM_DETACH, KIND_SYSV_SHM, id, result);

	if (known && result >= 0)
		bpf_map_delete_elem(&attached, &key);
	if (!found)
		return 0;
	if (known) {
		describe(found);
		meet(found);
	}
	return report(found);
}

#endif
