"""Policies as files: what they mean, every mistake with its line, and a page that has every key."""

from __future__ import annotations

from pathlib import Path

import pytest

from eunomia.configfile.document import ConfigError
from eunomia.configfile.policy import POLICY_TABLES, read_policy
from eunomia.privileges.policy import Answer, Listing, Policy
from tests.configfile.page import POLICY_PAGE, examples, title, with_tables

WHOLE = """
action = "log"
mounts = true

[exec]
allow = ["/usr/sbin/nginx", "/usr/lib/", "memfd:"]

[write]
allow = "/tmp/"
deny = ["/tmp/kept/"]

[connect]
deny = ["169.254.169.254", "10.0.0.0/8:22", "[2001:db8::]/32:8000-8080", "*:25"]

[sockets]
allow = ["unix", "INET"]

[capabilities]
deny = ["sys_admin", "CAP_NET_RAW"]
"""

WRONG = {
    "": [(1, "it denies nothing: there are the tables [exec], [write], [connect], [sockets], [capabilities]")],
    "[exec]\n": [(1, "[exec]: give allow, deny, or both")],
    '[exec]\nalow = ["/bin/"]\n': [
        (1, "[exec]: give allow, deny, or both"),
        (2, 'unknown key "alow" in [exec]; did you mean allow?'),
    ],
    '[exce]\nallow = ["/bin/"]\n': [
        (1, "it denies nothing: there are the tables [exec], [write], [connect], [sockets], [capabilities]"),
        (1, 'unknown key "exce"; did you mean exec?'),
    ],
    '[write]\ndeny = [\n  "/etc/",\n  "etc/passwd",\n]\n': [
        (4, "deny in [write]: 'etc/passwd': a path begins with /, as the container sees it")
    ],
    '[write]\ndeny = ["/etc/*"]\n': [
        (2, "deny in [write]: '/etc/*': there are no patterns: a directory ends with /, and all below it is meant")
    ],
    '[write]\ndeny = ["/etc/../bin/"]\n': [
        (2, "deny in [write]: '/etc/../bin/': write it as the kernel does: without //, /./ and /../")
    ],
    '[write]\ndeny = ["memfd:"]\n': [(2, "deny in [write]: 'memfd:': memory is no file: it may always be written")],
    '[write]\nallow = ["/tmp/"]\ndeny = ["/tmp/"]\n': [(3, 'deny in [write]: "/tmp/" is allowed as well')],
    '[connect]\ndeny = ["10.0.0.1/8"]\n': [(2, "deny in [connect]: '10.0.0.1/8': 10.0.0.1/8 has host bits set")],
    '[connect]\ndeny = ["10.0.0.1:90-80"]\n': [
        (2, "deny in [connect]: '10.0.0.1:90-80': ports go from 0 to 65535, the lower one in front: not 90-80")
    ],
    '[connect]\ndeny = ["example.org"]\n': [
        (2, "deny in [connect]: 'example.org': 'example.org' does not appear to be an IPv4 or IPv6 network")
    ],
    '[sockets]\ndeny = ["inet4"]\n': [(2, "deny in [sockets]: 'inet4': did you mean inet or inet6?")],
    '[capabilities]\ndeny = ["CAP_SYS_ADMN"]\n': [
        (2, "deny in [capabilities]: 'CAP_SYS_ADMN': did you mean CAP_SYS_ADMIN or CAP_SYS_TIME or CAP_SYS_NICE?")
    ],
    'action = "kill"\n[exec]\ndeny = ["/bin/"]\n': [(1, "action: 'kill': there are: deny, log")],
    'mounts = true\n[sockets]\ndeny = ["packet"]\n': [
        (1, "mounts goes with [exec] or [write]: they are judged where paths are")
    ],
    "[exec\n": [(1, "expected ']' at the end of a table declaration (column 6)")],
}


def _read(text: str, directory: Path) -> Policy:
    file = directory / "p.toml"
    file.write_text(text)
    return read_policy(file)


def test_whole(tmp_path: Path) -> None:
    assert _read(WHOLE, tmp_path) == Policy(
        exec=Listing(("/usr/sbin/nginx", "/usr/lib/", "memfd:")),
        write=Listing(("/tmp/",), ("/tmp/kept/",)),
        connect=Listing(None, ("169.254.169.254", "10.0.0.0/8:22", "[2001:db8::]/32:8000-8080", "*:25")),
        sockets=Listing(("unix", "inet")),
        capabilities=Listing(None, ("CAP_SYS_ADMIN", "CAP_NET_RAW")),
        mounts=True,
        answer=Answer.LOG,
    )


def test_nothing_allowed_is_a_policy(tmp_path: Path) -> None:
    made = _read("[exec]\nallow = []\n", tmp_path)
    assert made.exec == Listing(())
    assert not made.exec.allows_others
    assert (made.kinds, made.denies_mounts, made.answer) == (("exec",), True, Answer.DENY)


@pytest.mark.parametrize(("text", "told"), WRONG.items(), ids=[text.replace("\n", " ") or "empty" for text in WRONG])
def test_mistakes(text: str, told: list[tuple[int, str]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(text, tmp_path)
    assert list(caught.value.mistakes) == [f"{tmp_path}/p.toml:{line}: {what}" for line, what in told]


def test_too_many_others(tmp_path: Path) -> None:
    many = ", ".join(f'"10.0.0.{number}"' for number in range(129))
    with pytest.raises(ConfigError, match="connect: 129 entries, 128 at most"):
        _read(f"[connect]\ndeny = [{many}]\n", tmp_path)


def test_every_key_is_documented() -> None:
    text = POLICY_PAGE.read_text()
    for table in POLICY_TABLES:
        assert f"<!-- keys of {title(table)} -->" in text
    assert with_tables(text) == text, "write it anew with: .venv/bin/python -m tests.configfile.page"


@pytest.mark.parametrize("example", examples(POLICY_PAGE.read_text()), ids=lambda text: text.split("\n", 1)[0])
def test_examples_work(example: str, tmp_path: Path) -> None:
    assert _read(example, tmp_path).kinds
