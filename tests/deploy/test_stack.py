"""All together and for real: an agent, Prometheus with our rules, Alertmanager, and what the dashboards ask of them."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from tests.daemon.running import running
from tests.deploy.test_dashboards import _PAGES, panels
from tests.deploy.test_prometheus import DEPLOY
from tests.dockerd import IMAGE, DockerDaemon
from tests.server.test_live import fetch
from tests.sinks.push.receivers import WRITE, Prometheus
from tests.waiting import until

pytestmark = [pytest.mark.kernel, pytest.mark.docker]
_NAME, _FULL = "shown", "crowded"
# What every panel is about, again and again. In its own network namespace: nc serves, nothing listens on 9.
_LOAD = """
(while :; do nc -l -p 8080 -e true; done) &
dd if=/dev/zero of=/big bs=1M count=4 2>/dev/null
while :; do
    head -c 65536 /dev/zero >/f1; mv /f1 /f2; cat /f2 >/dev/null; rm /f2
    dd if=/big of=/copy bs=64k conv=fsync 2>/dev/null
    nc 127.0.0.1 8080 </dev/null
    nc 127.0.0.1 9 </dev/null
    : >/etc/eunomia-danger
    sleep 100 & kill -KILL $!; wait $! 2>/dev/null
    sh -c 'exec /no-program' 2>/dev/null
    i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done
done
"""
_EAT = "x=0123456789abcdef; while :; do x=$x$x; done"
_HISTORY_S, _STEP_S = 2 * 3600, 15
_WINDOW = "30s"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def _server(folder: Path, *command: str) -> Iterator[None]:
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield
        assert process.poll() is None, (folder / f"{command[0]}.log").read_text()[-2000:]
    finally:
        process.terminate()
        process.wait(30)


def _configure(folder: Path, agent: int, alertmanager: int) -> None:
    """Ours, but for the addresses, and quicker."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{agent}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copytree(DEPLOY / "prometheus/rules", folder / "rules")


def _remember(folder: Path, labels: dict[str, str]) -> None:
    """Two hours of the past for the rules that compare with it."""
    rules = yaml.safe_load((DEPLOY / "prometheus/rules/recording.rules.yml").read_text())
    names = [rule["record"] for rule in rules["groups"][0]["rules"]]
    told = ",".join(f'{name}="{value}"' for name, value in labels.items())
    now = int(time.time()) - 60
    lines = []
    for name in names:
        lines.append(f"# TYPE {name} gauge")
        lines += [f"{name}{{{told}}} {1 + at % 2} {at}" for at in range(now - _HISTORY_S, now, _STEP_S)]
    (folder / "history").write_text("\n".join([*lines, "# EOF", ""]))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "history"), str(folder / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Stack:
    """What runs, by its addresses.

    Attributes:
        prometheus, alertmanager: their URLs.
        container: the id of the one under load, twelve digits.
    """

    def __init__(self, prometheus: str, alertmanager: str, container: str) -> None:
        self.prometheus, self.alertmanager, self.container = prometheus, alertmanager, container

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The answer to a query of now."""
        said = json.loads(fetch(f"{self.prometheus}/api/v1/query?{urlencode({'query': expression})}"))
        assert said["status"] == "success", said
        found: list[dict[str, Any]] = said["data"]["result"]
        return found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, dockerd: DockerDaemon) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    agent, prometheus, alertmanager = (_free_port() for _ in range(3))
    elsewhere = Prometheus()  # who is sent the same metrics
    _configure(folder, agent, alertmanager)
    (folder / "daemon.toml").write_text(
        f'docker_host = "{dockerd.host}"\n[daemon]\ndefault_rules = false\n'
        f'state_dir = "{folder}/state"\nsocket = "{folder}/status.sock"\n'
        f'[prometheus]\nlisten = "127.0.0.1:{agent}"\n[danger]\nfiles = ["/etc/eunomia-danger"]\n'
        f'[prometheus.remote_write]\nurl = "{elsewhere.url}{WRITE}"\ninterval_s = 1\n'
    )
    with ExitStack() as started:
        started.enter_context(elsewhere)
        started.enter_context(running(folder))
        started.callback(dockerd.remove, _NAME, _FULL)
        limits: dict[str, Any] = {"NanoCpus": 500_000_000, "PidsLimit": 50, "Memory": 64 << 20}
        container = dockerd.launch(_NAME, "sh", "-c", _LOAD, **limits)[:12]
        dockerd.launch(_FULL, "sh", "-c", _EAT, Memory=16 << 20)
        instance = f"127.0.0.1:{agent}"
        wanted = {"container_id": container, "container_name": _NAME, "image": IMAGE, "instance": instance}
        _remember(folder, wanted)
        started.enter_context(
            _server(
                folder,
                "prometheus-alertmanager",
                f"--config.file={DEPLOY}/alertmanager/alertmanager.yml",
                f"--storage.path={folder}/alertmanager",
                f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
            )
        )
        started.enter_context(
            _server(
                folder,
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{prometheus}",
                "--enable-feature=exemplar-storage",
            )
        )
        urls = f"http://127.0.0.1:{prometheus}", f"http://127.0.0.1:{alertmanager}"
        until(lambda: _answers(f"{urls[0]}/-/ready"), 60)
        yield Stack(*urls, container)


def _answers(url: str) -> bool:
    try:
        fetch(url)
    except OSError:
        return False
    return True


def _filled(expression: str, container: str) -> str:
    """A query as Grafana sends it when one container is chosen."""
    values = {"container": container, "__rate_interval": _WINDOW, "node": ".*", "namespace": ".*", "pod": ".*"}
    for name, value in values.items():
        expression = expression.replace(f"${name}", value)
    assert "$" not in expression, expression
    return expression


def _queries() -> Iterator[tuple[str, str]]:
    for page in _PAGES.values():
        for panel in panels(page):
            for target in panel["targets"]:
                yield f"{page['title']}, {panel['title']}", target["expr"]
        for annotation in page.get("annotations", {}).get("list", []):
            yield f"{page['title']}, annotation", annotation["expr"]
        for variable in page["templating"]["list"]:
            asked = variable["query"]["query"] if isinstance(variable.get("query"), dict) else ""
            found = re.fullmatch(r"(?:query_result|label_values)\((.+?)(?:, \w+)?\)", asked)
            if found:
                yield f"{page['title']}, variable {variable['name']}", found[1]


def test_every_query_of_every_dashboard_has_an_answer(stack: Stack) -> None:
    """Some for the second container, which alone is killed for memory."""
    left = {(where, query): _filled(query, f"{stack.container}|.*") for where, query in _queries()}
    assert len(left) > 70

    def answered() -> bool:
        for key, query in list(left.items()):
            if stack.ask(query):
                del left[key]
        return not left

    try:
        until(answered, 180)
    except AssertionError:
        raise AssertionError("no data: " + "\n".join(f"{where}: {query}" for (where, query) in left)) from None


def test_an_alert_of_ours_reaches_alertmanager(stack: Stack) -> None:
    def alerts() -> set[tuple[str, str]]:
        told = json.loads(fetch(f"{stack.alertmanager}/api/v2/alerts"))
        return {(one["labels"]["alertname"], one["labels"].get("container_name", "")) for one in told}

    until(lambda: ("ContainerAlert", _NAME) in alerts(), 120)
    until(lambda: ("ContainerKilledForMemory", _FULL) in alerts(), 120)


def test_what_is_shown_is_what_is_done(stack: Stack) -> None:
    """The two that a container's page begins with, against what the container was given."""
    limit = stack.ask(f'eunomia_container_memory_limit_bytes{{container_id="{stack.container}"}}')
    assert [float(one["value"][1]) for one in limit] == [64 << 20]
    tasks = stack.ask(f'eunomia_container_pids_limit{{container_id="{stack.container}"}}')
    assert [float(one["value"][1]) for one in tasks] == [50]
