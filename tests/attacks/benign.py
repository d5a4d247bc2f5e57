"""Ordinary work in containers, on which no rule may cry `alert`.

    python -m tests.attacks.benign [--seconds 60] [--report FILE]

A Debian root is made by debootstrap (cached, as for guest kernels); `apt-get install` inside a container brings the
programs, which is the first piece of work that is watched. Then all go on side by side for the time given.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from eunomia.lab.judge import Seen
from eunomia.lab.watching import watching
from tests.dockerd import IMAGE, DockerDaemon, docker_daemon
from tests.guest.cache import default_cache
from tests.guest.image import layers

_PACKAGES = (
    "cron gcc libc6-dev logrotate make nginx-light openssh-client openssh-server postgresql procps redis-server sqlite3"
)
_INSTALL = f"""
mkdir -p /var/log/apt
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {_PACKAGES}
"""

BUSYBOX: dict[str, str] = {
    "backup": """
        mkdir -p /tmp/data /tmp/backup
        seq 1000 >/tmp/data/numbers
        tar -czf /tmp/backup/etc.tar.gz /etc /tmp/data
        cd /tmp/backup && tar -xzf etc.tar.gz && rm -r etc
    """,
    "rotation": """
        mkdir -p /var/log
        echo line >>/var/log/app.log
        mv /var/log/app.log /var/log/app.log.1
        gzip -f /var/log/app.log.1
        : >/var/log/app.log
    """,
    "cron": """
        mkdir -p /tmp/crontabs
        echo '* * * * * true' >/tmp/crontabs/root
        crond -f -c /tmp/crontabs & sleep 1; kill $!
    """,
    "web": """
        mkdir -p /tmp/www
        echo hello >/tmp/www/index.html
        httpd -f -p 127.0.0.1:8080 -h /tmp/www & sleep 0.3
        for n in 1 2 3 4 5; do printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 127.0.0.1 8080 >/dev/null; done
        kill $!
    """,
}
"""Work that needs nothing but busybox: a round takes a second or two."""

DEBIAN: dict[str, str] = {
    "nginx": """
        nginx -t
        nginx
        python3 -c 'import urllib.request as u; [u.urlopen("http://127.0.0.1/").read() for _ in range(50)]'
        nginx -s reload
        sleep 1
        nginx -s quit
        sleep 1
    """,
    "redis": """
        redis-server --port 6379 --dir /tmp --save '' --daemonize yes
        sleep 1
        redis-cli set key value
        redis-cli bgsave
        sleep 1
        redis-cli shutdown nosave || true
    """,
    "postgresql": """
        rm -rf /tmp/db
        install -d -o postgres /tmp/db
        bin=$(echo /usr/lib/postgresql/*/bin)
        su postgres -c "$bin/initdb -D /tmp/db >/dev/null"
        su postgres -c "$bin/pg_ctl -D /tmp/db -l /tmp/pg.log -w start"
        su postgres -c "psql -c 'create table t as select generate_series(1, 1000)' -c 'vacuum t' postgres"
        su postgres -c "$bin/pg_ctl -D /tmp/db -w stop"
    """,
    "python": """
        mkdir -p /tmp/www
        cd /tmp/www
        python3 -m http.server 8000 & server=$!
        sleep 1
        python3 -c 'import urllib.request as u; [u.urlopen("http://127.0.0.1:8000/").read() for _ in range(20)]'
        kill $server
    """,
    "build": """
        mkdir -p /tmp/build
        cd /tmp/build
        printf '#include <stdio.h>\\nint main(void) { puts("built"); return 0; }\\n' >main.c
        printf 'main: main.o\\n\\tcc -o main main.o\\nmain.o: main.c\\n\\tcc -O2 -c main.c\\n' >Makefile
        make
        ./main
        make -B >/dev/null
    """,
    "sqlite": """
        sqlite3 /tmp/t.db 'create table if not exists t(a); insert into t values (1); select count(*) from t; vacuum'
    """,
    "cron": """
        echo '* * * * * root true' >/tmp/crontab
        cron -f & sleep 3; kill $!
    """,
    "logrotate": """
        echo line >>/var/log/alternatives.log
        logrotate --force /etc/logrotate.conf
    """,
    "backup": """
        tar -czf /tmp/backup.tar.gz --one-file-system /home /opt /srv /usr/share/nginx /var/www 2>/dev/null || true
        cp -a /usr/share/nginx /tmp/copy && rm -r /tmp/copy
    """,
    "ssh": """
        mkdir -p /run/sshd /root/.ssh
        [ -e /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
        cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
        /usr/sbin/sshd -p 2200
        ssh -o StrictHostKeyChecking=no -p 2200 127.0.0.1 true
        kill $(cat /run/sshd.pid)
    """,
}
"""Work as servers do it, in the image that the installation makes."""

_INTENDED = {("ssh", "SSH keys admitted")}
"""What a piece of work does on purpose and its rule is right to say."""


def work(daemon: DockerDaemon, image: str, prefix: str, scripts: dict[str, str], seconds: float) -> None:
    """Does all of it side by side, again and again.

    Raises:
        DockerdError: a piece of work that fails, with what it says.
    """

    def one(item: tuple[str, str]) -> None:
        name, script = item
        again = f"set -e\nround() {{\n{script}\n}}\nend=$(($(date +%s) + {seconds:.0f}))\n"
        again += "while round; [ $(date +%s) -lt $end ]; do :; done"
        daemon.cli("run", "--name", f"{prefix}-{name}", "--network", "none", image, "/bin/sh", "-c", again)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, scripts.items()))


def unwanted(alerts: Iterable[Seen], prefix: str) -> list[Seen]:
    """Those at level `alert` that speak of the work."""
    return [
        alert
        for alert in alerts
        if alert.level == "alert"
        and alert.container.startswith(f"{prefix}-")
        and (alert.container.removeprefix(f"{prefix}-"), alert.rule) not in _INTENDED
    ]


def _install(daemon: DockerDaemon) -> str:
    """The Debian image with the packages, put there by apt-get in a container; no service is started by that."""
    daemon.image("debian", layers(default_cache())[0].parent / "tree")
    policy = daemon.directory / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", "utf-8")
    policy.chmod(0o755)
    options = ("--network", "host", "--volume", f"{policy}:/usr/sbin/policy-rc.d:ro")
    daemon.cli("run", "--name", "benign-apt-get", *options, "debian", "/bin/sh", "-ec", _INSTALL)
    daemon.cli("commit", "benign-apt-get", "installed")
    return "installed"


def _told(alerts: Sequence[Seen]) -> str:
    counts = Counter((one.container.removeprefix("benign-"), one.level, one.rule) for one in alerts if one.container)
    rows = [f"| {name} | {level} | {rule} | {count} |" for (name, level, rule), count in sorted(counts.items())]
    return "\n".join(("| work | level | rule | alerts |", "| --- | --- | --- | --- |", *rows))


def main() -> int:
    """Works for a while and prints what was said of it; 1 when something cried `alert`."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.benign", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long each piece of work goes on")
    parser.add_argument("--report", type=Path, help="write the table there, too")
    parser.add_argument("--rules", help="rules instead of the default ones")
    asked = parser.parse_args()
    options = ["--no-default-rules", "--rules", asked.rules] if asked.rules else []
    with TemporaryDirectory(prefix="eu") as name, docker_daemon(Path(name)) as daemon:
        with watching(daemon.host, options) as watch:
            image = _install(daemon)
            work(daemon, image, "benign", DEBIAN, asked.seconds)
            work(daemon, IMAGE, "benign-small", BUSYBOX, min(asked.seconds, 10))
            alerts = watch.stop()
    told = _told(alerts)
    print(told)
    if asked.report:
        asked.report.write_text(f"{told}\n", "utf-8")
    wrong = unwanted(alerts, "benign")
    for alert in {(one.container, one.rule): one for one in wrong}.values():
        print(f"{alert.container}: {alert.rule}: {alert.message}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
