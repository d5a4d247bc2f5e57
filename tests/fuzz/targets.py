"""What is fuzzed: each target takes any bytes, and fails when something comes of them that is no clear error."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from eunomia.cli.config import _DAEMON_EXAMPLE, _EXAMPLE
from eunomia.config import DaemonConfig
from eunomia.configfile.daemon import read_daemon
from eunomia.configfile.document import ConfigError
from eunomia.configfile.reading import read
from eunomia.daemon.watching import Watching
from eunomia.detect.compile import compile_condition
from eunomia.detect.errors import ConditionError
from eunomia.detect.fields import Fields
from eunomia.detect.loading import DEFAULT, load
from eunomia.detect.parse import parse, parse_field
from eunomia.detect.render import fields_in
from tests.detect.files import SCHEMAS
from tests.detect.test_any_rules import outcome

Target = Callable[[bytes], None]
FOUND = Path(__file__).with_name("found")
"""Inputs that something was wrong with: a folder for each target."""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()


def condition(data: bytes) -> None:
    """The parser of conditions, and what makes expressions of them."""
    text = _text(data)
    for read_one in (parse, parse_field, fields_in):
        try:
            made = read_one(text)
        except ConditionError as error:
            assert str(error)
            assert 0 <= error.span.start <= error.span.end <= len(text), (error, error.span)
            continue
        if read_one is parse:
            _compiled(made, text)


def _compiled(node: object, text: str) -> None:
    for tracker, schema in SCHEMAS().items():
        try:
            compile_condition(node, Fields(tracker, schema))  # type: ignore[arg-type]  # a condition's tree
        except ConditionError as error:
            assert 0 <= error.span.start <= error.span.end <= len(text), (error, error.span)


def rules(data: bytes) -> None:
    """Files of rules, which any bytes may be."""
    outcome(_file("rules.yaml"), data.decode("latin-1") if b"\xff" in data[:1] else _text(data))


def config(data: bytes) -> None:
    """The configuration of a run and of a daemon."""
    file = _file("config.toml")
    file.write_bytes(data)
    last = max(data.count(b"\n"), data.count(b"\r")) + 1
    for read_one in (read, read_daemon):
        try:
            read_one(file, None)
        except ConfigError as error:
            assert error.mistakes
            for mistake in error.mistakes:
                line = mistake.removeprefix(f"{file}").lstrip(":").split(":")[0]
                assert mistake.startswith(str(file)), mistake
                assert not line.isdecimal() or 1 <= int(line) <= last, mistake


def state(data: bytes) -> None:
    """What a daemon remembers, out of a file that anybody may have written."""
    try:
        remembered = json.loads(data)
    except (ValueError, RecursionError):
        return
    watching = Watching(DaemonConfig(), _default_rules(), "here", lambda _: None)
    try:
        watching.restore(remembered)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return
    watching.detector.tick()
    watching.detector.flush()
    assert json.loads(json.dumps(watching.state()))


TARGETS: Mapping[str, Target] = {one.__name__: one for one in (condition, rules, config, state)}


@cache
def _default_rules():  # type: ignore[no-untyped-def]
    return load([], schemas=SCHEMAS())


@cache
def _directory() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="eunomia-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _file(name: str) -> Path:
    return _directory() / name


def seeds(target: str) -> Iterator[bytes]:
    """What to begin with: the default rules and the examples, and what was found before."""
    if target == "condition":
        for rule in load([], schemas=SCHEMAS()).rules.values():
            yield rule.step.text.encode()
            yield rule.output.encode()
    elif target == "rules":
        for file in sorted(DEFAULT.glob("*.yaml")):
            text = file.read_text("utf-8")
            yield text.encode()
            yield from (f"- {part}".encode() for part in text.split("\n- ")[1:])
    elif target == "config":
        yield from (_EXAMPLE.read_bytes(), _DAEMON_EXAMPLE.read_bytes())
        yield from (
            file.read_bytes().replace(b"\n#", b"\n").replace(b"          # ", b"\n# ")
            for file in (_EXAMPLE, _DAEMON_EXAMPLE)
        )
    elif target == "state":
        watching = Watching(DaemonConfig(), _default_rules(), "here", lambda _: None)
        yield json.dumps(watching.state()).encode()
        counted = next(rule for rule in _default_rules().enabled if rule.count)
        kept = watching.state()
        kept["over_time"][counted.name]["keys"] = [[["a", 1, None], [5, -1, [1, 2, 3]]]]
        kept["processes"] = [[1, 0, None], [2, 5, 0]]
        kept["containers"] = [["0123456789ab", "web", None, None]]
        kept["noise"]["equal"] = [["r", "k", None, 1, 2, 3, 4, 5]]
        kept["noise"]["periods"] = [["r", "k", None, 30, 60.0, 1, 1, 2, 3, 4, 5]]
        yield json.dumps(kept).encode()
    yield from (file.read_bytes() for file in sorted((FOUND / target).glob("*")))
