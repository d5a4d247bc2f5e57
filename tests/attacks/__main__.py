"""`eunomia lab` with a Docker daemon of its own, for machines that have none, and a Debian made here for ordinary work.

    python -m tests.attacks run --report docs/detection.md
    python -m tests.attacks benign --minutes 10 --report docs/benign.md

The Debian root is made by debootstrap (cached, as for guest kernels), since no image can be pulled here.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cli.command import EUNOMIA, environment
from tests.dockerd import docker_daemon
from tests.guest.cache import default_cache
from tests.guest.image import layers

_DEBIAN = "eunomia-debian"


def main(arguments: list[str]) -> int:
    """Runs it; its exit code."""
    with TemporaryDirectory(prefix="eu") as name, docker_daemon(Path(name)) as daemon:
        if arguments[:1] == ["benign"]:
            daemon.image(_DEBIAN, layers(default_cache())[0].parent / "tree")
            arguments = [*arguments, "--image", _DEBIAN, "--network", "host"]
        command = [*EUNOMIA, "lab", *arguments]
        return subprocess.run(command, env=environment(DOCKER_HOST=daemon.host), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
