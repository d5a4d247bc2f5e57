"""Performs actions, each in a container of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from eunomia.lab.action import Action
from eunomia.lab.docker import Docker, Done
from eunomia.lab.image import image_tar
from eunomia.lab.labtool import compile_labtool

IMPOSSIBLE = 77
"""Exit code of a script that this machine cannot perform."""

SOCKET = "{socket}"
"""Stands in an action's options for the path of Docker's own socket."""


@dataclass(frozen=True)
class Performance:
    """An action that was performed.

    Attributes:
        container: name of the container that it ran in.
    """

    action: Action
    container: str
    done: Done


class Laboratory:
    """Ready to perform: made by `laboratory`."""

    def __init__(self, docker: Docker, image: str, jobs: int) -> None:
        self._docker = docker
        self.image = image
        self._jobs = jobs
        self.containers: list[str] = []

    def container(self, action: Action) -> str:
        """What the container is called that an action is performed in."""
        return f"{self.image}-{action.name}"

    def perform(
        self, actions: Sequence[Action], on_done: Callable[[Performance], object] | None = None
    ) -> list[Performance]:
        """Performs them, several at a time; gives them in the same order.

        Args:
            on_done: told of each as soon as it is over, on any thread.
        """

        def one(action: Action) -> Performance:
            container = self.container(action)
            made = Performance(action, container, self._run(action, container))
            if on_done:
                on_done(made)
            return made

        with ThreadPoolExecutor(self._jobs) as pool:
            return list(pool.map(one, actions))

    def clear(self) -> None:
        """Removes the containers, so that the same actions can be performed again."""
        self._docker.remove(self.containers)
        self.containers.clear()

    def _run(self, action: Action, container: str) -> Done:
        options = action.options
        if any(SOCKET in option for option in options):
            if self._docker.socket is None:
                return Done(IMPOSSIBLE, "Docker is not reached through a socket of this machine")
            options = tuple(option.replace(SOCKET, self._docker.socket) for option in options)
        self.containers.append(container)
        return self._docker.run(container, self.image, action.script, options)


@contextmanager
def laboratory(docker: Docker, jobs: int = 4) -> Iterator[Laboratory]:
    """Makes the image; at the end removes it and all containers.

    Raises:
        LabError: no compiler, no static busybox, no Docker.
    """
    image = f"eunomia-lab-{os.getpid()}"
    with TemporaryDirectory() as directory:
        docker.load(image, image_tar(compile_labtool(Path(directory) / "labtool")))
    lab = Laboratory(docker, image, jobs)
    try:
        yield lab
    finally:
        lab.clear()
        docker.remove_image(image)
