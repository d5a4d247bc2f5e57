"""Keeps what is expensive to build: one folder per name and recipe, complete or absent."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path


def default_cache() -> Path:
    """The user's cache directory for this project, as the XDG base directory specification has it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "eunomia"


def cached(cache: Path, name: str, recipe: str, build: Callable[[Path], None]) -> Path:
    """The folder that `build` filled for this recipe, in an earlier run or now.

    The folder is renamed into place when it is complete, under a lock: two runs never build the same thing at once, and
    what an interrupted one left behind is swept away by the next.
    """
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    ready = cache / f"{name}-{digest}"
    if ready.is_dir():
        return ready
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.is_dir():
            print(f"guest: building {ready}", file=sys.stderr)
            _build(ready, build)
    return ready


def _build(ready: Path, build: Callable[[Path], None]) -> None:
    part = ready.with_name(ready.name + ".part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir()
    try:
        build(part)
        part.rename(ready)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)  # the first error is the one to show
        raise
