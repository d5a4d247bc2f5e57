// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Denies what a policy does not allow, to the processes of some cgroups: the hooks of the kernel's security modules. A
 * hook is entered after the ordinary checks, so that nothing is allowed here that was not before.
 */
#include "judged.bpf.h"
#include "peers.bpf.h"

#define FMODE_WRITE 2	  /* include/linux/fs.h */
#define CAP_OPT_NOAUDIT 2 /* include/linux/security.h: who asks wants to know only */
#define PF_IO_WORKER 0x10 /* include/linux/sched.h */
#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFSOCK 0140000
#define BITS 64

const volatile u64 denied_families DOC("address families of which no socket may be made, a bit for each") = 0;
const volatile u64 denied_capabilities DOC("capabilities that are not granted, a bit for each") = 0;

/* An argument that may be NULL, of which older verifiers are sure that it is not. */
static __always_inline u64 argument(unsigned long long *ctx, u32 which)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), ctx + which);
	return value;
}

static __always_inline int check_file(enum asked asked, const struct file *file)
{
	return check_path(asked, (u64)BPF_CORE_READ(file, f_path.dentry), (u64)BPF_CORE_READ(file, f_path.mnt), false);
}

/* Programs. */

/* The first program of one that enters is judged, too; not a runtime's copy of itself. */
SEC("lsm/bprm_check_security")
int BPF_PROG(exec_check, struct linux_binprm *bprm)
{
	if (!is_inside())
		return 0;
	if (is_entering(bpf_get_current_pid_tgid() >> 32) && !is_own_mount(BPF_CORE_READ(bprm, file, f_path.mnt)))
		return 0;
	return check_file(ASKED_EXEC, BPF_CORE_READ(bprm, file));
}

#define PROT_EXEC 4

/* A program that is denied may not be run by way of the dynamic linker either. */
SEC("lsm/mmap_file")
int BPF_PROG(map_check, struct file *unused, unsigned long asked, unsigned long prot, unsigned long flags)
{
	struct file *file = (struct file *)argument(ctx, 0);

	return (asked & PROT_EXEC || prot & PROT_EXEC) && file && is_held() ? check_file(ASKED_MAP, file) : 0;
}

/* Files. */

/* Of a pipe, a socket, a terminal or /dev/null nothing is changed. */
static __always_inline bool is_changeable(const struct inode *inode)
{
	u32 kind = BPF_CORE_READ(inode, i_mode) & S_IFMT;

	return kind != S_IFIFO && kind != S_IFCHR && kind != S_IFSOCK;
}

SEC("lsm/file_open")
int BPF_PROG(open_check, struct file *file)
{
	const struct file___lsm *opened = (void *)file;

	if (!(BPF_CORE_READ(opened, f_mode) & FMODE_WRITE) || !is_held() ||
	    !is_changeable(BPF_CORE_READ(opened, f_inode)))
		return 0;
	return check_file(ASKED_WRITE, file);
}

static __always_inline int check_entry(const struct path *dir, struct dentry *dentry)
{
	return is_held() ? check_path(ASKED_WRITE, (u64)dentry, (u64)BPF_CORE_READ(dir, mnt), false) : 0;
}

static __always_inline int check_inode(const struct path *path)
{
	struct dentry *dentry = BPF_CORE_READ(path, dentry);

	if (!is_held() || !is_changeable(BPF_CORE_READ((struct dentry___lsm *)dentry, d_inode)))
		return 0;
	return check_path(ASKED_WRITE, (u64)dentry, (u64)BPF_CORE_READ(path, mnt), false);
}

SEC("lsm/path_mknod")
int BPF_PROG(mknod_check, const struct path *dir, struct dentry *dentry, unsigned short mode, unsigned int dev)
{
	return check_entry(dir, dentry);
}

SEC("lsm/path_mkdir")
int BPF_PROG(mkdir_check, const struct path *dir, struct dentry *dentry, unsigned short mode)
{
	return check_entry(dir, dentry);
}

SEC("lsm/path_symlink")
int BPF_PROG(symlink_check, const struct path *dir, struct dentry *dentry, const char *old_name)
{
	return check_entry(dir, dentry);
}

/* Both names: who may write to the new one could write to the old one's file. */
SEC("lsm/path_link")
int BPF_PROG(link_check, struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry)
{
	return check_entry(new_dir, old_dentry) ?: check_entry(new_dir, new_dentry);
}

static __always_inline int check_removed(const struct path *dir, struct dentry *dentry)
{
	return is_held() ? check_path(ASKED_WRITE, (u64)dentry, (u64)BPF_CORE_READ(dir, mnt), true) : 0;
}

SEC("lsm/path_unlink")
int BPF_PROG(unlink_check, const struct path *dir, struct dentry *dentry)
{
	return check_removed(dir, dentry);
}

SEC("lsm/path_rmdir")
int BPF_PROG(rmdir_check, const struct path *dir, struct dentry *dentry)
{
	return check_removed(dir, dentry);
}

/* Both again; the new one may be there and be removed, or exchanged. */
SEC("lsm/path_rename")
int BPF_PROG(rename_check, const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir,
	     struct dentry *new_dentry)
{
	return check_removed(old_dir, old_dentry) ?: check_removed(new_dir, new_dentry);
}

SEC("lsm/path_truncate")
int BPF_PROG(truncate_check, const struct path *path)
{
	return check_inode(path);
}

SEC("lsm/path_chmod")
int BPF_PROG(chmod_check, const struct path *path, unsigned short mode)
{
	return check_inode(path);
}

/* Its other arguments are structures, with which trampolines cannot do before 6.1. */
SEC("lsm/path_chown")
int BPF_PROG(chown_check, const struct path *path)
{
	return check_inode(path);
}

/* Mounts: by another one every file has another path. */

static __always_inline int check_mount(const struct path *path)
{
	struct scratch *scratch;

	if (!is_held())
		return 0;
	scratch = take_scratch();
	if (scratch) {
		bool whole = tell_path(scratch, (u64)BPF_CORE_READ(path, dentry), (u64)BPF_CORE_READ(path, mnt));

		report_path(scratch, ASKED_MOUNT, !whole);
		give_back_scratch();
	} else {
		count(COUNTER_FILTER_FULL);
	}
	return answer();
}

SEC("lsm/sb_mount")
int BPF_PROG(mount_check, const char *source, const struct path *path)
{
	return check_mount(path);
}

SEC("lsm/move_mount")
int BPF_PROG(move_mount_check, const struct path *from, const struct path *to)
{
	return check_mount(to);
}

SEC("lsm/sb_pivotroot")
int BPF_PROG(pivot_check, const struct path *old_root, const struct path *new_root)
{
	return check_mount(new_root);
}

/* Sockets. */

SEC("lsm/socket_create")
int BPF_PROG(socket_check, int family, int type, int protocol, int kernels)
{
	struct event *event;

	if (kernels || (u32)family >= BITS || !(denied_families >> family & 1) || !is_held())
		return 0;
	event = begin(ASKED_SOCKET);
	if (event) {
		event->family = family;
		event_submit(event);
	}
	return answer();
}

SEC("lsm/socket_connect")
int BPF_PROG(connect_check, struct socket *sock, void *address, int bytes)
{
	return is_held() ? check_peer(sock, address) : 0;
}

/* What is sent says where to, unless that has been said by connect(2). */
SEC("lsm/socket_sendmsg")
int BPF_PROG(send_check, struct socket *sock, struct msghdr *message, int bytes)
{
	void *address = BPF_CORE_READ(message, msg_name);

	return address && is_held() ? check_peer(sock, address) : 0;
}

/* Capabilities. */

/*
 * Whether the task acts by somebody else's: an overlay's layers are opened as who has mounted it. Not by what a task
 * has had itself before, which io_uring lends it (IORING_REGISTER_PERSONALITY).
 */
static __always_inline bool is_lent(const struct cred *cred)
{
	struct task_struct___lsm *task = (void *)current_task();

	if (BPF_CORE_READ(task, real_cred) == cred || BPF_CORE_READ(task, cred) != cred ||
	    BPF_CORE_READ(task, flags) & PF_IO_WORKER)
		return false;
	return !bpf_core_field_exists(task->io_uring) || !BPF_CORE_READ(task, io_uring);
}

SEC("lsm/capable")
int BPF_PROG(capable_check, const struct cred *cred, struct user_namespace *of, int capability, unsigned int options)
{
	struct event *event;

	if ((u32)capability >= BITS || !(denied_capabilities >> capability & 1) || !is_held() || is_lent(cred))
		return 0;
	event = options & CAP_OPT_NOAUDIT ? 0 : begin(ASKED_CAPABILITY);
	if (event) {
		event->capability = capability;
		event_submit(event);
	}
	return answer();
}

/* Whether programs of this kind are run at all: user space opens a file and looks at the count. */
SEC("lsm/file_open")
int BPF_PROG(trial, struct file *file)
{
	count(COUNTER_EMITTED);
	return 0;
}
