"""Files that put a recommendation into effect, shown to those who are to read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from eunomia.privileges.advising import Evidence, recommend
from eunomia.privileges.deployment import deployment
from eunomia.privileges.granted import Mounted
from eunomia.privileges.least import profile_of
from eunomia.privileges.places import Directory
from eunomia.privileges.ready import files
from tests.privileges.seen import WEB_ACTIVITY, WEB_GRANTED, WEB_USAGE

KUBERNETES = ("1.30", str(kubernetes_validate.latest_version()))
MOUNTS = (
    Mounted("/data", "/srv/data", "bind"),
    Mounted("/var/mine", "/var/lib/docker/volumes/mine/_data", "volume"),
    Mounted("/odd $HOME", "/srv/odd $HOME", "bind"),
    Mounted("/var/run/docker.sock", "/var/run/docker.sock", "bind"),
)
WRITTEN = {**WEB_ACTIVITY.written, "/var/mine": "/var/mine/x", "/odd $HOME": "/odd $HOME/x", "/tmp": "/tmp/x"}


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """Of a container with everything that a recommendation may speak of."""
    activity = replace(
        WEB_ACTIVITY,
        written=WRITTEN,
        used={**WEB_ACTIVITY.used, "/dev/fuse": "/dev/fuse", "/data": "/data/x", **WRITTEN},
        users=frozenset({(33, 33)}),
    )
    granted = replace(WEB_GRANTED, mounts=MOUNTS, devices=("/dev/fuse",))
    profile = profile_of(WEB_USAGE, "runtime", arguments=True)
    look = {"/tmp": Directory(0o1777, (0, 0))}
    made = recommend(Evidence(WEB_USAGE, activity, granted, profile, look.get))
    assert made.setting("user") == "33:33"
    return files(deployment(made), profile, "")


YOURS = """\
services:
  web:
    image: httpd:1
    cap_add: [NET_RAW, SYS_ADMIN]
    devices: ["/dev/fuse:/dev/fuse", "/dev/kvm:/dev/kvm"]
    privileged: true
    ports: ["8080:80"]
    volumes: ["/srv/data:/data", "/srv/old:/var/www"]
"""


def compose() -> tuple[int, ...]:
    """The version of `docker compose`."""
    command = ["docker", "compose", "version", "--short"]
    found = subprocess.run(command, capture_output=True, text=True, check=False) if shutil.which("docker") else None
    return tuple(map(int, re.findall(r"\d+", found.stdout)[:3])) if found is not None and not found.returncode else ()


@pytest.mark.skipif(compose() < (2, 24, 4), reason="not to be had here: Docker Compose 2.24.4")
def test_compose_lays_it_over_ones_own(written: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "yours.yaml").write_text(YOURS)
    for name in ("compose.yaml", "seccomp.json"):
        (tmp_path / name).write_text(written[name])
    command = ["docker", "compose", "-f", "yours.yaml", "-f", "compose.yaml", "config", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    service = json.loads(done.stdout)["services"]["web"]
    assert (service["image"], service["ports"][0]["target"]) == ("httpd:1", 80)
    assert service["cap_drop"] == ["ALL"]
    assert service["cap_add"] == ["CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"], "not NET_RAW"
    assert [one["source"] for one in service["devices"]] == ["/dev/fuse"]
    assert not service.get("privileged")
    assert (service["user"], service["read_only"]) == ("33:33", True)
    mounts = {one["target"]: (one["source"], one.get("read_only", False)) for one in service["volumes"]}
    assert mounts["/data"] == ("/srv/data", True)
    assert mounts["/var/www"] == ("/srv/old", False)
    assert mounts["/odd $$HOME"] == ("/srv/odd $$HOME", False), "no variable: `config` writes it as it has to be read"
    assert mounts["/var/mine"] == ("mine", False)
    assert any(one.startswith("seccomp") for one in service["security_opt"])


no_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="not to be had here: systemd")


def unit(written: dict[str, str], directory: Path) -> Path:
    """A service with the drop-in."""
    path = directory / "web.service"
    path.write_text("[Unit]\nDescription=Web\n\n[Service]\nExecStart=/bin/sleep 1\n")
    drop_in = directory / "web.service.d/hardening.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(written["web.service.d/hardening.conf"])
    return path


def systemd(*words: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{directory}:"}
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


@no_systemd
def test_systemd_reads_the_drop_in(written: dict[str, str], tmp_path: Path) -> None:
    path = unit(written, tmp_path)
    done = systemd("verify", path, directory=tmp_path)
    assert "web.service" not in done.stderr, done.stderr
    broken = path.with_name("web.service.d") / "broken.conf"
    broken.write_text("[Service]\nSystemCallFilter=nosuchcall\nReadWritePaths=relative\n")
    done = systemd("verify", path, directory=tmp_path)
    assert "broken.conf" in done.stderr, "it does read drop-ins"


@no_systemd
def test_systemd_counts_what_is_taken_away(written: dict[str, str], tmp_path: Path) -> None:
    path = unit(written, tmp_path)
    command = ("security", "--offline=yes", "--json=short", path)
    told = {one["json_field"]: one["set"] for one in json.loads(systemd(*command, directory=tmp_path).stdout)}
    for name in ("NoNewPrivileges", "ProtectSystem", "UserOrDynamicUser", "SystemCallFilter_module"):
        assert told[name], name
    assert told["CapabilityBoundingSet_CAP_SYS_ADMIN"]
    assert not told["CapabilityBoundingSet_CAP_SET_UID_GID_PCAP"]
    (path.with_name("web.service.d") / "hardening.conf").unlink()
    bare = {one["json_field"]: one["set"] for one in json.loads(systemd(*command, directory=tmp_path).stdout)}
    assert not any(bare[name] for name in ("NoNewPrivileges", "ProtectSystem", "SystemCallFilter_module"))


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_the_pod(written: dict[str, str], version: str) -> None:
    spec: dict[str, Any] = yaml.safe_load(written["pod-security-context.yaml"])
    (container,) = spec["containers"]
    container["image"] = "httpd:1"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}
    kubernetes_validate.validate(pod, version, strict=True)
    container["securityContext"]["readOnlyRootFilesytem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, version, strict=True)
