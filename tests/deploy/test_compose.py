"""The compose file and the image: whatever they name is there, and they agree with what they start."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.grafana.source.__main__ import FOLDER
from eunomia.configfile.daemon import read_daemon
from eunomia.host.roots import Roots
from eunomia.kernel.features import missing_capabilities
from tests.deploy.compose import DEPLOY, docker_options, document, mount_of, mounts, on_disk, services

ROOT = DEPLOY.parent
SERVICES = services()
AGENT = SERVICES["eunomia"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
CONFIG = read_daemon(DEPLOY / "eunomia/daemon.toml", None).config
each = pytest.mark.parametrize("name", SERVICES)


@each
def test_what_is_mounted_is_there(name: str) -> None:
    made_by_docker = {"/run/eunomia"}
    volumes = document()["volumes"]
    for mount in mounts(SERVICES[name]):
        if mount.on_disk is None:
            assert mount.source in volumes
        elif mount.source not in made_by_docker:
            assert mount.on_disk.exists(), mount
            assert not mount.writable, mount


@each
def test_files_on_the_command_line_are_there(name: str) -> None:
    command = " ".join(SERVICES[name].get("command", []))
    found = [on_disk(SERVICES[name], path) for path in re.findall(r"/etc/[\w./-]+", command)]
    assert all(path and path.is_file() for path in found)
    assert found or name == "grafana"


@each
def test_nobody_else_can_connect(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_agent_can_write_where_it_has_to() -> None:
    for path in (CONFIG.state_dir, CONFIG.socket):
        mount = mount_of(AGENT, str(path))
        assert mount and mount.writable, path


def test_prometheus_asks_whom_there_is() -> None:
    assert CONFIG.prometheus is not None
    assert CONFIG.prometheus.listen is not None
    ports = {"eunomia": CONFIG.prometheus.listen[1], "alertmanager": 9093}
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    asked = [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]
    targets = {target for one in asked for some in one["static_configs"] for target in some["targets"]}
    assert targets == {f"{name}:{port}" for name, port in ports.items()}
    assert f":{ports['eunomia']}/readyz" in AGENT["healthcheck"]["test"][-1]


def test_grafana_finds_its_dashboards_and_its_data() -> None:
    grafana = SERVICES["grafana"]
    provisioning = on_disk(grafana, "/etc/grafana/provisioning")
    assert provisioning is not None
    (provider,) = yaml.safe_load((provisioning / "dashboards/eunomia.yaml").read_text())["providers"]
    assert on_disk(grafana, provider["options"]["path"]) == FOLDER
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    address = urlsplit(source["url"])
    assert f"127.0.0.1:9090:{address.port}" in SERVICES[str(address.hostname)]["ports"]
    for page in FOLDER.glob("*.json"):
        chosen = [one for one in json.loads(page.read_text())["templating"]["list"] if one["type"] == "datasource"]
        assert [one["query"] for one in chosen] == [source["type"]], page


def test_the_capabilities_are_those_that_are_asked_for(tmp_path: Path) -> None:
    given = {f"CAP_{name}" for name in AGENT["cap_add"]}
    assert AGENT["cap_drop"] == ["ALL"]
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("CapEff:\t0000000000000000\n")
    assert set(missing_capabilities(Roots(proc=tmp_path))) <= given
    unit = (DEPLOY / "systemd/eunomia.service").read_text()
    (bound,) = re.findall(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)
    assert given <= set(bound.split()), "the service is given less"


def test_the_image_is_made_of_what_the_wheel_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines, "nothing that is not named"
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in sent)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = project["tool"]["hatch"]["build"]
    needed = ["pyproject.toml", project["project"]["readme"], build["hooks"]["custom"]["path"]]
    needed += [*project["project"]["license-files"], *build["targets"]["wheel"]["packages"]]
    assert {Path(name).parts[0] for name in needed} == sent


def test_the_image_has_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (installed,) = re.findall(r"\.whl\)\[([\w,-]+)\]", DOCKERFILE)
    assert set(installed.split(",")) == set(extras)


def test_the_image_has_the_packages_that_an_installation_has() -> None:
    """Those of scripts/install.sh: to build in the first stage, to run in the second."""
    lines = (ROOT / "scripts/install.sh").read_text().splitlines()
    wanted: dict[str, set[str]] = {"build": set(), "run": set()}
    for line in lines:
        if found := re.fullmatch(r"(build|run)  \S+ +(\S+)", line):
            wanted[found[1]].add(found[2])
    build, run = re.split(r"^FROM .*$", DOCKERFILE, flags=re.MULTILINE)[1:]
    assert wanted["build"] - {"make"} <= set(build.split())
    assert wanted["run"] <= set(run.split())
    assert not {"clang", "llvm"} & set(run.split())


def test_the_documented_command_gives_nothing_more() -> None:
    """`docker run` in docs/daemon.md, beside what says how it is called and kept running."""
    text = (ROOT / "docs/daemon.md").read_text()
    (command,) = re.findall(r"^docker run (.*?[^\\])$", text, re.MULTILINE | re.DOTALL)
    *options, image = shlex.split(command.replace("\\\n", " "))
    given = set(_pairs(options)) - {("-d", ""), ("--name", "eunomia"), ("--restart", AGENT["restart"])}
    limits = {("--memory", AGENT["mem_limit"]), ("--pids-limit", str(AGENT["pids_limit"]))}
    here = {("-v", f"{DEPLOY}/eunomia:/etc/eunomia:ro")}
    memlock = {("--ulimit", f"memlock={AGENT['ulimits']['memlock']}")}
    assert image == AGENT["image"]
    assert given == set(_pairs(list(docker_options(AGENT, {})))) - limits - here | memlock


def _pairs(options: list[str]) -> Iterator[tuple[str, str]]:
    """Options with their values."""
    while options:
        name, *options = options
        value = "" if not options or options[0].startswith("-") else options.pop(0)
        yield name, value


def test_docker_compose_takes_it() -> None:
    """Where there is one."""
    command = ["docker", "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("not to be had here: Docker Compose")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
