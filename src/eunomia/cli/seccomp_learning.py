"""How a profile is learnt: whom to watch, for how long, and what is said at the end."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eunomia.cli import values
from eunomia.cli.container_client import daemon_of
from eunomia.cli.container_command import ContainerCommand, recognise
from eunomia.cli.launching import Held
from eunomia.cli.stopping import Stop
from eunomia.cli.terminal import is_terminal, say
from eunomia.config import FilterConfig
from eunomia.errors import EunomiaError, LoadError, UsageError
from eunomia.sinks.outputs import Output, OutputFile

if TYPE_CHECKING:
    from eunomia.observing import Observer
    from eunomia.privileges.profile import Profile
    from eunomia.privileges.usage import Usage

_LOOK_S = 0.1
_START_S = 3.0
"""A container whose `docker run` has ended has been announced after so long, if there is one."""


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line."""

    container: tuple[str, ...] = ()
    pid: tuple[int, ...] = ()
    command: tuple[str, ...] = ()
    wait: bool = False
    duration_s: float | None = None
    output: Path | None = None
    fmt: str | None = None
    arguments: bool = False
    margin: str | None = None
    verbose: bool = False


def learn(asked: Asked) -> None:
    """Watches, and writes the profile.

    Raises:
        UsageError: nothing was watched, for whom or where to is not there.
        EunomiaError: it failed, or nothing was seen.
    """
    if asked.command and asked.output is None and not is_terminal():
        raise UsageError("stdout is the command's: name a file for the profile with -o FILE")
    made = recognise(asked.command) if asked.command else None
    if made is not None:
        made = replace(made, docker_host=daemon_of(made))
    with ExitStack() as resources:
        # It forks, so it comes before everything that has threads.
        held = resources.enter_context(Held(made.command if made else asked.command)) if asked.command else None
        file = None if asked.output is None else resources.enter_context(closing(OutputFile(asked.output)))
        try:
            usages = Watching(asked, made, held).usages()
        except LoadError as error:
            if asked.verbose and error.log:
                click.echo(error.log, err=True)
            raise
        finally:
            if held is not None and held.released:
                say(held.told())
        margin = asked.margin or ("runtime" if asked.container or made else "none")
        _conclude(asked, margin, usages, file)


class Watching:
    """A watch from its beginning to its end.

    Args:
        asked: whom, and how long.
        made: where COMMAND starts containers, which.
        held: COMMAND, where there is one.
    """

    def __init__(self, asked: Asked, made: ContainerCommand | None, held: Held | None) -> None:
        self._asked = asked
        self._made = made
        self._held = held
        self._appeared: list[str] = []

    def _filter(self) -> FilterConfig:
        if self._made is not None:
            return FilterConfig(containers=self._made.names, wait=True)
        if self._held is not None:
            return FilterConfig(pids=(self._held.pid,), children=True)
        asked = self._asked
        return FilterConfig(asked.container, pids=asked.pid, children=bool(asked.pid), wait=asked.wait)

    def usages(self) -> list[Usage]:
        """Watches; gives what was seen.

        Raises:
            EunomiaError: it failed.
        """
        with Stop(reader=False) as stop:
            return self.usages_until(stop)

    def usages_until(self, stop: Stop) -> list[Usage]:
        """The same, for one whom signals concern later, too."""
        from eunomia.observing import Observer
        from eunomia.privileges.collect import CALLS

        alone = self._held is not None and self._made is None
        host = (self._made and self._made.docker_host) or values.docker_host()
        with Observer(
            self._filter(),
            (CALLS,),
            subject=self._held.name if self._held and alone else None,
            held=alone,
            docker_host=host,
            on_appear=self._note,
        ) as observer:
            self._begin(observer)
            self._await(observer, stop)
            self._go_on(observer, stop)
            observer.stop()
        return observer.usages()

    def _note(self, name: str) -> None:
        if name not in self._appeared:
            self._appeared.append(name)
            say(f"{name} is there")

    def _begin(self, observer: Observer) -> None:
        if self._asked.verbose:
            from eunomia.cli.run import say_ways

            say_ways(observer.agent.ways())
        if self._held is not None:
            self._held.release()

    def _await(self, observer: Observer, stop: Stop) -> None:
        """With --wait the time counts from when the first has come."""
        missing = observer.agent.missing
        if not missing or self._made is not None:
            return
        say(f"waiting for {', '.join(missing)}")
        if len(missing) < len(self._asked.container) + len(self._asked.pid):
            return
        while not (self._appeared or stop.received or observer.agent.wait(0)):
            stop.wait(_LOOK_S)
            for pid in self._asked.pid:
                if _runs(pid):
                    self._note(f"process {pid}")

    def _go_on(self, observer: Observer, stop: Stop) -> None:
        """Until the time is up, somebody asks for the end, or there is nothing left to watch."""
        begun_s, limit_s = time.monotonic(), self._asked.duration_s
        passed_on = 0
        while not observer.agent.wait(0) and not self._is_over(observer):
            left_s = _LOOK_S if limit_s is None else min(_LOOK_S, begun_s + limit_s - time.monotonic())
            if left_s <= 0 or (stop.received and (self._held is None or self._held.is_over() or passed_on > 1)):
                return
            for number in stop.received[passed_on:]:
                if self._held is not None:
                    self._held.pass_on(number)
                passed_on += 1
            if stop.received:
                time.sleep(left_s)
            else:
                stop.wait(left_s)
        if self._held is None and not stop.received and not observer.agent.wait(0):
            say("all that was watched has ended")

    def _is_over(self, observer: Observer) -> bool:
        if self._held is None:
            return observer.is_over() or (bool(self._asked.pid) and not any(map(_runs, self._asked.pid)))
        if self._made is None or not self._held.is_over():
            return self._held.is_over()
        return observer.is_over() or (not self._appeared and self._held.over_for_s > _START_S)


def _runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _conclude(asked: Asked, margin: str, usages: list[Usage], file: Output | None) -> None:
    """Writes the profile, and says what to think of it and what to do next."""
    from eunomia.cli.seccomp_telling import notes
    from eunomia.privileges.formats import format_of, write

    usage, profile = learnt(asked, margin, usages)
    fmt = asked.fmt or format_of(asked.output)
    deliver(write(profile, fmt, asked.output.stem if asked.output else usage.subject), file)
    for line in notes(usage, profile, margin, asked.output if fmt == "oci" else None):
        say(line)


def learnt(asked: Asked, margin: str, usages: list[Usage]) -> tuple[Usage, Profile]:
    """What was used, taken together, and the profile that allows it.

    Raises:
        EunomiaError: nothing was seen.
    """
    from eunomia.privileges.collect import unite
    from eunomia.privileges.least import profile_of

    if not usages:
        raise EunomiaError("nothing was seen of what was to be watched: there is no profile to write")
    names = [one.subject for one in usages]
    usage = usages[0] if len(usages) == 1 else unite(usages, " and ".join(names))
    return usage, profile_of(usage, margin, asked.arguments)


def deliver(text: str, file: Output | None) -> None:
    """Writes to the file; where that fails now, what was learnt is not thrown away."""
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        file.write(text.encode())
    except EunomiaError as error:
        click.echo(text, nl=False)
        raise EunomiaError(f"{error}. What was learnt is on stdout instead") from error
