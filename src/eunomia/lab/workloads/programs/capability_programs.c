// SPDX-License-Identifier: Apache-2.0
/*
 * Small programs that each need one capability, or that make the kernel ask for it and go on as well without.
 *
 *	capability_programs list                       NAME CAPABILITY KIND BESIDE, a line each
 *	capability_programs hold NAME SET              waits for the end of its input, prepares what the program works
 *	                                               on, keeps of all capabilities only those in SET, runs the program
 *
 * KIND is `needs`: it does not work without; `passes`: it works as well, and the kernel asks all the same; `tries`: it
 * works as well, since it does not mind being refused; `other`: it works as well, because of what it has beside.
 * The exit code is 0 where the program has done its work, 1 where it has not, 77 where this kernel cannot tell.
 * Works in its current directory, which it may fill. What changes the machine happens in namespaces of its own, or
 * writes back what it has read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NOBODY 65534
#define OTHER 1234
#define NOT_HERE 77
#define STATE "STATE" /* a number that prepare() hands to run(), in the environment */

typedef int (*action)(void); /* 0, or what is wrong */

static void keep(long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", number);
	setenv(STATE, text, 1);
}

static long kept(void)
{
	return atol(getenv(STATE));
}

/* A file of somebody. */
static int file_of(uid_t user, gid_t group, mode_t mode)
{
	int fd = open("file", O_CREAT | O_WRONLY, 0600);

	return fd < 0 || write(fd, "x", 1) != 1 || fchown(fd, user, group) || fchmod(fd, mode) || close(fd);
}

static int file_of_root(void)
{
	return file_of(0, 0, 0644);
}

static int file_of_nobody(void)
{
	return file_of(NOBODY, NOBODY, 0600);
}

static int open_file_of_nobody(void)
{
	return file_of(NOBODY, NOBODY, 0644);
}

static int file_of_a_group(void)
{
	return file_of(0, OTHER, 0644);
}

static int setuid_file(void)
{
	return file_of(0, 0, 04755);
}

/* A process of somebody else, which ends with this one: when nobody can write to `alive` any more. */
static int process_of_nobody(void)
{
	int ready[2], alive[2];
	char byte;
	pid_t pid;

	if (pipe(ready) || pipe(alive))
		return 1;
	pid = fork();
	if (!pid) {
		close(alive[1]);
		if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(alive[0], &byte, 1) != 0);
	}
	keep(pid);
	return pid < 0 || read(ready[0], &byte, 1) != 1;
}

static int network_of_its_own(void)
{
	return unshare(CLONE_NEWNET);
}

static int host_name_of_its_own(void)
{
	return unshare(CLONE_NEWUTS);
}

static int mounts_of_its_own(void)
{
	return unshare(CLONE_NEWNS) || mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
}

/* A message queue in an IPC namespace of its own, of somebody else. */
static int queue_of_nobody(void)
{
	int status;

	if (unshare(CLONE_NEWIPC))
		return 1;
	if (!fork())
		_exit(setresuid(NOBODY, NOBODY, NOBODY) || msgget(OTHER, IPC_CREAT | 0600) < 0);
	if (wait(&status) < 0 || status)
		return 1;
	return 0;
}

static int little_memory_to_lock(void)
{
	return setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){4096, 4096});
}

static int few_files(void)
{
	return setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 100});
}

static int away_from_the_terminal(void)
{
	setsid();
	return 0;
}

static int number_in(const char *path)
{
	FILE *file = fopen(path, "r");
	int number = -1;

	if (!file || fscanf(file, "%d", &number) != 1)
		number = -1;
	if (file)
		fclose(file);
	return number;
}

static int log_is_restricted(void)
{
	return number_in("/proc/sys/kernel/dmesg_restrict") == 1 ? 0 : NOT_HERE;
}

static int bpf_is_restricted(void)
{
	/* Until 5.11 maps are locked memory of the user, who may have others; what cannot be had is not needed. */
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
	return number_in("/proc/sys/kernel/unprivileged_bpf_disabled") > 0 ? 0 : NOT_HERE;
}

/* Beyond 2 is Debian's own, and that asks for more. */
static int events_are_restricted(void)
{
	return number_in("/proc/sys/kernel/perf_event_paranoid") == 2 ? 0 : NOT_HERE;
}

static int it_can_sleep(void)
{
	return access("/sys/power/wakeup_count", F_OK) ? NOT_HERE : 0;
}

static long do_chown(void)
{
	return chown("file", OTHER, -1);
}

static long do_write(void)
{
	return open("file", O_WRONLY);
}

static long do_read(void)
{
	return open("file", O_RDONLY);
}

static long do_chmod(void)
{
	return chmod("file", 0640);
}

static long do_setgid_bit(void)
{
	struct stat now;

	return chmod("file", 02755) || stat("file", &now) || !(now.st_mode & S_ISGID) ? -1 : 0;
}

/* It matters only that it is written: that the bit goes is as the kernel wants it. */
static long do_write_setuid_file(void)
{
	int fd = open("file", O_WRONLY);

	return fd < 0 ? -1 : write(fd, "y", 1);
}

static long do_kill(void)
{
	return kill(kept(), 0);
}

static long do_setgid(void)
{
	return setgid(OTHER);
}

static long do_setgid_same(void)
{
	return setgid(getgid());
}

static long do_setgroups(void)
{
	gid_t group = OTHER;

	return syscall(SYS_setgroups, 1, &group);
}

static long do_setuid(void)
{
	return setuid(NOBODY);
}

static long do_setuid_same(void)
{
	return setuid(getuid());
}

static long do_drop_bound(void)
{
	return prctl(PR_CAPBSET_DROP, CAP_MAC_ADMIN);
}

/* What programs do that drop what they do not need. */
static long do_capset_less(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {};

	return syscall(SYS_capset, &header, data);
}

static long bind_to(int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};

	return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof(at));
}

static long do_bind(void)
{
	return bind_to(80);
}

static long do_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static long interface(unsigned long request, const char *name)
{
	struct ifreq asked = {.ifr_flags = IFF_UP};

	strcpy(asked.ifr_name, name);
	return ioctl(socket(AF_INET, SOCK_DGRAM, 0), request, &asked);
}

static long do_interface_up(void)
{
	return interface(SIOCSIFFLAGS, "lo");
}

static long do_look_for_interface(void)
{
	return interface(SIOCGIFFLAGS, "none0") < 0 && errno == ENODEV ? 0 : -1;
}

static long do_read_network_setting(void)
{
	return open("/proc/sys/net/core/somaxconn", O_RDONLY);
}

static long do_chroot(void)
{
	return chroot(".");
}

static long do_mknod(void)
{
	return mknod("null", S_IFCHR | 0600, makedev(1, 3));
}

static long do_set_file_capability(void)
{
	struct vfs_cap_data value = {.magic_etc = VFS_CAP_REVISION_2, .data[0].permitted = 1 << CAP_NET_RAW};

	return setxattr("file", "security.capability", &value, XATTR_CAPS_SZ_2, 0);
}

static long do_sethostname(void)
{
	return sethostname("own", 3);
}

static long do_mount(void)
{
	return mount("none", ".", "tmpfs", 0, "size=64k");
}

static long do_unshare(void)
{
	return unshare(CLONE_NEWUTS);
}

static long do_use_memory(void)
{
	void *memory = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (memory == MAP_FAILED)
		return -1;
	memset(memory, 1, 1 << 20);
	pid = fork();
	if (!pid)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, 0, 0);
}

static long do_write_to_memory(void)
{
	int fd = memfd_create("own", 0);

	return fd < 0 ? -1 : write(fd, "x", 1);
}

static long do_list_attributes(void)
{
	return listxattr("file", 0, 0);
}

static long of_process(const char *name, char *path)
{
	return snprintf(path, 64, "/proc/%ld/%s", kept(), name);
}

static long do_look_at_process(void)
{
	char path[64], target[256];

	of_process("exe", path);
	return readlink(path, target, sizeof(target));
}

static long do_read_stat(void)
{
	char path[64], text[512];

	of_process("stat", path);
	return read(open(path, O_RDONLY), text, sizeof(text));
}

static long do_more_priority(void)
{
	return setpriority(PRIO_PROCESS, 0, -5);
}

static long do_more_files(void)
{
	return setrlimit(RLIMIT_NOFILE, &(struct rlimit){200, 200});
}

static long do_small_queue(void)
{
	struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
	char name[32];
	long queue;

	snprintf(name, sizeof(name), "/eunomia-%d", getpid());
	queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
	mq_unlink(name);
	return queue;
}

static long do_adjust_time(void)
{
	struct timex now = {};

	if (adjtimex(&now) < 0)
		return -1;
	now.modes = ADJ_FREQUENCY; /* as it is */
	return adjtimex(&now);
}

static long do_lock_memory(void)
{
	static char memory[1 << 16];

	return mlock(memory, sizeof(memory));
}

static long do_set_up_ring(void)
{
	struct io_uring_params parameters = {};
	long ring = syscall(SYS_io_uring_setup, 4, &parameters);

	return ring < 0 && (errno == ENOSYS || errno == EPERM) ? -NOT_HERE : ring;
}

static long do_look_at_queue(void)
{
	struct msqid_ds found;
	int queue = msgget(OTHER, 0);

	return queue < 0 ? -1 : msgctl(queue, IPC_STAT, &found);
}

static long do_lease(void)
{
	int fd = open("file", O_RDONLY);

	return fd < 0 ? -1 : fcntl(fd, F_SETLEASE, F_RDLCK);
}

static long do_append_only(void)
{
	int fd = open("file", O_RDONLY), flags, changed;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return errno == ENOTTY || errno == EOPNOTSUPP ? -NOT_HERE : -1;
	changed = flags | FS_APPEND_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &changed))
		return errno == ENOTTY || errno == EOPNOTSUPP ? -NOT_HERE : -1;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* Without a terminal nothing is hung up. */
static long do_hang_up(void)
{
	return vhangup();
}

/* A request to the audit system; its answer says whether it was granted. */
static long audit(int type)
{
	struct {
		struct nlmsghdr header;
		char text[8];
	} request = {{sizeof(request), type, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, "eunomia"};
	char answer[4096];
	struct nlmsghdr *header = (void *)answer;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0)
		return errno == EPROTONOSUPPORT || errno == ECONNREFUSED ? -NOT_HERE : -1;
	if (recv(fd, answer, sizeof(answer), 0) < (long)sizeof(*header) || header->nlmsg_type != NLMSG_ERROR)
		return 0;
	return ((struct nlmsgerr *)NLMSG_DATA(header))->error;
}

static long do_audit_write(void)
{
	return audit(AUDIT_USER);
}

static long do_audit_control(void)
{
	return audit(AUDIT_GET);
}

static long do_read_log(void)
{
	char text[64];

	return klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text));
}

static long do_make_map(void)
{
	union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map));
}

static long do_watch_the_kernel(void)
{
	struct perf_event_attr event = {
		.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_CPU_CLOCK, .size = sizeof(event)};

	return syscall(SYS_perf_event_open, &event, 0, -1, -1, 0);
}

static long do_alarm(void)
{
	long timer = timerfd_create(CLOCK_BOOTTIME_ALARM, 0);

	return timer < 0 && errno == EINVAL ? -NOT_HERE : timer;
}

static long do_stay_awake(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLWAKEUP};
	int ends[2];

	return pipe(ends) ? -1 : epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, ends[0], &event);
}

struct program {
	const char *name, *capability, *kind, *beside;
	action prepare;
	long (*run)(void);
};

#define NEEDS(name, capability, prepare, run) {name, capability, "needs", "-", prepare, run}
#define PASSES(name, capability, prepare, run) {name, capability, "passes", "-", prepare, run}
#define TRIES(name, capability, prepare, run) {"try-" name, capability, "tries", "-", prepare, run}
#define OTHER_DOES(name, capability, beside, prepare, run) {name, capability, "other", beside, prepare, run}

static const struct program programs[] = {
	NEEDS("chown", "CAP_CHOWN", file_of_root, do_chown),
	TRIES("chown", "CAP_CHOWN", file_of_root, do_chown),
	NEEDS("write-of-others", "CAP_DAC_OVERRIDE", file_of_nobody, do_write),
	TRIES("write-of-others", "CAP_DAC_OVERRIDE", file_of_nobody, do_write),
	NEEDS("read-of-others", "CAP_DAC_READ_SEARCH", file_of_nobody, do_read),
	TRIES("read-of-others", "CAP_DAC_READ_SEARCH", file_of_nobody, do_read),
	OTHER_DOES("read-as-owner", "CAP_DAC_READ_SEARCH", "CAP_DAC_OVERRIDE", file_of_nobody, do_read),
	NEEDS("chmod-of-others", "CAP_FOWNER", file_of_nobody, do_chmod),
	TRIES("chmod-of-others", "CAP_FOWNER", file_of_nobody, do_chmod),
	NEEDS("setgid-bit", "CAP_FSETID", file_of_a_group, do_setgid_bit),
	PASSES("chmod-of-a-group", "CAP_FSETID", file_of_a_group, do_chmod),
	PASSES("write-setuid-file", "CAP_FSETID", setuid_file, do_write_setuid_file),
	NEEDS("kill", "CAP_KILL", process_of_nobody, do_kill),
	TRIES("kill", "CAP_KILL", process_of_nobody, do_kill),
	NEEDS("setgid", "CAP_SETGID", 0, do_setgid),
	NEEDS("setgroups", "CAP_SETGID", 0, do_setgroups),
	PASSES("setgid-same", "CAP_SETGID", 0, do_setgid_same),
	TRIES("setgroups", "CAP_SETGID", 0, do_setgroups),
	NEEDS("setuid", "CAP_SETUID", 0, do_setuid),
	PASSES("setuid-same", "CAP_SETUID", 0, do_setuid_same),
	NEEDS("drop-bound", "CAP_SETPCAP", 0, do_drop_bound),
	PASSES("capset-less", "CAP_SETPCAP", 0, do_capset_less),
	NEEDS("bind", "CAP_NET_BIND_SERVICE", network_of_its_own, do_bind),
	TRIES("bind", "CAP_NET_BIND_SERVICE", network_of_its_own, do_bind),
	NEEDS("raw-socket", "CAP_NET_RAW", network_of_its_own, do_raw_socket),
	TRIES("raw-socket", "CAP_NET_RAW", network_of_its_own, do_raw_socket),
	NEEDS("interface-up", "CAP_NET_ADMIN", network_of_its_own, do_interface_up),
	PASSES("look-for-interface", "CAP_NET_ADMIN", network_of_its_own, do_look_for_interface),
	PASSES("read-network-setting", "CAP_NET_ADMIN", 0, do_read_network_setting),
	PASSES("load-interface", "CAP_SYS_MODULE", network_of_its_own, do_look_for_interface),
	NEEDS("chroot", "CAP_SYS_CHROOT", 0, do_chroot),
	TRIES("chroot", "CAP_SYS_CHROOT", 0, do_chroot),
	NEEDS("mknod", "CAP_MKNOD", 0, do_mknod),
	TRIES("mknod", "CAP_MKNOD", 0, do_mknod),
	NEEDS("set-file-capability", "CAP_SETFCAP", file_of_root, do_set_file_capability),
	TRIES("set-file-capability", "CAP_SETFCAP", file_of_root, do_set_file_capability),
	NEEDS("sethostname", "CAP_SYS_ADMIN", host_name_of_its_own, do_sethostname),
	NEEDS("mount", "CAP_SYS_ADMIN", mounts_of_its_own, do_mount),
	NEEDS("unshare", "CAP_SYS_ADMIN", 0, do_unshare),
	PASSES("use-memory", "CAP_SYS_ADMIN", 0, do_use_memory),
	PASSES("write-to-memory", "CAP_SYS_ADMIN", 0, do_write_to_memory),
	PASSES("list-attributes", "CAP_SYS_ADMIN", file_of_root, do_list_attributes),
	NEEDS("look-at-process", "CAP_SYS_PTRACE", process_of_nobody, do_look_at_process),
	PASSES("read-stat", "CAP_SYS_PTRACE", process_of_nobody, do_read_stat),
	NEEDS("more-priority", "CAP_SYS_NICE", 0, do_more_priority),
	TRIES("more-priority", "CAP_SYS_NICE", 0, do_more_priority),
	NEEDS("more-files", "CAP_SYS_RESOURCE", few_files, do_more_files),
	PASSES("small-queue", "CAP_SYS_RESOURCE", 0, do_small_queue),
	TRIES("more-files", "CAP_SYS_RESOURCE", few_files, do_more_files),
	NEEDS("adjust-time", "CAP_SYS_TIME", 0, do_adjust_time),
	TRIES("adjust-time", "CAP_SYS_TIME", 0, do_adjust_time),
	NEEDS("lock-memory", "CAP_IPC_LOCK", little_memory_to_lock, do_lock_memory),
	PASSES("set-up-ring", "CAP_IPC_LOCK", 0, do_set_up_ring),
	TRIES("lock-memory", "CAP_IPC_LOCK", little_memory_to_lock, do_lock_memory),
	NEEDS("look-at-queue", "CAP_IPC_OWNER", queue_of_nobody, do_look_at_queue),
	TRIES("look-at-queue", "CAP_IPC_OWNER", queue_of_nobody, do_look_at_queue),
	NEEDS("lease", "CAP_LEASE", open_file_of_nobody, do_lease),
	TRIES("lease", "CAP_LEASE", open_file_of_nobody, do_lease),
	NEEDS("append-only", "CAP_LINUX_IMMUTABLE", file_of_root, do_append_only),
	TRIES("append-only", "CAP_LINUX_IMMUTABLE", file_of_root, do_append_only),
	NEEDS("hang-up", "CAP_SYS_TTY_CONFIG", away_from_the_terminal, do_hang_up),
	TRIES("hang-up", "CAP_SYS_TTY_CONFIG", away_from_the_terminal, do_hang_up),
	NEEDS("audit-write", "CAP_AUDIT_WRITE", 0, do_audit_write),
	TRIES("audit-write", "CAP_AUDIT_WRITE", 0, do_audit_write),
	NEEDS("audit-control", "CAP_AUDIT_CONTROL", 0, do_audit_control),
	TRIES("audit-control", "CAP_AUDIT_CONTROL", 0, do_audit_control),
	NEEDS("read-log", "CAP_SYSLOG", log_is_restricted, do_read_log),
	TRIES("read-log", "CAP_SYSLOG", log_is_restricted, do_read_log),
	NEEDS("make-map", "CAP_BPF", bpf_is_restricted, do_make_map),
	TRIES("make-map", "CAP_BPF", bpf_is_restricted, do_make_map),
	NEEDS("watch-the-kernel", "CAP_PERFMON", events_are_restricted, do_watch_the_kernel),
	TRIES("watch-the-kernel", "CAP_PERFMON", events_are_restricted, do_watch_the_kernel),
	NEEDS("alarm", "CAP_WAKE_ALARM", 0, do_alarm),
	TRIES("alarm", "CAP_WAKE_ALARM", 0, do_alarm),
	PASSES("stay-awake", "CAP_BLOCK_SUSPEND", it_can_sleep, do_stay_awake),
};

static const struct program *find(const char *name)
{
	for (size_t at = 0; at < sizeof(programs) / sizeof(*programs); at++)
		if (!strcmp(programs[at].name, name))
			return &programs[at];
	fprintf(stderr, "there is no program %s\n", name);
	exit(NOT_HERE);
}

static int list(void)
{
	for (size_t at = 0; at < sizeof(programs) / sizeof(*programs); at++)
		printf("%s %s %s %s\n", programs[at].name, programs[at].capability, programs[at].kind,
		       programs[at].beside);
	return 0;
}

/* An exec as root gives all that is left in the bounding set, and that alone. */
static int hold(const struct program *program, unsigned long long set)
{
	char byte, self[4096] = {};
	int wrong;

	prctl(PR_SET_NAME, "hold");
	while (read(0, &byte, 1) > 0)
		;
	wrong = program->prepare ? program->prepare() : 0;
	if (wrong) {
		perror("prepare");
		return NOT_HERE;
	}
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
		if (!(set >> capability & 1) && prctl(PR_CAPBSET_DROP, capability)) {
			perror("PR_CAPBSET_DROP");
			return NOT_HERE;
		}
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return NOT_HERE;
	execl(self, "capability_programs", "run", program->name, (char *)0);
	perror("exec");
	return NOT_HERE;
}

static int run(const struct program *program)
{
	long result = program->run();

	if (result == -NOT_HERE)
		return NOT_HERE;
	return result < 0 && strcmp(program->kind, "tries"); /* one that tries does not mind */
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list();
	if (argc == 4 && !strcmp(argv[1], "hold"))
		return hold(find(argv[2]), strtoull(argv[3], 0, 16));
	if (argc == 3 && !strcmp(argv[1], "run"))
		return run(find(argv[2]));
	fprintf(stderr, "usage: capability_programs list | hold NAME SET | run NAME\n");
	return NOT_HERE;
}
