"""One watching takes over from another that does not come to an end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from eunomia.config import DaemonConfig
from eunomia.configfile.columns import rule_schemas
from eunomia.daemon import watching
from eunomia.daemon.watching import HangingError, Watching
from eunomia.detect import loading
from eunomia.detect.rule import RuleSet
from eunomia.errors import EunomiaError
from eunomia.schema.batch import Batch
from tests.daemon.running import CAT, MARKED, cat
from tests.waiting import until

pytestmark = pytest.mark.kernel


class Hanging:
    """A watching whose rules hang when they have an alert, until the end of the test."""

    def __init__(self, directory: Path) -> None:
        self.begun, self.go_on = Event(), Event()
        self.directory = directory
        self.old = Watching(DaemonConfig(), self.rules(CAT), "here", self._put)
        self.old.start()
        cat()
        assert self.begun.wait(20)

    def rules(self, text: str) -> RuleSet:
        (self.directory / "rules.yaml").write_text(text)
        return loading.load([self.directory / "rules.yaml"], default=False, schemas=rule_schemas())

    def _put(self, _batch: Batch) -> None:
        self.begun.set()
        self.go_on.wait()

    def next(self) -> Watching:
        return Watching(DaemonConfig(), self.rules(CAT + MARKED), "here", lambda _batch: None, before=self.old)


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    monkeypatch.setattr(watching, "MOVES_S", 0.3)
    monkeypatch.setattr(watching, "_LAST_S", 0.3)
    made = Hanging(tmp_path)
    yield made
    made.go_on.set()
    made.old.stop()


def test_rules_that_hang_are_told_of_before_anything_ends(hanging: Hanging) -> None:
    with pytest.raises(EunomiaError, match=r"have been at the same events for more than 0\.3 s"):
        hanging.old.check_moving()
    assert hanging.old.agent.alive
    assert not hanging.old.is_over
    hanging.go_on.set()
    hanging.old.check_moving()
    hanging.old.stop()
    assert hanging.old.is_over


def test_nobody_works_with_what_rules_that_hang_hold(hanging: Hanging) -> None:
    new = hanging.next()
    with pytest.raises(HangingError, match=r"did not end within 0\.3 s"):
        new.start_beside(hanging.old)
    assert not new.agent.alive
    assert not new.detector.counters.events  # it never began
    hanging.go_on.set()
    until(lambda: hanging.old.is_over)
