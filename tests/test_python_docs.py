"""The examples of docs/python.md run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import eunomia
from tests.dockerd import DockerDaemon
from tests.record.records import batch, write

TEXT = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 3


def test_keywords_are_those_of_watch() -> None:
    named = set(re.findall(r"`(\w+)`", TEXT.split("| keyword")[1].split("| others")[0]))
    assert set(eunomia.watch.__kwdefaults__ or ()) <= named


def test_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "DIR", batch("process", {"event": "exit"}))
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLES[2], {"eunomia": eunomia})  # noqa: S102


@pytest.mark.kernel
@pytest.mark.docker
def test_watching(dockerd: DockerDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    real = eunomia.watch

    def watch(*trackers: str, **asked: Any) -> eunomia.Watch:
        return real(*trackers, **asked, docker_host=dockerd.host)

    monkeypatch.setattr(eunomia, "watch", watch)
    dockerd.start("web", "/bin/sh", "-c", "while :; do /bin/busybox sleep 0.1; done")
    try:
        exec(EXAMPLES[0], {})  # noqa: S102
        exec(EXAMPLES[1], {"eunomia": eunomia})  # noqa: S102
    finally:
        dockerd.remove("web")
    assert "Summary(emitted=" in capsys.readouterr().out
