"""Profiles named on the command line."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from eunomia.cli.terminal import say, usage_error
from eunomia.errors import UsageError

if TYPE_CHECKING:
    from eunomia.privileges.policy import Policy
    from eunomia.privileges.profile import Profile

DEFAULT = "default"
"""The name of Docker's own profile."""
POLICY_ENDING = ".toml"
_MOST_BYTES = 16 << 20


def read_profile(name: str) -> Profile:
    """A profile from a file, JSON or a list of names; or Docker's own. Says what is odd about it.

    Raises:
        UsageError: there is none, or nothing that can be read.
    """
    from eunomia.privileges import formats, oci
    from eunomia.privileges.runtime_default import default_profile

    if name == DEFAULT:
        return default_profile()
    if name.endswith(POLICY_ENDING):
        raise UsageError(f"{name}: a policy is enforced by --via lsm; a seccomp profile is JSON, or a list of names")
    try:
        with Path(name).open("rb") as file:
            text = file.read(_MOST_BYTES).decode()
    except OSError as error:
        raise UsageError(
            f"{name}: {error.strerror}: name a file with a profile, or `{DEFAULT}` for Docker's"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: it is no text: a profile is JSON, or a list of names") from error
    _, _, document = text.partition("\n---\n")
    if document.startswith("{"):  # as --fmt k8s writes it
        text = document
    try:
        if not text.lstrip().startswith(("{", "[")):
            return formats.read_list(text)
        reading = oci.read(text, oci.Surroundings(platform.machine(), _kernel()))
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error
    for note in reading.notes:
        say(f"note: {name}: {note}")
    return reading.profile


def read_policy(name: str) -> Policy:
    """A policy for `--via lsm` from a file.

    Raises:
        UsageError: with all that is wrong with it, a line each as if each had been said by itself.
    """
    from eunomia.configfile.document import ConfigError
    from eunomia.configfile.policy import read_policy as read

    if not name.endswith(POLICY_ENDING):
        raise UsageError(
            f"{name}: --via lsm takes a policy, a {POLICY_ENDING} file (docs/policy.md): programs, files, connections,"
            " sockets and capabilities; of system calls, as a seccomp profile has them, it knows nothing"
        )
    try:
        return read(Path(name))
    except ConfigError as error:
        raise usage_error(error.mistakes) from error


def _kernel() -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(found[1]), int(found[2])) if found else None
