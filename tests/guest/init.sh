#!/bin/busybox sh
# Process 1 of a guest: mounts what a host has, runs the command, hands back its output and exit code on the second
# serial port, powers off. Complaints go to the first one, the console. Options come from the kernel's command line.

option() { # NAME DEFAULT: the value of eunomia.NAME=
  value=$2
  for word in $(cat /proc/cmdline); do
    case $word in eunomia.$1=*) value=${word#*=} ;; esac
  done
  echo "$value"
}

mount_v1() { # every controller on its own
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  for name in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
    mkdir "/sys/fs/cgroup/$name"
    # From 6.11 on a kernel may list a controller that it has for version 2 only.
    mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name" || rmdir "/sys/fs/cgroup/$name"
  done
}

mount_cgroups() {
  case $1 in
    v2) mount -t cgroup2 cgroup2 /sys/fs/cgroup ;;
    v1) mount_v1 ;;
    hybrid)
      mount_v1
      mkdir /sys/fs/cgroup/unified
      mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
      ;;
    *) echo "guest: no cgroup layout is called '$1'" ;;
  esac
}

mount_all() {
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t devtmpfs devtmpfs /dev
  mkdir -p /dev/pts /dev/shm
  mount -t devpts devpts /dev/pts
  for folder in /dev/shm /run /tmp; do mount -t tmpfs tmpfs $folder; done
  # What udev makes in every system (dev_setup.c of systemd).
  ln -sf /proc/self/fd /dev/fd
  ln -sf /proc/self/fd/0 /dev/stdin
  ln -sf /proc/self/fd/1 /dev/stdout
  ln -sf /proc/self/fd/2 /dev/stderr
  mount -t securityfs securityfs /sys/kernel/security
  mount -t bpf bpf /sys/fs/bpf
  mount_cgroups "$(option cgroup v2)"
  [ "$(option tracefs yes)" = no ] || mount -t tracefs tracefs /sys/kernel/tracing
}

end_all_but() { # PID: what the command left behind may not write after the last line, nor keep the pipe open
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    [ "$pid" = 1 ] || [ "$pid" = "$1" ] || kill -KILL "$pid" 2>/dev/null # gone already, or a thread of the kernel
  done
}

run_command() { # through a pipe: on a serial port, programs would think they talk to a terminal
  mkfifo /run/output
  cat /run/output >&3 &
  reader=$!
  setsid /bin/sh /opt/command </dev/null >/run/output 2>&1 3>&-
  code=$?
  end_all_but $reader
  wait $reader
  rm /run/output
  return $code
}

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export PYTHONPATH=/opt/eunomia/src:/opt/eunomia:/opt/python
mount_all
ip link set lo up
cd /opt/eunomia
exec 3<>"/dev/$(option port ttyS1)"
stty raw -echo <&3
token=$(option token none)
run_command
printf '\n%s %d\n' "$token" $? >&3
exec 3>&- # returns when the port has sent everything
poweroff -f
