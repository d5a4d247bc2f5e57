"""Without root and without capabilities: one clear line; what needs neither works all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import NOBODY, eunomia

pytestmark = pytest.mark.kernel

NO_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
ONLY_THOSE = ("setpriv", "--bounding-set=-all,+bpf,+perfmon", "--inh-caps=-all,+bpf,+perfmon")


@pytest.fixture(params=[NOBODY, NO_CAPABILITIES], ids=["nobody", "no capabilities"])
def powerless(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A command that runs another one without privileges."""
    before: tuple[str, ...] = request.param
    return before


def test_run(powerless: tuple[str, ...], tmp_path: Path) -> None:
    done = eunomia("run", "process", "-T", "1", "-o", tmp_path / "out.json", before=powerless, cwd=Path("/"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("eunomia: error: tracing needs CAP_BPF and CAP_PERFMON, which this process lacks: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_doctor(powerless: tuple[str, ...]) -> None:
    done = eunomia("doctor", "--fmt", "json", before=powerless, cwd=Path("/"))
    assert (done.returncode, done.stderr) == (1, "")
    findings = {one["subject"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert findings["privileges"]["state"] == "fail"
    assert findings["privileges"]["detail"] == "missing: CAP_BPF, CAP_PERFMON"
    assert findings["kernel"]["state"] == "ok"
    assert "not tried" in findings["trackers"]["detail"]


@pytest.mark.parametrize("args", [("--help",), ("trackers",), ("trackers", "process"), ("containers",)])
def test_what_needs_no_privilege(powerless: tuple[str, ...], args: tuple[str, ...]) -> None:
    done = eunomia(*args, before=powerless, cwd=Path("/"))
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("tracker", ["process", "files"])
def test_the_two_capabilities_are_enough(tracker: str) -> None:
    """`files` names types that no kernel has all of, and libbpf then asks for those of modules."""
    done = eunomia("run", tracker, "-T", "0.5", "--fmt", "json", before=ONLY_THOSE)
    assert done.returncode == 0, done.stderr
    assert " 0 lost" in done.stderr
