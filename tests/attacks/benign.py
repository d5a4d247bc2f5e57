"""Ordinary work in containers that needs nothing but busybox, and `eunomia lab benign` with a Debian made here.

    python -m tests.attacks.benign [--minutes 10] [--report FILE]

The Debian root is made by debootstrap (cached, as for guest kernels), since no image can be pulled here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from eunomia.lab.judge import Seen
from eunomia.lab.ordinary import again_and_again
from tests.cli.command import EUNOMIA, environment
from tests.dockerd import DockerDaemon, docker_daemon
from tests.guest.cache import default_cache
from tests.guest.image import layers

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
"""A round takes a second or two."""


def work(daemon: DockerDaemon, image: str, prefix: str, scripts: dict[str, str], seconds: float) -> None:
    """Does all of it side by side, again and again.

    Raises:
        DockerdError: a piece of work that fails, with what it says.
    """

    def one(item: tuple[str, str]) -> None:
        name, script = item
        again = again_and_again(script, seconds)
        daemon.cli("run", "--name", f"{prefix}-{name}", "--network", "none", image, "/bin/sh", "-euc", again)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, scripts.items()))


def unwanted(alerts: Iterable[Seen], prefix: str) -> list[Seen]:
    """Those at level `alert` that speak of the work."""
    return [alert for alert in alerts if alert.level == "alert" and alert.container.startswith(f"{prefix}-")]


def main() -> int:
    """Works for a while and prints what was said of it; 1 when something cried `alert`."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.benign", description=__doc__)
    parser.add_argument("--minutes", default="10", help="how long each piece of work goes on")
    parser.add_argument("--report", type=Path, help="write the page there, too")
    asked = parser.parse_args()
    report = ("--report", str(asked.report)) if asked.report else ()
    with TemporaryDirectory(prefix="eu") as name, docker_daemon(Path(name)) as daemon:
        daemon.image("debian", layers(default_cache())[0].parent / "tree")
        command = [*EUNOMIA, "lab", "benign", "--image", "debian", "--network", "host", "--minutes", asked.minutes]
        done = subprocess.run([*command, *report], env=environment(DOCKER_HOST=daemon.host), check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
