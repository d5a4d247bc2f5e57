"""All workloads, one after the other, with what they share: an image, a directory, and the attacks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from eunomia.lab.action import Action, actions
from eunomia.lab.docker import Docker
from eunomia.lab.runner import laboratory
from eunomia.lab.workloads.attacking import possible, stopped
from eunomia.lab.workloads.examining import Examination
from eunomia.lab.workloads.running import Bench
from eunomia.lab.workloads.stage import image_tar, stage
from eunomia.lab.workloads.workload import Workload


@contextmanager
def bench(docker: Docker, chosen: list[Workload]) -> Iterator[Bench]:
    """Where these workloads can run; nothing of it is left afterwards.

    Raises:
        LabError: no compiler, no Docker.
    """
    image = f"eunomia-workloads-{os.getpid()}"
    with stage(chosen) as directory:
        docker.load(image, image_tar())
        try:
            yield Bench(docker, image, directory)
        finally:
            docker.remove_image(image)


def attack(
    docker: Docker,
    docker_host: str | None,
    examinations: Sequence[Examination],
    jobs: int,
    say: Callable[[str], object],
    among: Iterable[Action] | None = None,
) -> tuple[int, dict[str, int]]:
    """How many attacks succeed without a profile, and how many of these each workload's profile stops.

    Args:
        among: actions of which the attacks are taken; None: all that there are.
    """
    found: dict[str, int] = {}
    with laboratory(docker, jobs) as lab, TemporaryDirectory() as directory:
        say("attacks without a profile")
        attacks, needed = possible(lab, docker_host, actions() if among is None else among)
        for one in examinations:
            say(f"{one.workload.name}: {len(attacks)} attacks under its profile")
            found[one.workload.name] = len(stopped(lab, attacks, one.profile, needed, Path(directory)))
    return len(attacks), found
