"""Alerts as a person reads them."""

from __future__ import annotations

import os
from collections.abc import Callable

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch
from eunomia.sinks.alerts.terminal import JsonText, TerminalText
from eunomia.sinks.outputs import Output
from tests.sinks.alerts.samples import alert, batch


def written(make: Callable[[Output], Handler], *batches: Batch) -> str:
    read, write = os.pipe()
    sink = make(Output(write))
    for one in batches:
        sink.handle(one)
    sink.close()
    with os.fdopen(read, "rb") as file:
        return file.read().decode()


def test_text() -> None:
    other = {
        "rule": "Other",
        "level": "event",
        "container_name": None,
        "container_id": None,
        "count": 4,
        "advice": None,
    }
    nobody = dict.fromkeys(("ancestors", "args", "exe", "comm", "pid", "user", "uid"))
    assert written(TerminalText, batch(), batch({}, {**other, **nobody})) == (
        "2026-03-04 05:06:07.890Z ALERT Shadow read | web | cat read /etc/shadow\n"
        "    pid 42 (root) cat /etc/shadow < sh -c x < init\n"
        "    advice: Change the passwords.\n"
        "2026-03-04 05:06:07.890Z ALERT Shadow read | web | cat read /etc/shadow\n"
        "    pid 42 (root) cat /etc/shadow < sh -c x < init\n"
        "2026-03-04 05:06:07.890Z EVENT Other | host | cat read /etc/shadow (4 times)\n"
        "    pid ? (?) ?\n"
    )


def test_colours_and_levels() -> None:
    text = written(
        lambda out: TerminalText(out, {"alert": "<red>", "warning": "<yellow>"}, "<>", "warning"),
        batch({"level": "warning"}, {}, {"level": "event"}),
    )
    assert "Z <yellow>WARNING<> Shadow" in text
    assert "Z <red>ALERT<> Shadow" in text
    assert "EVENT" not in text


def test_an_attacker_does_nothing_to_the_terminal() -> None:
    text = written(TerminalText, batch({"message": "a\x1b[2Jb\nc", "args": "x\x07\u202e", "container_name": "w\rb"}))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert text.count("\n") == 3


def test_long_command_lines_are_cut() -> None:
    text = written(TerminalText, batch({"args": "a" * 1000, "ancestors": [{"pid": 1, "args": "b" * 1000}]}))
    assert f" {'a' * 399}… < {'b' * 59}…\n" in text


def test_json() -> None:
    import json

    text = written(lambda out: JsonText(out, "alert"), batch({}, {"level": "event"}), batch({"level": "event"}))
    assert [json.loads(line) for line in text.splitlines()] == [alert()]
