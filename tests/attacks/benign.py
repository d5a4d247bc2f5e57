"""Ordinary work in containers that needs nothing but busybox; `eunomia lab benign` does more, in a Debian."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from eunomia.lab.ordinary import Done, again_and_again, read_done
from eunomia.lab.seen import Seen
from tests.dockerd import DockerDaemon

BUSYBOX: dict[str, str] = {
    "backup": """
        mkdir -p /tmp/data /tmp/backup
        seq 1000 >/tmp/data/numbers
        tar -czf /tmp/backup/etc.tar.gz /etc/passwd /tmp/data
        cd /tmp/backup && tar -xzf etc.tar.gz
        cmp /tmp/data/numbers tmp/data/numbers
        rm -r etc tmp
        did 1 backups restored
    """,
    "rotation": """
        mkdir -p /var/log
        echo line >>/var/log/app.log
        mv /var/log/app.log /var/log/app.log.1
        gzip -f /var/log/app.log.1
        : >/var/log/app.log
        did "$(zcat /var/log/app.log.1.gz | wc -l)" lines rotated
    """,
    "web": """
        mkdir -p /tmp/www
        echo hello >/tmp/www/index.html
        httpd -f -p 127.0.0.1:8080 -h /tmp/www & server=$!
        until wget -q -O /dev/null http://127.0.0.1:8080/; do sleep 0.1; done
        : >/tmp/answers
        for n in 1 2 3 4 5; do wget -q -O - http://127.0.0.1:8080/ >>/tmp/answers; done
        kill $server
        did "$(grep -c hello /tmp/answers)" requests served
    """,
}
"""A round takes a second or two."""


def work(daemon: DockerDaemon, image: str, prefix: str, scripts: Mapping[str, str], seconds: float) -> dict[str, Done]:
    """Does all of it side by side, again and again; what came of it.

    Raises:
        DockerdError: a piece of work that fails, with what it says.
    """

    def one(item: tuple[str, str]) -> tuple[str, Done]:
        name, script = item
        again = again_and_again(script, seconds)
        said = daemon.cli("run", "--name", f"{prefix}-{name}", "--network", "none", image, "/bin/sh", "-euc", again)
        return name, read_done(said)

    with ThreadPoolExecutor(3) as pool:
        return dict(pool.map(one, scripts.items()))


def unwanted(alerts: Iterable[Seen], prefix: str) -> list[Seen]:
    """Those at level `alert` that speak of the work."""
    return [alert for alert in alerts if alert.level == "alert" and alert.container.startswith(f"{prefix}-")]
