// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "event.bpf.h"
#include "submitted.bpf.h"
#include "sysv.bpf.h"
#include "traffic.bpf.h"

enum call {
	CALL_OTHER,
	CALL_ACCEPT,
	CALL_ACCEPT4,
	CALL_BIND,
	CALL_CONNECT,
	CALL_CREAT,
	CALL_IO_URING_ENTER,
	CALL_IPC,
	CALL_MQ_OPEN,
	CALL_MQ_TIMEDRECEIVE,
	CALL_MQ_TIMEDRECEIVE_TIME64,
	CALL_MQ_TIMEDSEND,
	CALL_MQ_TIMEDSEND_TIME64,
	CALL_MQ_UNLINK,
	CALL_MSGCTL,
	CALL_MSGGET,
	CALL_MSGRCV,
	CALL_MSGSND,
	CALL_OPEN,
	CALL_OPENAT,
	CALL_OPENAT2,
	CALL_PIPE,
	CALL_PIPE2,
	CALL_SEMCTL,
	CALL_SEMGET,
	CALL_SEMOP,
	CALL_SEMTIMEDOP,
	CALL_SEMTIMEDOP_TIME64,
	CALL_SENDMSG,
	CALL_SENDTO,
	CALL_SHMAT,
	CALL_SHMCTL,
	CALL_SHMDT,
	CALL_SHMGET,
	CALL_SOCKETCALL,
	CALL_SOCKETPAIR,
	CALL_UNLINK,
	CALL_UNLINKAT,
	/* from here on: traffic alone */
	CALL_READ,
	CALL_READV,
	CALL_RECV,
	CALL_RECVFROM,
	CALL_RECVMMSG,
	CALL_RECVMMSG_TIME64,
	CALL_RECVMSG,
	CALL_SEND,
	CALL_SENDMMSG,
	CALL_SPLICE,
	CALL_WRITE,
	CALL_WRITEV,
};

CALLS(enum call);

/* In each function that has it: `typed`, a constant, says whether `regs` may be followed. */
#define ARG(index) syscall_arg_of(typed, regs, code, index)

static __always_inline int on_sysv(u32 call, u64 first, u64 second, u64 third, long result)
{
	switch (call) {
	case CALL_SHMGET:
		return on_sysv_get(OPERATION_SHM_GET, KIND_SYSV_SHM, first, result);
	case CALL_SHMAT:
		return on_shm_attach(first, result, result);
	case CALL_SHMDT:
		return on_shm_detach(first, result);
	case CALL_SHMCTL:
		return on_sysv_control(OPERATION_SHM_REMOVE, KIND_SYSV_SHM, first, second, result);
	case CALL_SEMGET:
		return on_sysv_get(OPERATION_SEM_GET, KIND_SYSV_SEM, first, result);
	case CALL_SEMOP:
		return on_sysv_use(OPERATION_SEM_OP, KIND_SYSV_SEM, first, -1, result);
	case CALL_SEMCTL:
		return on_sysv_control(OPERATION_SEM_REMOVE, KIND_SYSV_SEM, first, third, result);
	case CALL_MSGGET:
		return on_sysv_get(OPERATION_MSG_GET, KIND_SYSV_MSG, first, result);
	case CALL_MSGSND:
		return on_sysv_use(OPERATION_MSG_SEND, KIND_SYSV_MSG, first, third, result);
	case CALL_MSGRCV:
		return on_sysv_use(OPERATION_MSG_RECEIVE, KIND_SYSV_MSG, first, result, result);
	case CALL_MSGCTL:
		return on_sysv_control(OPERATION_MSG_REMOVE, KIND_SYSV_MSG, first, second, result);
	}
	return 0;
}

/* ipc(2), the one call for all of System V that 32-bit programs have: ipc/syscall.c. */
static __always_inline int on_ipc(bool typed, struct pt_regs *regs, u32 code, long result)
{
	/* SEMOP 1 … SEMTIMEDOP 4, MSGSND 11 … MSGCTL 14, SHMAT 21 … SHMCTL 24: include/uapi/linux/ipc.h */
	u32 number = ARG(0) & 0xffff, first = ARG(1), second = ARG(2), third = ARG(3), at = ARG(4), address = 0;

	switch (number) {
	case 1:
	case 4:
		return on_sysv(CALL_SEMOP, first, 0, 0, result);
	case 2:
		return on_sysv(CALL_SEMGET, first, 0, 0, result);
	case 3:
		return on_sysv(CALL_SEMCTL, first, 0, third, result);
	case 11:
		return on_sysv(CALL_MSGSND, first, 0, second, result);
	case 12:
		return on_sysv(CALL_MSGRCV, first, 0, 0, result);
	case 13:
		return on_sysv(CALL_MSGGET, first, 0, 0, result);
	case 14:
		return on_sysv(CALL_MSGCTL, first, second, 0, result);
	case 21: /* gives the address by a pointer */
		if (!result)
			bpf_probe_read_user(&address, sizeof(address), (void *)(u64)third);
		return on_shm_attach(first, address, result);
	case 22:
		return on_sysv(CALL_SHMDT, at, 0, 0, result);
	case 23:
		return on_sysv(CALL_SHMGET, first, 0, 0, result);
	case 24:
		return on_sysv(CALL_SHMCTL, first, second, 0, result);
	}
	return 0;
}

static __always_inline int on_message(u32 fd, const void *message, bool compat, long result)
{
	/* struct user_msghdr, struct compat_msghdr: name and its length come first. */
	struct {
		u64 name;
		u32 length;
	} header = {};
	struct {
		u32 name;
		u32 length;
	} narrow = {};

	if (!compat) {
		if (bpf_probe_read_user(&header, 12, message))
			return 0;
		return on_send(fd, (void *)header.name, header.length, result, result);
	}
	if (bpf_probe_read_user(&narrow, sizeof(narrow), message))
		return 0;
	return on_send(fd, (void *)(u64)narrow.name, narrow.length, result, result);
}

/* socketcall(2), the same for sockets: net/socket.c, SYS_… of include/uapi/linux/net.h. */
static __always_inline int on_socketcall(bool typed, struct pt_regs *regs, u32 code, long result)
{
	u32 number = ARG(0), args[6] = {};

	if (bpf_probe_read_user(args, number == 11 ? sizeof(args) : 4 * sizeof(u32), (void *)ARG(1)))
		return 0;
	switch (number) {
	case 2:
		return on_bind(args[0], (void *)(u64)args[1], args[2], result);
	case 3:
		return on_connect(args[0], (void *)(u64)args[1], args[2], result);
	case 5:
	case 18:
		return on_accept(args[0], result);
	case 8:
		return on_socketpair(args[0], (void *)(u64)args[3], result);
	case 11:
		return on_send(args[0], (void *)(u64)args[4], args[5], result, result);
	case 16:
		return on_message(args[0], (void *)(u64)args[1], true, result);
	}
	return 0;
}

static __always_inline int on_exit(bool typed, struct pt_regs *regs, u32 code, long result)
{
	u32 call = syscall_call(code);

	if (!call || call >= CALL_READ)
		return 0;
	switch (call) {
	case CALL_CREAT:
	case CALL_OPEN:
		return on_open((void *)ARG(0), result);
	case CALL_OPENAT:
	case CALL_OPENAT2:
		return on_open((void *)ARG(1), result);
	case CALL_SENDTO:
		return on_send(ARG(0), (void *)ARG(4), ARG(5), result, result);
	case CALL_SENDMSG:
		return on_message(ARG(0), (void *)ARG(1), code / SYSCALL_ENTRY == 1, result);
	case CALL_ACCEPT:
	case CALL_ACCEPT4:
		return on_accept(ARG(0), result);
	case CALL_CONNECT:
		return on_connect(ARG(0), (void *)ARG(1), ARG(2), result);
	case CALL_BIND:
		return on_bind(ARG(0), (void *)ARG(1), ARG(2), result);
	case CALL_SOCKETPAIR:
		return on_socketpair(ARG(0), (void *)ARG(3), result);
	case CALL_SOCKETCALL:
		return on_socketcall(typed, regs, code, result);
	case CALL_PIPE:
	case CALL_PIPE2:
		return on_pipe((void *)ARG(0), result);
	case CALL_UNLINK:
		return on_unlink((void *)ARG(0), result);
	case CALL_UNLINKAT:
		return on_unlink((void *)ARG(1), result);
	case CALL_MQ_OPEN:
		return on_mq_name(OPERATION_MQ_OPEN, (void *)ARG(0), result);
	case CALL_MQ_UNLINK:
		return on_mq_name(OPERATION_MQ_UNLINK, (void *)ARG(0), result);
	case CALL_MQ_TIMEDSEND:
	case CALL_MQ_TIMEDSEND_TIME64:
		return on_mq_use(OPERATION_MQ_SEND, ARG(0), ARG(2), result);
	case CALL_MQ_TIMEDRECEIVE:
	case CALL_MQ_TIMEDRECEIVE_TIME64:
		return on_mq_use(OPERATION_MQ_RECEIVE, ARG(0), result, result);
	case CALL_IO_URING_ENTER:
		return on_call_over();
	case CALL_IPC:
		return on_ipc(typed, regs, code, result);
	case CALL_SEMTIMEDOP:
	case CALL_SEMTIMEDOP_TIME64:
		call = CALL_SEMOP;
	}
	return on_sysv(call, ARG(0), ARG(1), ARG(2), result);
}

RELAY(calls_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(calls_btf, struct pt_regs *regs, long result)
{
	on_exit(true, regs, syscall_code_typed(regs), result);
	relay(ctx, calls_btf);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(calls_raw, struct pt_regs *regs, long result)
{
	return on_exit(false, regs, syscall_code(regs), result);
}

static __always_inline int on_ipc_traffic(bool typed, struct pt_regs *regs, u32 code, long result)
{
	u32 number = ARG(0) & 0xffff;

	if (number == 11)
		return on_sysv_traffic(KIND_SYSV_MSG, OPERATION_MSG_SEND, ARG(1), (u32)ARG(2), result);
	if (number == 12)
		return on_sysv_traffic(KIND_SYSV_MSG, OPERATION_MSG_RECEIVE, ARG(1), result, result);
	if (number == 1 || number == 4)
		return on_sysv_traffic(KIND_SYSV_SEM, OPERATION_SEM_OP, ARG(1), 0, result);
	return 0;
}

static __always_inline int on_socketcall_traffic(bool typed, struct pt_regs *regs, u32 code, long result)
{
	u32 number = ARG(0), fd = 0;

	/* SYS_SEND 9, SYS_SENDTO 11, SYS_SENDMSG 16; SYS_RECV 10, SYS_RECVFROM 12, SYS_RECVMSG 17 */
	if ((number < 9 || number > 12) && number != 16 && number != 17)
		return 0;
	if (bpf_probe_read_user(&fd, sizeof(fd), (void *)ARG(1)))
		return 0;
	return on_transfer(fd, number == 9 || number == 11 || number == 16 ? DIRECTION_SENT : DIRECTION_RECEIVED,
			   result, result);
}

static __always_inline int on_traffic(bool typed, struct pt_regs *regs, u32 code, long result)
{
	switch (syscall_call(code)) {
	case CALL_READ:
	case CALL_READV:
	case CALL_RECV:
	case CALL_RECVFROM:
	case CALL_RECVMSG:
		return on_transfer(ARG(0), DIRECTION_RECEIVED, result, result);
	case CALL_SEND:
	case CALL_SENDTO:
	case CALL_SENDMSG:
	case CALL_WRITE:
	case CALL_WRITEV:
		return on_transfer(ARG(0), DIRECTION_SENT, result, result);
	case CALL_RECVMMSG: /* these give a number of messages, and no bytes */
	case CALL_RECVMMSG_TIME64:
		return on_transfer(ARG(0), DIRECTION_RECEIVED, 0, result);
	case CALL_SENDMMSG:
		return on_transfer(ARG(0), DIRECTION_SENT, 0, result);
	case CALL_SPLICE:
		on_transfer(ARG(0), DIRECTION_RECEIVED, result, result);
		return on_transfer(ARG(2), DIRECTION_SENT, result, result);
	case CALL_MSGSND:
		return on_sysv_traffic(KIND_SYSV_MSG, OPERATION_MSG_SEND, ARG(0), ARG(2), result);
	case CALL_MSGRCV:
		return on_sysv_traffic(KIND_SYSV_MSG, OPERATION_MSG_RECEIVE, ARG(0), result, result);
	case CALL_SEMOP:
	case CALL_SEMTIMEDOP:
	case CALL_SEMTIMEDOP_TIME64:
		return on_sysv_traffic(KIND_SYSV_SEM, OPERATION_SEM_OP, ARG(0), 0, result);
	case CALL_MQ_TIMEDSEND:
	case CALL_MQ_TIMEDSEND_TIME64:
		return on_mq_traffic(ARG(0), DIRECTION_SENT, ARG(2), result);
	case CALL_MQ_TIMEDRECEIVE:
	case CALL_MQ_TIMEDRECEIVE_TIME64:
		return on_mq_traffic(ARG(0), DIRECTION_RECEIVED, result, result);
	case CALL_IPC:
		return on_ipc_traffic(typed, regs, code, result);
	case CALL_SOCKETCALL:
		return on_socketcall_traffic(typed, regs, code, result);
	}
	return 0;
}

RELAY(traffic_btf);

SEC("tp_btf/sys_exit")
int BPF_PROG(traffic_btf, struct pt_regs *regs, long result)
{
	on_traffic(true, regs, syscall_code_typed(regs), result);
	relay(ctx, traffic_btf);
	return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(traffic_raw, struct pt_regs *regs, long result)
{
	return on_traffic(false, regs, syscall_code(regs), result);
}

SEC("lsm/unix_may_send")
int BPF_PROG(may_send_lsm, struct socket *socket, struct socket *other)
{
	return on_may_send(other);
}

SEC("fentry/security_unix_may_send")
int BPF_PROG(may_send_fentry, struct socket *socket, struct socket *other)
{
	return on_may_send(other);
}

SEC("kprobe/security_unix_may_send")
int BPF_KPROBE(may_send_kprobe, struct socket *socket, struct socket *other)
{
	return on_may_send(other);
}

/* Codes of include/uapi/asm-generic/siginfo.h; what a process sends has none above 0. */
#define SI_TIMER -2
#define SI_ASYNCIO -4
#define SI_SIGIO -5
#define SI_DETHREAD -7
#define SEND_SIG_NOINFO 0 /* include/linux/sched/signal.h */
#define SEND_SIG_PRIV 1
#define TRACE_SIGNAL_IGNORED 1 /* include/trace/events/signal.h */

static __always_inline bool is_from_kernel(struct kernel_siginfo *info)
{
	s32 code;

	if ((u64)info == SEND_SIG_NOINFO)
		return false;
	if ((u64)info == SEND_SIG_PRIV)
		return true;
	code = BPF_CORE_READ(info, si_code);
	return code > 0 || code == SI_TIMER || (code <= SI_ASYNCIO && code >= SI_SIGIO) || code == SI_DETHREAD;
}

static __always_inline int on_signal(int signal, struct kernel_siginfo *info, struct task_struct *target, int outcome)
{
	struct task_struct *sender = current_task();
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	bool from_kernel = is_from_kernel(info);
	struct task_struct *subject = sender, *peer = target;
	struct found *found;

	if (!all_signals && (from_kernel || pid == (u32)BPF_CORE_READ(target, tgid)))
		return 0;
	if (pid == agent_pid)
		return 0;
	if (!filter_pass_current()) {
		if (!filter_pass(target))
			return 0;
		subject = target;
		peer = sender;
	}
	found = begin_at(PLACE_SIGNAL, subject == sender ? OPERATION_SIGNAL_SENT : OPERATION_SIGNAL_RECEIVED,
			 KIND_SIGNAL, 0);
	if (!found)
		return 0;
	set_peer_task(found, peer);
	found->event.signal = signal;
	found->event.ignored = outcome == TRACE_SIGNAL_IGNORED;
	found->event.from_kernel = from_kernel;
	event_fill((struct event_base *)&found->event, subject);
	submit(found);
	return 0;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(signal_btf, int signal, struct kernel_siginfo *info, struct task_struct *target, int group, int outcome)
{
	return on_signal(signal, info, target, outcome);
}

SEC("raw_tp/signal_generate")
int BPF_PROG(signal_raw, int signal, struct kernel_siginfo *info, struct task_struct *target, int group, int outcome)
{
	return on_signal(signal, info, target, outcome);
}
