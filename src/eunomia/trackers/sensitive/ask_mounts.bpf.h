/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What calls about mounts and roots were asked to do. */
#ifndef __SENSITIVE_ASK_MOUNTS_BPF_H
#define __SENSITIVE_ASK_MOUNTS_BPF_H

#include "request.bpf.h"

#define MS_REMOUNT 0x20 /* include/uapi/linux/mount.h */
#define MS_MOVE 0x2000
#define MS_REC 0x4000 /* bind with all that lies below: the newest mount is one of those */
#define MS_CHANGE_TYPE (0x20000 | 0x40000 | 0x80000 | 0x100000) /* unbindable, private, slave, shared */

#define OPEN_TREE_CLONE 1 /* a copy of a mount, which lies nowhere yet */

static __always_inline bool read_mount(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	request->kind = KIND_MOUNT;
	request->name2 = args[0];
	name_at(request, AT_FDCWD, args[1]);
	request->text = args[2];
	request->flags = args[3];
	if (!call->result && !(args[3] & (MS_REMOUNT | MS_MOVE | MS_REC | MS_CHANGE_TYPE)))
		request->where = WHERE_MOUNT;
	return true;
}

static __always_inline bool read_move_mount(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	request->kind = KIND_MOVE_MOUNT;
	request->flags = args[4];
	name_at(request, args[2], args[3]);
	request->name2 = args[1];
	if (!call->result && (s32)args[0] >= 0)
		file_at(request, args[0]); /* that mount now lies there */
	return true;
}

static __always_inline bool read_mount_call(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	switch (call->call) {
	case CALL_MOUNT:
		return read_mount(call, request);
	case CALL_UMOUNT:
	case CALL_UMOUNT2:
		request->kind = KIND_UMOUNT;
		name_at(request, AT_FDCWD, args[0]);
		request->flags = call->call == CALL_UMOUNT ? 0 : args[1];
		return true;
	case CALL_MOUNT_SETATTR:
		request->kind = KIND_MOUNT_SETATTR;
		name_at(request, args[0], args[1]);
		request->flags = user_u64(args[3]); /* attr_set */
		return true;
	case CALL_MOVE_MOUNT:
		return read_move_mount(call, request);
	case CALL_OPEN_TREE:
	case CALL_OPEN_TREE_ATTR:
		request->kind = KIND_OPEN_TREE;
		request->flags = args[2];
		name_at(request, args[0], args[1]);
		break;
	case CALL_FSOPEN:
		request->kind = KIND_FSOPEN;
		request->text = args[0];
		request->flags = args[1];
		break;
	case CALL_FSCONFIG:
		request->kind = KIND_FSCONFIG;
		request->command = args[1];
		request->text = args[2];
		if (request->command == 1 || request->command == 3) /* FSCONFIG_SET_STRING, _PATH */
			request->name2 = args[3];
		request->fd = args[0];
		return true;
	case CALL_FSMOUNT:
		request->kind = KIND_FSMOUNT;
		request->flags = args[2];
		break;
	case CALL_PIVOT_ROOT:
	case CALL_CHROOT:
		request->kind = call->call == CALL_CHROOT ? KIND_CHROOT : KIND_PIVOT_ROOT;
		name_at(request, AT_FDCWD, args[0]);
		if (call->call == CALL_PIVOT_ROOT)
			request->name2 = args[1];
		if (!call->result)
			request->where = WHERE_ROOT;
		return true;
	}
	if (call->result >= 0) {
		request->fd = call->result;
		if (call->call != CALL_FSOPEN && !(request->kind == KIND_OPEN_TREE && args[2] & OPEN_TREE_CLONE))
			file_at(request, call->result);
	}
	return true;
}

#endif
