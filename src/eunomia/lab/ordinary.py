"""Ordinary work in containers, all of it side by side, on which no rule may cry `alert`. It shows that it was done."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from eunomia.lab.control import RULE, Control, Watcher, control
from eunomia.lab.docker import Docker
from eunomia.lab.labtool import LabError
from eunomia.lab.seen import Seen, by_container
from eunomia.lab.session import Events

_FILE = Path(__file__).with_name("ordinary.yaml")
_INSTALL = """
mkdir -p /var/log/apt
before=$(dpkg-query -W | wc -l)
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {}
did $(($(dpkg-query -W | wc -l) - before)) packages installed
"""
_NO_SERVICES = "#!/bin/sh\nexit 101\n"
_INSTALL_S = 900.0
_LAST_ROUND_S = 180.0
_PAUSE_S = 1
_NOTES = "${TMPDIR:-/tmp}/.eunomia-lab-did"
_ROUNDS = "eunomia-lab-rounds"
_DID = f"""
did() {{
    [ "$1" -gt 0 ] || {{ echo "not done: $*"; exit 1; }}
    echo "$*" >>{_NOTES}
}}
"""
"""`did NUMBER WHAT` is how a script shows what it has done; nothing done is a failure."""
_SUM = '{number = $1; $1 = ""; sum[$0] += number} END {for (what in sum) print sum[what] what}'
_TELL = f"""
echo {_ROUNDS} $n
awk '{_SUM}' {_NOTES}
"""

_INTRODUCTION = """\
# Ordinary work

Made by `eunomia lab benign --minutes {minutes:g} --report docs/benign.md`: {number} pieces of work as servers do them,
each again and again in a container of its own, all side by side, watched by `eunomia daemon` with the default rules.
Nothing of it may be told of at level `alert`; what is told of at lower levels stands here with the reason. Each piece
of work shows what it has done; one that cannot has failed, and so has the run.

That the daemon could hear is shown by a control, a container in which /etc/shadow is read: {controls}. Without the
alert `{rule}` for each the run says nothing, and no page is written. {seen:,} events came of all that, of which
{lost:,} were lost.

Machine: {machine}.

| work | rounds | what was done | level | rule | alerts | equal ones among them | why |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Work:
    """A piece of work.

    Attributes:
        name: unique.
        script: one round of it; empty for the one that installs the others' programs, which is done once.
        installs: Debian packages.
        makes: what is made for it beforehand, in a container of its own: files in /made.
        mounts: such a file -> where the work finds it, as configuration and secrets are given to containers.
        why: rule -> why it speaks of it.
    """

    name: str
    script: str = ""
    installs: str = ""
    makes: str = ""
    mounts: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)


@cache
def ordinary() -> tuple[Work, ...]:
    """All of it."""
    return tuple(
        Work(
            one["work"],
            one.get("script", ""),
            one.get("installs", ""),
            one.get("makes", ""),
            dict(one.get("mounts", {})),
            dict(one.get("why", {})),
        )
        for one in yaml.safe_load(_FILE.read_text("utf-8"))
    )


def again_and_again(script: str, seconds: float) -> str:
    """A script that does one round of work after the other for a time, and says how many, and what they did."""
    begin = f"n=0\n: >{_NOTES}\nend=$(($(date +%s) + {seconds:.0f}))\nwhile [ $(date +%s) -lt $end ]; do\n"
    # A shell of its own, for `set -e` to hold in it: no command of it may fail.
    return f"{_DID}{begin}(\nset -e\n{script}\n) >&2\nn=$((n + 1))\nsleep {_PAUSE_S}\ndone{_TELL}"


@dataclass(frozen=True)
class Done:
    """What has become of a piece of work.

    Attributes:
        container_id: empty when there is none.
        rounds: how often it was done.
        did: what was done -> how often, as the work itself found afterwards.
        failed: why it was not done to the end; empty when it was.
    """

    container_id: str = ""
    rounds: int = 0
    did: Mapping[str, int] = field(default_factory=dict)
    failed: str = ""


def read_done(said: str, container_id: str = "") -> Done:
    """What a script of `again_and_again` has said at its end."""
    _, found, told = said.rpartition(f"{_ROUNDS} ")
    if not found:
        return Done(container_id, failed=f"it does not say what it did: {said}")
    rounds, *lines = told.splitlines()
    did = {what: int(number) for number, _, what in sorted(line.partition(" ") for line in lines)}
    return Done(container_id, int(rounds), did, "" if did else "nothing shows that it was done")


@dataclass(frozen=True)
class Told:
    """What was said of a piece of work.

    Attributes:
        alerts: one for each time that it was told.
    """

    work: Work
    done: Done
    alerts: tuple[Seen, ...]

    @property
    def unwanted(self) -> tuple[Seen, ...]:
        """What should not have been said at that level."""
        return tuple(one for one in self.alerts if one.level == "alert")


class Workshop:
    """Where work is done: made by `workshop`."""

    def __init__(self, docker: Docker, base: str, network: str) -> None:
        self._docker = docker
        self._base = base
        self._network = network
        self.image = f"eunomia-benign-{os.getpid()}"
        self.containers: list[str] = []
        self.made = False

    def container(self, work: Work) -> str:
        """What its container is called, by which alerts are told apart."""
        return f"{self.image}-{work.name}"

    def control(self, when: str, watcher: Watcher) -> Control:
        """The positive control, in a container of its own.

        Raises:
            LabError: nothing is heard of it.
        """
        container = f"{self.image}-control-{when}"
        self.containers.append(container)
        return control(self._docker, self._base, container, when, watcher)

    def install(self, work: Work) -> Done:
        """Installs programs with apt-get, as any image is made, and keeps what has come of it. No service is started.

        Raises:
            LabError: it could not.
        """
        with TemporaryDirectory() as directory:
            policy = Path(directory, "policy-rc.d")
            policy.write_text(_NO_SERVICES, "utf-8")
            policy.chmod(0o755)
            options = ("--network", self._network, "--volume", f"{policy}:/usr/sbin/policy-rc.d:ro")
            script = f"{_DID}n=1\n: >{_NOTES}\n{_INSTALL.format(work.installs)}{_TELL}"
            done = self._run(work, self._base, script, options, _INSTALL_S)
        if done.failed:
            raise LabError(done.failed)
        self._docker.commit(self.container(work), self.image)
        self.made = True
        return done

    def do(self, work: Work, seconds: float) -> Done:
        """Does a piece of work for a time. One that fails is told of, and the others go on."""
        with TemporaryDirectory() as directory:
            if work.makes:
                maker = f"{self.container(work)}-before"
                self.containers.append(maker)
                made = self._docker.run(maker, self.image, work.makes, [f"--volume={directory}:/made"], _LAST_ROUND_S)
                if made.code != 0:
                    return Done(made.container_id, failed=f"exit code {made.code}: {made.said}")
            mounts = [f"--volume={directory}/{name}:{place}:ro" for name, place in work.mounts.items()]
            script = again_and_again(work.script, seconds)
            return self._run(work, self.image, script, mounts, seconds + _LAST_ROUND_S)

    def _run(self, work: Work, image: str, script: str, options: Sequence[str], timeout_s: float) -> Done:
        self.containers.append(self.container(work))
        done = self._docker.run(self.container(work), image, script, options, timeout_s)
        if done.code != 0:
            return Done(done.container_id, failed=f"exit code {done.code}: {done.said}")
        return read_done(done.said, done.container_id)


@contextmanager
def workshop(docker: Docker, base: str, network: str) -> Iterator[Workshop]:
    """A place to work; at the end all containers and the image are removed.

    Args:
        base: a Debian image.
        network: as `docker run --network`, for who installs programs.
    """
    made = Workshop(docker, base, network)
    try:
        yield made
    finally:
        docker.remove(made.containers)
        if made.made:
            docker.remove_image(made.image)


def work(shop: Workshop, seconds: float, say: Callable[[str], None]) -> dict[str, Done]:
    """Does all of it; what has become of each by its name.

    Raises:
        LabError: there is nothing to work with.
    """
    done = {}
    for one in ordinary():
        if one.installs:
            say(f"{one.name}: {one.installs} …")
            done[one.name] = shop.install(one)
    pieces = [one for one in ordinary() if not one.installs]
    say(f"{len(pieces)} pieces of work side by side for {seconds / 60:g} minutes …")
    with ThreadPoolExecutor(len(pieces)) as pool:
        return done | dict(pool.map(lambda one: (one.name, shop.do(one, seconds)), pieces))


def told(shop: Workshop, done: Mapping[str, Done], alerts: Iterable[Seen]) -> list[Told]:
    """What was said of each piece of work."""
    pieces = [one for one in ordinary() if one.name in done]
    of = by_container({shop.container(one): done[one.name].container_id for one in pieces}, alerts)
    return [Told(one, done[one.name], tuple(of[shop.container(one)])) for one in pieces]


HEADINGS = ("work", "rounds", "done", "level", "rule", "alerts", "equal", "why")


def rows(found: Iterable[Told]) -> Iterator[tuple[str, ...]]:
    """A line for each rule that spoke of a piece of work; one that says so where none did."""
    for one in found:
        rounds = "failed" if one.done.failed else f"{one.done.rounds:,}"
        did = ", ".join(f"{number:,} {what}" for what, number in one.done.did.items())
        times = Counter((alert.level, alert.rule) for alert in one.alerts)
        for (level, rule), number in sorted(times.items()):
            equal = sum(alert.count for alert in one.alerts if alert.rule == rule) - number
            why = one.work.why.get(rule, "?")
            yield one.work.name, rounds, did, level, rule, f"{number:,}", f"{equal:,}", why
        if not times:
            yield one.work.name, rounds, did, "-", "none", "0", "0", ""


def page(found: Sequence[Told], minutes: float, machine: str, controls: Iterable[Control], events: Events) -> str:
    """What was said, in Markdown."""
    heard = {"controls": "; ".join(map(str, controls)), "rule": RULE, "seen": events.seen, "lost": events.lost}
    introduction = _INTRODUCTION.format(minutes=minutes, number=len(found), machine=machine, **heard)
    return introduction + "".join(f"| {' | '.join(row)} |\n" for row in rows(found))
