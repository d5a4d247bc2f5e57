/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What has a file descriptor and a name: POSIX message queues and shared memory, pipes. */
#ifndef __IPC_FILE_BPF_H
#define __IPC_FILE_BPF_H

#include "party.bpf.h"

#define DEV_SHM 0x6d68732f7665642fULL /* "/dev/shm", the first 8 bytes of what shm_open(3) opens */

/* An open file of the current process. Every open(2) on the machine may ask: see current_task() about the two ways. */
static __always_inline struct file___ipc *file_of(u32 fd)
{
	struct file___ipc *file = 0;
	struct file **files;
	u32 count;

	if (CURRENT_IS_TYPED) {
		struct fdtable *fdt = ((struct task_struct___ipc *)bpf_get_current_task_btf())->files->fdt;

		count = fdt->max_fds;
		files = fdt->fd;
	} else {
		struct fdtable *fdt = BPF_CORE_READ((struct task_struct___ipc *)current_task(), files, fdt);

		count = BPF_CORE_READ(fdt, max_fds);
		files = BPF_CORE_READ(fdt, fd);
	}
	if (fd < count)
		bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file;
}

static __always_inline void set_inode(struct found *found, struct inode *inode)
{
	found->event.inode = BPF_CORE_READ(inode, i_ino);
	found->space = BPF_CORE_READ(inode, i_sb, s_dev);
	found->object = found->event.inode;
}

static __always_inline void set_file(struct found *found, u32 fd)
{
	struct file___ipc *file = file_of(fd);

	if (file)
		set_inode(found, BPF_CORE_READ(file, f_inode));
}

static __noinline int on_mq_name(enum operation operation, const char *name, long result)
{
	struct found *found = begin(operation, KIND_POSIX_MQ, result);

	if (!found)
		return 0;
	/* mq_open(3) takes the slash away before it calls the kernel. */
	found->event.name[0] = '/';
	set_name(found, bpf_probe_read_user_str(found->event.name + 1, NAME_BYTES - 1, name), 1);
	if (operation == OPERATION_MQ_OPEN && result >= 0) {
		set_file(found, result);
		meet(found);
	}
	return report(found);
}

static __always_inline void set_queue(struct found *found, struct file___ipc *file)
{
	const unsigned char *name = BPF_CORE_READ(file, f_path.dentry, d_name.name);

	set_inode(found, BPF_CORE_READ(file, f_inode));
	found->event.name[0] = '/';
	set_name(found, bpf_probe_read_kernel_str(found->event.name + 1, NAME_BYTES - 1, name), 1);
}

static __noinline int on_mq_use(enum operation operation, u32 fd, s64 bytes, long result)
{
	struct found *found = begin(operation, KIND_POSIX_MQ, result);
	struct file___ipc *file;

	if (!found)
		return 0;
	found->use = true;
	found->event.bytes = bytes;
	file = file_of(fd);
	if (file)
		set_queue(found, file);
	meet(found);
	return report(found);
}

static __always_inline bool is_shm_path(const char *path)
{
	u64 start = 0;

	return !bpf_probe_read_user(&start, sizeof(start), path) && start == DEV_SHM;
}

static __noinline int on_path(enum operation operation, enum kind kind, const char *path, long result,
			      struct inode *inode)
{
	struct found *found = begin(operation, kind, result);

	if (!found)
		return 0;
	set_name(found, bpf_probe_read_user_str(found->event.name, NAME_BYTES, path), 0);
	if (inode) {
		set_inode(found, inode);
		meet(found);
	}
	return report(found);
}

/* Every file that is opened on the machine comes here: what is none of ours must be gone soon. */
static __noinline int on_open(const char *path, long result)
{
	struct inode *inode = 0;

	if (result >= 0 && (kinds & 1 << KIND_PIPE)) {
		struct file___ipc *file = file_of(result);

		inode = BPF_CORE_READ(file, f_inode);
		if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) == S_IFIFO)
			return on_path(OPERATION_FIFO_OPEN, KIND_PIPE, path, result, inode);
	}
	if ((result < 0 && !failed) || !(kinds & 1 << KIND_POSIX_SHM) || !is_shm_path(path))
		return 0;
	if (result >= 0 && !inode) {
		struct file___ipc *file = file_of(result);

		inode = BPF_CORE_READ(file, f_inode);
	}
	return on_path(OPERATION_POSIX_SHM_OPEN, KIND_POSIX_SHM, path, result, inode);
}

static __always_inline int on_unlink(const char *path, long result)
{
	if (!is_shm_path(path))
		return 0;
	return on_path(OPERATION_POSIX_SHM_UNLINK, KIND_POSIX_SHM, path, result, 0);
}

static __always_inline int on_pipe(const u32 *fds, long result)
{
	struct found *found;
	u32 fd = 0;

	if (!anonymous)
		return 0;
	found = begin(OPERATION_PIPE, KIND_PIPE, result);
	if (!found)
		return 0;
	if (result >= 0 && !bpf_probe_read_user(&fd, sizeof(fd), fds)) {
		set_file(found, fd);
		meet(found);
	}
	return report(found);
}

#endif
