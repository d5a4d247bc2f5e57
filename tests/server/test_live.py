"""A real run with a real container, scraped by a real Prometheus: the numbers are those of what was done."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, Live, environment
from tests.dockerd import DockerDaemon
from tests.server.page import names
from tests.waiting import until

pytestmark = [pytest.mark.kernel, pytest.mark.docker]
_BYTES, _DELETES = 3 * 4096, 3
WORK = """
work() {
    for i in 1 2 3; do /bin/head -c 4096 /dev/zero >/tmp/f$i; done
    /bin/rm /tmp/f1 /tmp/f2 /tmp/f3
    /bin/false
    /bin/sleep 1000 & child=$!
    until read name </proc/$child/comm && [ "$name" = sleep ]; do :; done
    for i in 1 2 3; do kill -CONT $child; done
    kill -KILL $child
    wait $child
    /bin/cat /no/such/file
    echo done
}
trap work USR1
/bin/sleep 1000 &
echo ready
while :; do wait; done
"""


def fetch(url: str, **headers: str) -> str:
    with urlopen(Request(url, headers=headers), timeout=10) as answer:  # noqa: S310 (our own server)
        return str(answer.read().decode())


@pytest.fixture
def serving(tmp_path: Path, dockerd: DockerDaemon) -> Iterator[tuple[Live, str]]:
    """`eunomia server` for the container `metered`, which is yet to come; and its address."""
    (tmp_path / "c.toml").write_text('[filter]\ncontainers = ["metered"]\nwait = true\n')
    log = tmp_path / "log"
    command = [*DEFAULT_SIGNALS, *EUNOMIA, "server", "--prometheus", "--listen", "0"]
    command += ["--config", str(tmp_path / "c.toml")]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, env=environment(DOCKER_HOST=dockerd.host))
    live = Live(process, log)
    try:
        live.said("/metrics\n")
        live.said("waiting for container metered")
        yield live, live.stderr.partition("metrics: ")[2].split("/metrics")[0]
    finally:
        process.kill()
        process.wait()
        dockerd.remove("metered")


Sample = tuple[str, dict[str, str], float]


def scrape(url: str) -> list[Sample]:
    families = text_string_to_metric_families(fetch(f"{url}/metrics"))
    return [(one.name, one.labels, one.value) for family in families for one in family.samples]


def total(samples: list[Sample], name: str, **labels: str) -> float:
    return sum(value for called, told, value in samples if called == name and labels.items() <= told.items())


def of_containers(url: str, **labels: str) -> list[Sample]:
    return [one for one in scrape(url) if "container_id" in one[1] and labels.items() <= one[1].items()]


def settled(url: str, **labels: str) -> list[Sample]:
    """The numbers of containers once they stay the same for longer than an interval."""
    seen: list[list[Sample]] = [[]]

    def same() -> bool:
        time.sleep(1.5)
        seen.append(of_containers(url, **labels))
        return bool(seen[-1]) and seen[-1] == seen[-2]

    until(same)
    return seen[-1]


def test_numbers_are_those_of_what_was_done(serving: tuple[Live, str], dockerd: DockerDaemon, tmp_path: Path) -> None:
    live, url = serving
    until(lambda: _answers(f"{url}/readyz") == 200)
    with prometheus(tmp_path, url.removeprefix("http://")) as ask:
        container_id = dockerd.start("metered", "sh", "-c", WORK)[:12]
        until(lambda: "ready" in dockerd.cli("logs", "metered"))
        before = settled(url)
        dockerd.cli("kill", "-s", "USR1", "metered")
        until(lambda: "done" in dockerd.cli("logs", "metered"))
        after = settled(url)
        check_truth(before, after, container_id)
        expected = total(after, "eunomia_file_written_bytes_total")
        query = 'sum(eunomia_file_written_bytes_total{container_name="metered",image="eunomia-test"})'
        until(lambda: ask(query) == expected)
        assert ask("eunomia_up") == 1
        assert ask('sum(eunomia_process_exits_total{kind="signal"})') == 1
    _check_itself(scrape(url))
    _check_formats(url)
    assert live.ended(signal.SIGTERM) == 0
    assert "Traceback" not in live.stderr
    assert " 0 lost" in live.stderr
    with pytest.raises(OSError, match="refused"):
        fetch(f"{url}/healthz")


def _answers(url: str) -> int:
    try:
        fetch(url)
    except HTTPError as error:
        return error.code
    return 200


def check_truth(before: list[Sample], after: list[Sample], container_id: str) -> None:
    inside = {"container_id": container_id, "container_name": "metered", "image": "eunomia-test"}
    assert all(inside.items() <= labels.items() for _, labels, _ in after)

    def added(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert added("eunomia_process_execs_total") == 7
    exits = {kind: added("eunomia_process_exits_total", kind=kind) for kind in ("success", "error", "signal")}
    assert exits == {"success": 4, "error": 2, "signal": 1}  # head and rm; false and cat; sleep
    assert added("eunomia_process_lifetime_seconds_count") == 7
    assert added("eunomia_file_written_bytes_total") == _BYTES
    assert added("eunomia_file_deletes_total") == _DELETES
    unlinks = (added("eunomia_syscalls_total", syscall=name) for name in ("unlink", "unlinkat"))
    assert sum(unlinks) == _DELETES
    assert added("eunomia_syscall_errors_total", error="ENOENT") >= 1
    assert added("eunomia_signals_total", signal="SIGCONT") == 3
    assert added("eunomia_signals_total", signal="SIGKILL") == 1


def _check_itself(samples: list[Sample]) -> None:
    assert total(samples, "eunomia_events_total", tracker="process") >= 14
    assert total(samples, "eunomia_events_lost_total") == 0
    assert {labels["tracker"] for name, labels, _ in samples if name == "eunomia_events_lost_total"} == {
        labels["tracker"] for name, labels, _ in samples if name == "eunomia_events_total"
    }
    assert total(samples, "eunomia_containers", state="running") >= 1
    assert total(samples, "eunomia_ring_bytes", tracker="process") == 8 << 20
    assert total(samples, "eunomia_queue_max_bytes", queue="prometheus") > 0
    assert total(samples, "eunomia_metric_series", metric="eunomia_syscalls_total") > 5
    assert total(samples, "process_resident_memory_bytes") > 0


def _check_formats(url: str) -> None:
    """What is exported is documented, and right in either format."""
    plain = fetch(f"{url}/metrics")
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: scripts/install.sh test"
    done = subprocess.run([promtool, "check", "metrics"], input=plain, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    exported = {line.split()[2] for line in plain.splitlines() if line.startswith("# TYPE")}
    assert exported <= names()
    text = fetch(f"{url}/metrics", Accept="application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in openmetrics_families(text)}
    exits = families["eunomia_process_exits"].samples
    assert {one.exemplar.labels["comm"] for one in exits if one.exemplar} & {"head", "rm", "cat", "false"}


class prometheus:  # noqa: N801 (used like a function)
    """A real Prometheus that scrapes one target each second; gives what answers queries that have one number."""

    def __init__(self, directory: Path, target: str) -> None:
        self._directory = directory
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "eunomia", "static_configs": [{"targets": [target]}]}],
        }
        (directory / "prometheus.yml").write_text(json.dumps(config))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._address = f"127.0.0.1:{free.getsockname()[1]}"

    def __enter__(self) -> Callable[[str], float | None]:
        program = shutil.which("prometheus")
        assert program, "prometheus is missing: scripts/install.sh test"
        options = [
            f"--config.file={self._directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'tsdb'}",
            f"--web.listen-address={self._address}",
            "--log.level=error",
        ]
        self._process = subprocess.Popen([program, *options])
        until(self._ready)
        return self._ask

    def _ready(self) -> bool:
        try:
            return _answers(f"http://{self._address}/-/ready") == 200
        except OSError:
            return False

    def _ask(self, query: str) -> float | None:
        answer = json.loads(fetch(f"http://{self._address}/api/v1/query?{urlencode({'query': query})}"))
        found = answer["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.wait()
