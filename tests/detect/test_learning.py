"""Exceptions proposed from what was seen."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eunomia.detect.compile import compile_condition
from eunomia.detect.fields import Fields
from eunomia.detect.learning import Matches, Proposal, quoted, written
from eunomia.detect.loading import load
from eunomia.detect.rule import Rule
from eunomia.schema.batch import Batch
from tests.detect.files import SCHEMAS, Files, files
from tests.record.records import batch

__all__ = ["files"]

READ = "- {rule: read, on: files.open, condition: uid = 0, output: x, level: warning}\n"


def opened(*rows: dict[str, Any]) -> Batch:
    """Files opened by root."""
    return batch("files", *({"event": "open", "uid": 0, **row} for row in rows), of=SCHEMAS()["files"])


def learnt(rule: Rule, *batches: Batch) -> Proposal:
    matches = Matches([rule])
    for one in batches:
        matches.add(one)
    (proposal,) = matches.proposals()
    return proposal


def test_few_programs_on_few_files(files: Files) -> None:
    rows = [{"comm": "sshd", "path": "/etc/shadow"}, {"comm": "cron", "path": "/etc/crontab"}]
    proposal = learnt(files.rule(READ), opened(*rows, rows[0]), opened(rows[0], {"uid": 1, "comm": "x", "path": "/x"}))
    assert proposal.fields == ("proc.name", "fd.name")
    assert proposal.rows == ((("sshd", "/etc/shadow"), 3), (("cron", "/etc/crontab"), 1))
    assert proposal.events == 4


def test_one_program_on_many_files_of_a_directory(files: Files) -> None:
    rows = [{"comm": "nginx", "path": f"/var/www/{n}.html"} for n in range(50)]
    proposal = learnt(files.rule(READ), opened(*rows))
    assert (proposal.fields, proposal.rows) == (("proc.name", "fd.directory"), ((("nginx", "/var/www"), 50),))


def test_one_program_all_over_the_place(files: Files) -> None:
    rows = [{"comm": "tar", "path": f"/srv/{n}/data"} for n in range(50)]
    proposal = learnt(files.rule(READ), opened(*rows))
    assert (proposal.fields, proposal.rows) == (("proc.name",), ((("tar",), 50),))


def test_no_pattern_is_said_so(files: Files) -> None:
    rows = [{"comm": f"p{n}", "path": f"/srv/{n}/data"} for n in range(50)]
    proposal = learnt(files.rule(READ), opened(*rows))
    assert (proposal.fields, proposal.events) == ((), 50)
    text = written([proposal], {})
    assert "# no exception: 50 events with too many different programs" in text
    assert yaml.safe_load(text) is None


def test_what_is_proposed_silences_just_that(files: Files, tmp_path: Path) -> None:
    rule = files.rule(READ)
    normal = opened({"comm": "a b", "path": "/x 'y'"}, {"comm": '"quoted"', "path": "/é\n%"})
    odd = opened({"comm": "a b", "path": "/other"}, {"comm": "c", "path": "/x 'y'"})
    proposal = learnt(rule, normal)
    learnt_file = tmp_path / "learnt.yaml"
    learnt_file.write_text(written([proposal], {"Record": "some\nwhere"}))
    excepted = load([Path(rule.origin), learnt_file], default=False, schemas=SCHEMAS()).rules["read"]

    def met(one: Batch) -> list[bool]:
        condition = compile_condition(excepted.step.condition, Fields("files", one.schema))
        return one.frame.select(condition).to_series().to_list()

    assert met(normal) == [False, False]
    assert met(odd) == [True, True]


def test_what_was_learnt_twice_can_be_laid_over_a_rule_together(files: Files, tmp_path: Path) -> None:
    rule = files.rule(READ)
    paths = []
    for number, comm in enumerate(("a", "b")):
        path = tmp_path / f"learnt{number}.yaml"
        path.write_text(written([learnt(rule, opened({"comm": comm, "path": "/x"}))], {}))
        paths.append(path)
    assert load([Path(rule.origin), *paths], default=False, schemas=SCHEMAS()).rules["read"]


def test_too_many_combinations_are_counted(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eunomia.detect.learning.MOST_KEPT", 10)
    proposal = learnt(files.rule(READ), opened(*({"comm": "a", "path": f"/{n}"} for n in range(25))))
    assert (proposal.fields, proposal.events) == ((), 25)


@given(st.text())
def test_a_value_means_itself(text: str) -> None:
    # YAML has no way to write some characters; what the kernel told is shown with them escaped.
    listed = yaml.safe_load(f"[{quoted(text)}]")
    assert len(listed) == 1
    assert "\n" not in quoted(text)


def test_the_frame_of_fields_is_text() -> None:
    """Whatever a field is in a tracker, an exception compares it as text."""
    for tracker, schema in itertools.islice(SCHEMAS().items(), 20):
        empty = Batch(tracker, schema, pl.DataFrame(schema=schema.polars()))
        Matches([]).add(empty)
