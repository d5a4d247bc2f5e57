#!/bin/sh
# Installs the system packages that are missing for: build, run, test, bench, lab (several may be named).
# Debian 12 and 13, Ubuntu 24.04; elsewhere it names what is missing.
set -eu

# purpose, what must be there (a command, a file, a library, or a script of ours that succeeds), and the package that
# brings it: the first of the alternatives that the distribution has.
packages() {
    kernel=$(uname -r)
    debian_keys=/usr/share/keyrings/debian-archive-keyring.gpg
    # Not the commands: the package busybox has one too, linked dynamically, which runs in no empty container; and those
    # of libbpf-tools are called differently in Debian 12 and 13.
    static_busybox=/usr/share/doc/busybox-static/copyright
    libbpf_tools=/usr/share/doc/libbpf-tools/copyright
    postgres=/usr/share/doc/postgresql/copyright
    arm64_libc=/usr/aarch64-linux-gnu/lib/libc.a
    arm64_headers=/usr/aarch64-linux-gnu/include/asm/ptrace.h
    cat <<END
build  make                             make
build  clang                            clang
build  llvm-strip                       llvm
build  /usr/include/bpf/bpf_helpers.h   libbpf-dev
build  /usr/include/linux/bpf.h         linux-libc-dev
build  scripts/python.sh                python3-venv
run    libbpf.so.1                      libbpf1
test   bpftool                          bpftool|linux-tools-$kernel|linux-tools-generic
test   dockerd                          docker.io
test   docker                           docker-cli|docker.io
test   iptables                         iptables
test   containerd                       containerd
test   runc                             runc
test   /usr/lib/cni/bridge              containernetworking-plugins
test   podman                           podman
test   $static_busybox                  busybox-static
test   qemu-system-x86_64               qemu-system-x86
test   qemu-system-aarch64              qemu-system-arm
test   debootstrap                      debootstrap
test   gpgv                             gpgv
test   $debian_keys                     debian-archive-keyring
test   cpio                             cpio
test   mkfs.ext4                        e2fsprogs
test   openssl                          openssl
test   strace                           strace
test   /usr/include/stdio.h             libc6-dev
test   aarch64-linux-gnu-gcc            gcc-aarch64-linux-gnu
test   $arm64_libc                      libc6-dev-arm64-cross
test   $arm64_headers                   linux-libc-dev-arm64-cross
test   ip                               iproute2
test   ps                               procps
test   prometheus                       prometheus
test   prometheus-alertmanager          prometheus-alertmanager
test   promtool                         prometheus
test   systemd-analyze                  systemd
test   influxd                          influxdb
test   victoria-metrics                 victoria-metrics
test   $postgres                        postgresql
bench  bpftrace                         bpftrace
bench  influxd                          influxdb
bench  $postgres                        postgresql
bench  $libbpf_tools                    libbpf-tools
bench  strace                           strace
bench  perf                             linux-perf|linux-tools-$kernel|linux-tools-generic
bench  dockerd                          docker.io
bench  docker                           docker-cli|docker.io
bench  $static_busybox                  busybox-static
bench  ip                               iproute2
bench  nginx                            nginx-light
bench  wrk                              wrk
bench  qemu-system-x86_64               qemu-system-x86
bench  debootstrap                      debootstrap
bench  gpgv                             gpgv
bench  $debian_keys                     debian-archive-keyring
lab    dockerd                          docker.io
lab    docker                           docker-cli|docker.io
lab    $static_busybox                  busybox-static
lab    strace                           strace
lab    nsenter                          util-linux
lab    gcc                              gcc
lab    make                             make
lab    /usr/include/stdio.h             libc6-dev
lab    curl                             curl
lab    git                              git
lab    haproxy                          haproxy
lab    javac                            default-jdk-headless
lab    memcached                        memcached
lab    nginx                            nginx-light|nginx
lab    node                             nodejs
lab    perl                             perl
lab    $postgres                        postgresql
lab    prometheus-alertmanager          prometheus-alertmanager
lab    python3                          python3
lab    redis-server                     redis-server
lab    rustc                            rustc
lab    sqlite3                          sqlite3
lab    ssh                              openssh-client
lab    sshd                             openssh-server
END
}

is_there() {
    case $1 in
        scripts/*) sh "$1" >/dev/null ;;
        /*) [ -e "$1" ] ;;
        lib*.so.*) ldconfig -p | grep -q "$1" ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# The package alternatives of whatever is missing, one line each.
missing() {
    packages | while read -r purpose probe alternatives; do
        case " $wanted " in
            *" $purpose "*) is_there "$probe" || echo "$alternatives" ;;
        esac
    done | sort -u
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# apt-get says a lot; only a failure is worth reading.
apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$log" 2>&1 </dev/null || {
        cat "$log" >&2
        fail "apt-get $1 failed"
    }
}

first_known() {
    echo "$1" | tr '|' '\n' | while read -r name; do
        if apt-cache policy "$name" | grep -q 'Candidate: [^(]'; then
            echo "$name"
            break
        fi
    done
}

fail() {
    echo "error: $*" >&2
    exit 1
}

cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # not on every user's PATH, though dockerd and ldconfig live there
wanted=$*
[ -n "$wanted" ] || fail "usage: scripts/install.sh build|run|test|bench|lab..."
for purpose in $wanted; do
    packages | grep -q "^$purpose " || fail "$purpose: not one of build, run, test, bench, lab"
done

lacking=$(missing)
[ -n "$lacking" ] || exit 0
names=$(echo "$lacking" | tr '\n' ' ')
command -v apt-get >/dev/null || fail "no apt-get here; please install (Debian's names): $names"
[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail "no sudo here; as root: apt-get install $names"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt update
chosen=
for alternatives in $lacking; do
    name=$(first_known "$alternatives")
    [ -n "$name" ] || fail "apt-get knows no package $alternatives"
    case "$chosen " in *" $name "*) ;; *) chosen="$chosen $name" ;; esac
done
echo "installing:$chosen"
# shellcheck disable=SC2086 # one word each
apt install -y --no-install-recommends $chosen
