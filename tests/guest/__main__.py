"""`python -m tests.guest 6.1 -- COMMAND...` runs a command in a guest, `--build-only` fills the cache."""

import argparse
import sys
from pathlib import Path

from tests.guest.cache import default_cache
from tests.guest.errors import GuestError
from tests.guest.image import layers
from tests.guest.kernels import KERNELS, kernel_image
from tests.guest.machine import run_in_guest


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.guest", usage="%(prog)s [OPTIONS] [KERNEL] [-- COMMAND...]")
    parser.add_argument("kernel", nargs="?", choices=KERNELS, help="the guest's kernel; all of them with --build-only")
    parser.add_argument("--build-only", action="store_true", help="build what is missing in the cache, boot nothing")
    parser.add_argument("--cgroup", choices=("v2", "v1", "hybrid"), default="v2", help="how cgroups are mounted")
    parser.add_argument("--no-tracefs", action="store_true", help="leave tracefs unmounted")
    parser.add_argument("--file", action="append", default=[], metavar="GUEST=HOST", help="add a file or folder")
    parser.add_argument("--timeout", type=float, default=300, metavar="S", help="seconds until the guest is killed")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where images are kept (%(default)s)")
    return parser


def _build(kernels: tuple[str, ...], cache: Path) -> None:
    for kernel in kernels:
        image = kernel_image(kernel, cache)
        print(f"{image}: {(image.parent / 'package').read_text().strip()}")
    for layer in layers(cache):
        print(layer)


def _run(options: argparse.Namespace, command: list[str]) -> int:
    result = run_in_guest(
        options.kernel,
        command,
        files={guest: Path(host) for guest, _, host in (pair.partition("=") for pair in options.file)},
        cgroup=options.cgroup,
        tracefs=not options.no_tracefs,
        timeout_s=options.timeout,
        cache=options.cache,
    )
    sys.stderr.write(result.console)
    sys.stdout.write(result.output)
    return result.exit_code


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Our arguments and, behind the first --, the command with its own."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


def main(arguments: list[str]) -> int:
    parser = _parser()
    ours, command = _split(arguments)
    options = parser.parse_args(ours)
    try:
        if options.build_only:
            _build((options.kernel,) if options.kernel else KERNELS, options.cache)
            return 0
        if not options.kernel or not command:
            parser.error("a kernel and a command are needed: python -m tests.guest 6.1 -- uname -r")
        return _run(options, command)
    except GuestError as error:
        print(f"guest: {error}", file=sys.stderr)
        return 125  # as env and docker do when it is not the command that failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
