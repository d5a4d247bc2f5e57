"""Each command makes the system call that it is named after: strace saw it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

# Only the 32-bit entry is made with this in front: a kernel without it would send the signal.
IN_32_BIT = r"rt_sigaction\(SIGSEGV[^\n]*\n"

CALLS = [
    ("open RDONLY f", r'openat\(AT_FDCWD, "f", O_RDONLY\) = \d'),
    ("via open open WRONLY,APPEND f", r'open\("f", O_WRONLY\|O_APPEND\) = \d'),
    ("via creat open WRONLY f", r'creat\("f", 0644\) = \d'),
    ("via openat2 open RDONLY f", r'openat2\(AT_FDCWD, "f", \{flags=O_RDONLY.*\) = \d'),
    ("via dirfd read d/g", r'openat\(\d, "g", O_RDONLY\) = \d'),
    ("via int80 read f", IN_32_BIT + r'open\("f", O_RDONLY\) = \d'),
    ("via int80-openat read f", IN_32_BIT + r'openat\(AT_FDCWD, "f", O_RDONLY\) = \d'),
    ("via uring read f", r"io_uring_enter\(\d, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0\) = 1\nread\(\d"),
    ("write-back f", r'write\(\d, "content\\n", 8\) = 8'),
    ("via openat2 append f more", r'write\(\d, "more\\n", 5\) = 5'),
    ("create 4755 new", r'openat\(AT_FDCWD, "new", O_WRONLY\|O_CREAT\|O_EXCL, 04755\) = \d'),
    ("rename f other", r'rename\("f", "other"\) = 0'),
    ("via renameat2 rename f other", r'renameat2\(AT_FDCWD, "f", AT_FDCWD, "other", 0\) = 0'),
    ("via int80 rename f other", IN_32_BIT + r'rename\("f", "other"\) = 0'),
    ("via uring rename f other", r"io_uring_enter\(.*\) = 1"),
    ("rename-all .x f d/g", r'rename\("f", "f.x"\) = 0\nrename\("d/g", "d/g.x"\) = 0'),
    ("exchange f d/g", r'renameat2\(AT_FDCWD, "f", AT_FDCWD, "d/g", RENAME_EXCHANGE\) = 0'),
    ("unlink f", r'unlink\("f"\) = 0'),
    ("via unlinkat unlink f", r'unlinkat\(AT_FDCWD, "f", 0\) = 0'),
    ("via uring unlink f", r"io_uring_enter\(.*\) = 1"),
    ("chmod 4755 f", r'chmod\("f", 04755\) = 0'),
    ("via fchmod chmod 4755 f", r"fchmod\(\d, 04755\) = 0"),
    ("via fchmodat chmod 4755 f", r'fchmodat\(AT_FDCWD, "f", 04755\) = 0'),
    ("via int80 chmod 4755 f", IN_32_BIT + r'chmod\("f", 04755\) = 0'),
    ("link f l", r'link\("f", "l"\) = 0'),
    ("via linkat link f l", r'linkat\(AT_FDCWD, "f", AT_FDCWD, "l", AT_SYMLINK_FOLLOW\) = 0'),
    ("symlink f l", r'symlink\("f", "l"\) = 0'),
    ("truncate f", r'truncate\("f", 0\) = 0'),
    ("via ftruncate truncate f", r"ftruncate\(\d, 0\) = 0"),
    ("mknod n c 1 3", r'mknod\("n", S_IFCHR\|0600, makedev\(0x1, 0x3\)\) = 0'),
    ("try open-by-handle f", r"open_by_handle_at\(\d, \{.*\}, O_RDONLY\) = "),
    ("exec /bin/true", r'execve\("/bin/true", \["/bin/true"\], .*\) = 0'),
    ("via fexecve exec /bin/true", r'execveat\(\d, "", \["/bin/true"\], .*, AT_EMPTY_PATH\) = 0'),
    ("via proc-fd exec /bin/true", r'execve\("/proc/self/fd/\d", \["/bin/true"\], .*\) = 0'),
    ("via int80 exec /bin/true", IN_32_BIT + r'execve\("/bin/true", \["/bin/true"\], NULL\) = 0'),
    ("memfd-exec name /bin/true", r'memfd_create\("name", MFD_CLOEXEC\) = \d[^$]*execveat?\(.*\) = 0'),
    ("deleted-exec copy /bin/true", r'unlink\("copy"\) += 0\nexecveat?\(.*\) = 0'),
    ("named other /bin/true", r'execve\("/bin/true", \["other"\], .*\) = 0'),
    ("as other /bin/true", r'prctl\(PR_SET_NAME, "other"\) = 0\nexecve\("/bin/true", .*\) = 0'),
    ("spawn other /bin/true", r'execve\("/bin/true", .*\) = 0'),
    ("ptrace", r"ptrace\(PTRACE_ATTACH, \d+\) = 0"),
    ("via seize ptrace", r"ptrace\(PTRACE_SEIZE, \d+, NULL, 0\) = 0"),
    ("via poke ptrace", r"ptrace\(PTRACE_POKEDATA, \d+, 0x\w+, 0x2a\) = 0"),
    ("vm-write", r'process_vm_writev\(\d+, \[\{iov_base="\*\\0.*\) = 8'),
    ("via read vm-write", r"process_vm_readv\(\d+, .*\) = 8"),
    ("proc-mem", r'openat\(AT_FDCWD, "/proc/\d+/mem", O_RDWR\) = \d[^$]*pwrite64\(\d, "\*\\0.*\) = 8'),
    ("proc-of-child environ", r'openat\(AT_FDCWD, "/proc/\d+/environ", O_RDONLY\) = \d'),
    ("unshare NEWUSER,NEWNS", r"unshare\(CLONE_NEWNS\|CLONE_NEWUSER\) = 0"),
    ("via clone unshare NEWUTS", r"clone\(child_stack=NULL, flags=CLONE_NEWUTS\|SIGCHLD\)"),
    ("via clone3 unshare NEWUTS", r"clone3\(\{flags=CLONE_NEWUTS,"),
    ("setns NEWUTS /proc/self/ns/uts", r"setns\(\d, CLONE_NEWUTS\) = 0"),
    ("try via pidfd setns NEWUTS 1", r"pidfd_open\(1, 0\) = \d\nsetns\(\d, CLONE_NEWUTS\) = "),
    ("chroot d", r'chroot\("d"\) = 0'),
    ("try pivot-root d d", r'pivot_root\("d", "d"\) = -1 E'),
    ("setuid 65534", r"setuid\(65534\) = 0"),
    ("via setresuid setuid 65534", r"setresuid\(65534, 65534, 65534\) = 0"),
    ("via int80 setuid 65534", IN_32_BIT + r"setuid32\(65534\) = 0"),
    ("capset same", r"capset\(.*\) = 0[^$]*capset\(.*\) = 0"),
    ("regain-root", r"setresuid\(1000, 1000, 1000\) = 0\n[^$]*capset\(.*\) = 0\nsetuid\(0\) = 0"),
    ("via saved regain-root", r"setresuid\(-1, 1000, -1\) = 0\nsetresuid\(-1, 0, -1\) = 0"),
    ("as-user 1000 /bin/true", r'setresuid\(1000, 1000, 1000\) = 0\nexecve\("/bin/true", .*\) = 0'),
    ("try file-capability f", r'setxattr\("f", "security.capability", .*, 20, 0\)'),
    ("personality", r"personality\(.*ADDR_NO_RANDOMIZE\)"),
    ("try io-ports", r"iopl\(0\)"),
    ("try via ioperm io-ports", r"ioperm\(0x80, 0x1, 0\)"),
    ("mount tmpfs d tmpfs NONE", r'mount\("tmpfs", "d", "tmpfs", 0, NULL\) = 0'),
    ("mount d d - BIND", r'mount\("d", "d", NULL, MS_BIND, NULL\) = 0'),
    ("via int80 mount tmpfs d tmpfs NONE", IN_32_BIT + r'mount\("tmpfs", "d", "tmpfs", 0, NULL\) = 0'),
    ("via fsmount mount - d tmpfs NONE", r"fsopen\(\"tmpfs\"[^$]*move_mount\(\d, \"\", AT_FDCWD, \"d\", .*\) = 0"),
    ("via open_tree mount d d - NONE", r"open_tree\(AT_FDCWD, \"d\", [^$]*move_mount\(\d, .*\) = 0"),
    ("try umount d", r'umount2\("d", MNT_DETACH\) = -1 EINVAL'),
    ("try init-module", r"init_module\(.*, 12.*\) = -1 E"),
    ("try finit-module f", r'finit_module\(\d, "", 0\) = -1 E'),
    ("try delete-module no_such", r'delete_module\("no_such", O_NONBLOCK\) = -1 E'),
    ("try kexec-load", r"kexec_file_load\(-1, -1, .*\) = -1 E"),
    ("bpf map", r"bpf\(BPF_MAP_CREATE, .*\) = \d"),
    ("bpf program", r"bpf\(BPF_PROG_LOAD, .*\) = \d"),
    ("try userfaultfd", r"userfaultfd\("),
    ("io-uring", r"io_uring_setup\(8, .*\) = \d"),
    ("try perf-event", r"perf_event_open\("),
    ("try key lab", r'add_key\("user", "lab", "value", 5, KEY_SPEC_PROCESS_KEYRING\)'),
    ("try via keyctl key lab", r"keyctl\(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1\)"),
    ("memfd name", r'memfd_create\("name", 0\) = \d'),
    ("mprotect-exec", r"mprotect\(0x\w+, 4096, PROT_READ\|PROT_WRITE\|PROT_EXEC\) = 0"),
    ("sethostname", r"sethostname\("),
    ("socket PACKET RAW 0", r"socket\(AF_PACKET, SOCK_RAW, htons\(0.*\) = \d"),
    ("try connect 127.0.0.1 9", r"connect\(\d, \{sa_family=AF_INET, sin_port=htons\(9\).*\) = -1 ECONNREFUSED"),
    ("try connect ::1 9", r"connect\(\d, \{sa_family=AF_INET6, sin6_port=htons\(9\).*\) = -1 ECONNREFUSED"),
    ("try via uring connect 127.0.0.1 9", r"io_uring_enter\(.*\) = 1"),
    ("try connect-unix @no-such", r'connect\(\d, \{sa_family=AF_UNIX, sun_path=@"no-such"\}.*\) = -1 ECONNREFUSED'),
    ("sweep 127.0.0. 1 10 9", r"(127\.0\.0\.\d+[^$]*){10}"),
    ("knock 127.0.0.1 9 10", r"(sin_port=htons\(9\)[^$]*){10}"),
    ("scan 127.0.0.1 20 29", r"(sin_port=htons\(2\d\)[^$]*){10}"),
    ("server-spawns web 8080 /bin/true", r'accept\([^$]*execve\("/bin/true", .*\) = 0'),
    ("via socket server-spawns web 8080 /bin/true", r"dup2\(\d, 0\) = 0[^$]*execve\(\"/bin/true\", .*\) = 0"),
]


@pytest.mark.kernel
@pytest.mark.parametrize(("words", "call"), CALLS, ids=[words for words, _ in CALLS])
def test_call_is_made(words: str, call: str, labtool: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_text("content\n")
    (tmp_path / "d/g").write_text("other\n")
    trace = tmp_path / "trace"
    alone = ("unshare", "--mount", "--net", "--uts", "--ipc", "--", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")
    # Children are followed only where it is they who act: a child that is traced already cannot be traced by labtool.
    # Each has a file of its own, so that none breaks into another's line.
    children = ("-ff",) if "spawn" in words else ()
    traced = ("strace", *children, "-qq", "-a0", "-s", "64", "-e", "signal=none", "-o", trace)
    done = subprocess.run(
        [*alone, *traced, labtool, *words.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    files = sorted(tmp_path.glob("trace*"), key=lambda file: (len(file.name), file.name))
    seen = "".join(file.read_text() for file in files)
    assert re.search(call, seen), seen


@pytest.mark.kernel
@pytest.mark.parametrize("way", ["dup2", "dup3", "fcntl"])
def test_program_on_a_socket(way: str, labtool: Path) -> None:
    traced = f"strace -qq -a0 -e trace={way},execve $0 via {way} on-socket 127.0.0.1 4444 /bin/true"
    script = f"ip link set lo up; $0 serve 127.0.0.1 4444; exec 3>&2; {traced} 2>&3"
    command = ["unshare", "--net", "sh", "-c", script, str(labtool)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert re.search(r'execve\("/bin/true"', done.stderr)
    assert len(re.findall(rf"{way}\(\d, (?:F_DUPFD, )?[012](?:, 0)?\) += [012]\n", done.stderr)) >= 3, done.stderr


def _said(labtool: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([labtool, *words], capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stderr


def test_refusals_are_told(labtool: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert _said(labtool, "read", missing) == (1, "labtool: read: No such file or directory\n")
    assert _said(labtool, "try", "read", missing)[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("raed f", "no such command (see labtool help): raed"),
        ("rename f", "rename: OLD NEW"),
        ("via openat3 read f", "read: no way openat3; there are: openat openat2"),
        ("open RDONLY,WRONG f", "no such name: WRONG"),
    ],
)
def test_wrong_use_is_told(words: str, said: str, labtool: Path) -> None:
    code, stderr = _said(labtool, *words.split())
    assert code == 2
    assert said in stderr
