/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What calls about the machine as a whole were asked to do: modules, clocks, keys, quotas. */
#ifndef __SENSITIVE_ASK_KERNEL_BPF_H
#define __SENSITIVE_ASK_KERNEL_BPF_H

#include "request.bpf.h"

#define PERSONALITY_QUERY 0xffffffff
#define RESTART2 0xa1b2c3d4 /* LINUX_REBOOT_CMD_RESTART2 */

/* Of the quota calls: the command, and the path of the device or the file that says which file system. */
static __always_inline bool read_quota(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	request->kind = KIND_QUOTACTL;
	if (call->call == CALL_QUOTACTL_FD) {
		file_at(request, args[0]);
		request->command = args[1];
	} else {
		request->command = args[0];
		if (args[1])
			name_at(request, AT_FDCWD, args[1]);
	}
	return true;
}

static __always_inline bool read_kernel_call(const struct returned *call, struct request *request)
{
	const u64 *args = call->args;

	switch (call->call) {
	case CALL_INIT_MODULE:
		request->kind = KIND_INIT_MODULE;
		request->text = args[2]; /* its parameters: the name lies in the image */
		return true;
	case CALL_FINIT_MODULE:
		request->kind = KIND_FINIT_MODULE;
		request->text = args[1];
		request->flags = args[2];
		file_at(request, args[0]);
		return true;
	case CALL_DELETE_MODULE:
		request->kind = KIND_DELETE_MODULE;
		request->text = args[0];
		request->flags = args[1];
		return true;
	case CALL_KEXEC_LOAD:
		request->kind = KIND_KEXEC_LOAD;
		request->flags = args[3];
		return true;
	case CALL_KEXEC_FILE_LOAD:
		request->kind = KIND_KEXEC_FILE_LOAD;
		request->text = args[3];
		request->flags = args[4];
		file_at(request, args[0]);
		return true;
	case CALL_REBOOT:
		request->kind = KIND_REBOOT;
		request->command = args[2];
		if (request->command == RESTART2)
			request->text = args[3];
		return true;
	case CALL_SWAPON:
		request->kind = KIND_SWAPON;
		request->flags = args[1];
		name_at(request, AT_FDCWD, args[0]);
		return true;
	case CALL_SETTIMEOFDAY:
	case CALL_CLOCK_SETTIME:
	case CALL_CLOCK_SETTIME64:
		request->kind = call->call == CALL_SETTIMEOFDAY ? KIND_SETTIMEOFDAY : KIND_CLOCK_SETTIME;
		return true;
	case CALL_SETHOSTNAME:
		request->kind = KIND_SETHOSTNAME;
		request->text = args[0];
		return true;
	case CALL_PERSONALITY:
		request->kind = KIND_PERSONALITY;
		request->flags = args[0];
		return request->flags != PERSONALITY_QUERY;
	case CALL_QUOTACTL:
	case CALL_QUOTACTL_FD:
		return read_quota(call, request);
	case CALL_ACCT:
		request->kind = KIND_ACCT;
		if (args[0])
			name_at(request, AT_FDCWD, args[0]);
		return true;
	case CALL_IOPL:
	case CALL_IOPERM:
		request->kind = call->call == CALL_IOPL ? KIND_IOPL : KIND_IOPERM;
		return true;
	case CALL_KEYCTL:
		request->kind = KIND_KEYCTL;
		request->command = args[0];
		return true;
	case CALL_ADD_KEY:
	case CALL_REQUEST_KEY:
		request->kind = call->call == CALL_ADD_KEY ? KIND_ADD_KEY : KIND_REQUEST_KEY;
		request->name2 = args[0];
		request->text = args[1];
		return true;
	}
	return false;
}

#endif
