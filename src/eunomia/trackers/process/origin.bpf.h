/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where a program that is run comes from: what its file is, and what it is given to read and write. */
#ifndef __PROCESS_ORIGIN_BPF_H
#define __PROCESS_ORIGIN_BPF_H

#include "event.bpf.h"

#define S_IFMT 0170000 /* include/uapi/linux/stat.h */
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFSOCK 0140000
#define OVERLAYFS_SUPER_MAGIC 0x794c7630 /* include/uapi/linux/magic.h */
#define AF_INET 2
#define AF_INET6 10
#define MAJOR(dev) ((dev) >> 20)
#define DEV_NULL (1 << 20 | 3)
#define TTY_MAJOR 4 /* Documentation/admin-guide/devices.txt */
#define TTYAUX_MAJOR 5
#define PTS_MAJOR 136
#define PTS_MAJORS 8
#define ARM_SERIAL_MAJOR 204
#define HVC_MAJOR 229
#define MEMFD 0x3a64666d656dULL /* "memfd:" */
#define NS_PER_S 1000000000ULL

/* Functions of their own: the compiler would load a member's offset early, where the kernel has no such member. */
static __noinline u64 ctime_of_parts(struct inode *inode)
{
	struct inode___parts *parts = (void *)inode;

	return BPF_CORE_READ(parts, i_ctime_sec) * NS_PER_S + BPF_CORE_READ(parts, i_ctime_nsec);
}

static __noinline u64 ctime_until_6_10(struct inode *inode)
{
	struct inode___until_6_10 *older = (void *)inode;

	return BPF_CORE_READ(older, __i_ctime.tv_sec) * NS_PER_S + BPF_CORE_READ(older, __i_ctime.tv_nsec);
}

static __noinline u64 ctime_until_6_5(struct inode *inode)
{
	struct inode___until_6_5 *older = (void *)inode;

	return BPF_CORE_READ(older, i_ctime.tv_sec) * NS_PER_S + BPF_CORE_READ(older, i_ctime.tv_nsec);
}

static __always_inline u64 ctime_ns(struct inode *inode)
{
	if (bpf_core_field_exists(((struct inode___parts *)0)->i_ctime_sec))
		return ctime_of_parts(inode);
	if (bpf_core_field_exists(((struct inode___until_6_10 *)0)->__i_ctime))
		return ctime_until_6_10(inode);
	return ctime_until_6_5(inode);
}

/*
 * Whether a file of an overlay lies in its upper layer. struct ovl_inode may be a module's, and so not in the kernel's
 * type information; since 4.13 it has the dentry of the upper layer right behind the inode (fs/overlayfs/ovl_entry.h).
 */
static __always_inline u8 is_upper(struct inode *inode)
{
	struct dentry___process *upper = 0;

	if (BPF_CORE_READ(inode, i_sb, s_magic) != OVERLAYFS_SUPER_MAGIC)
		return OPTIONAL_NONE;
	if (bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode)))
		return OPTIONAL_NONE;
	return upper && BPF_CORE_READ(upper, d_inode);
}

/* A memfd's dentry has no parent, and a name that the kernel begins so: mm/memfd.c. */
static __always_inline bool is_memfd(struct dentry *dentry)
{
	u64 name = 0;

	bpf_probe_read_kernel_str(&name, sizeof("memfd:"), BPF_CORE_READ(dentry, d_name.name));
	return BPF_CORE_READ(dentry, d_parent) == dentry && name == MEMFD;
}

static __always_inline void read_origin(struct event *event, struct file *file)
{
	struct inode *inode = BPF_CORE_READ((struct file___process *)file, f_inode);

	event->exe_inode = BPF_CORE_READ(inode, i_ino);
	event->exe_ctime_ns = ctime_ns(inode);
	event->exe_upper_layer = is_upper(inode);
	event->exe_memfd = is_memfd(BPF_CORE_READ(file, f_path.dentry));
	event->exe_deleted = !BPF_CORE_READ(inode, i_nlink);
	if (host_mnt_ns)
		event->exe_on_host = event->mnt_ns == host_mnt_ns;
}

static __always_inline bool is_tty(u32 device)
{
	u32 major = MAJOR(device);

	return major == TTY_MAJOR || major == TTYAUX_MAJOR || major - PTS_MAJOR < PTS_MAJORS ||
	       major == ARM_SERIAL_MAJOR || major == HVC_MAJOR;
}

static __always_inline enum stream stream_of(struct file___process *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	u32 type = BPF_CORE_READ(inode, i_mode) & S_IFMT, device;

	if (!inode)
		return NO_STREAM;
	if (type == S_IFIFO)
		return STREAM_PIPE;
	if (type == S_IFSOCK)
		return STREAM_SOCKET;
	if (type != S_IFCHR)
		return STREAM_FILE;
	device = BPF_CORE_READ(inode, i_rdev);
	return device == DEV_NULL ? STREAM_NULL : is_tty(device) ? STREAM_TTY : STREAM_FILE;
}

static __always_inline void read_peer(struct event *event, struct file___process *file)
{
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(socket, sk);
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u32 address;

	if (family != AF_INET && family != AF_INET6)
		return;
	event->stdin_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (!event->stdin_port) /* connected to nobody */
		return;
	if (family == AF_INET6) {
		BPF_CORE_READ_INTO(&event->stdin_peer, sk, __sk_common.skc_v6_daddr);
		return;
	}
	address = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	event->stdin_peer[10] = event->stdin_peer[11] = 0xff;
	__builtin_memcpy(&event->stdin_peer[12], &address, sizeof(address));
}

static __always_inline void read_streams(struct event *event, struct task_struct *task)
{
	struct file___process *files[2] = {};
	struct file **fds = BPF_CORE_READ((struct task_struct___files *)task, files, fdt, fd);

	bpf_probe_read_kernel(files, sizeof(files), fds); /* a table has room for more: NR_OPEN_DEFAULT */
	event->stdin = stream_of(files[0]);
	event->stdout = stream_of(files[1]);
	if (event->stdin == STREAM_SOCKET)
		read_peer(event, files[0]);
}

#endif
