"""Fetches packages of a Debian suite, whatever the host's own suite, and trusts only what Debian's keys vouch for.

The chain is apt's: a signature over InRelease, which holds the digest of the package index, which holds the digest of
each package. How old an index is, is not looked at: a guest is no place to defend against stale packages.
"""

import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.guest.errors import GuestError
from tests.guest.programs import need, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR_VARIABLE = "EUNOMIA_DEBIAN_MIRROR"
"""Names a mirror of Debian for hosts whose own tools know none, such as an Ubuntu one."""
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Suite:
    """A suite of one of Debian's two archives, which are told apart by the label of their releases."""

    label: str
    name: str
    architecture: str = field(default="amd64", repr=False)  # what is cached by suite is not to be fetched again

    @property
    def index(self) -> str:
        """Where its packages are listed."""
        return f"main/binary-{self.architecture}/Packages.xz"


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    url: str
    sha256: str

    @property
    def order(self) -> tuple[int, ...]:
        """Sorts the versions of one kernel series, which differ in their numbers only."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version))


def mirrors(label: str) -> list[str]:
    """The mirrors the host's apt uses for this archive, then the public one, which has the suites the others lack."""
    need("apt-get")
    lines = run("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages").splitlines()
    own = [url.rstrip("/") for found, _, url in (line.partition(" ") for line in lines) if found == label]
    public = _public_mirror() + ("-security" if label == "Debian-Security" else "")
    return list(dict.fromkeys([*(url for url in own if url.startswith("http")), public]))


def _public_mirror() -> str:
    """Debian's public mirror: debootstrap knows it, but on other distributions it may know theirs instead."""
    given = os.environ.get(MIRROR_VARIABLE)
    if given:
        return given.rstrip("/")
    need("debootstrap")
    script = Path(shutil.which("debootstrap") or "").read_text()
    found = re.search(r'^DEF_MIRROR="(http\S+/debian)"', script, re.MULTILINE)
    if found is None:
        raise GuestError(f"no mirror of Debian is known here: name one, ending in /debian, in {MIRROR_VARIABLE}")
    return found[1]


def packages(suite: Suite, pattern: str) -> list[Package]:
    """The packages whose whole name matches; none when no mirror has the suite (any more)."""
    for mirror in mirrors(suite.label):
        release = f"{mirror}/dists/{suite.name}"
        try:
            signed = _get(f"{release}/InRelease")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise GuestError(f"{error.url}: {error}") from error
            continue
        index = _get(f"{release}/{suite.index}")
        _check(index, _index_digest(_verified(signed, release), suite.index), f"{release}/{suite.index}")
        return list(_parse(lzma.decompress(index).decode(), mirror, re.compile(pattern)))
    return []


def download(package: Package, target: Path) -> None:
    content = _get(package.url)
    _check(content, package.sha256, package.url)
    target.write_bytes(content)


def check_keyring() -> None:
    if not KEYRING.exists():
        raise GuestError(f"{KEYRING} is missing: apt install debian-archive-keyring")


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - mirrors() lets only http(s) pass
            content: bytes = answer.read()
    except urllib.error.HTTPError:
        raise
    except OSError as error:
        raise GuestError(f"cannot fetch {url} (behind a proxy? set http_proxy): {error}") from error
    return content


def _verified(signed: bytes, release: str) -> str:
    """The text that one of Debian's keys has signed.

    gpgv's exit code does not serve: a release is signed by several keys, and an older keyring lacks the newest.
    """
    need("gpgv")
    check_keyring()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "InRelease").write_bytes(signed)
        verified = Path(folder) / "Release"
        command = ["gpgv", "--status-fd=1", f"--keyring={KEYRING}", f"--output={verified}", f"{folder}/InRelease"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if "[GNUPG:] VALIDSIG " not in said.stdout or "[GNUPG:] BADSIG " in said.stdout:
            raise GuestError(f"{release}/InRelease is not signed by a key in {KEYRING}:\n{said.stderr}")
        return verified.read_text(encoding="utf-8")


def _index_digest(release: str, index: str) -> str:
    found = re.search(rf"^ ([0-9a-f]{{64}}) +\d+ {re.escape(index)}$", release, re.MULTILINE)
    if found is None:
        raise GuestError(f"the release file names no {index}")
    return found[1]


def _check(content: bytes, sha256: str, url: str) -> None:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise GuestError(f"{url} is not what the archive's index says it is: damaged on the way, or being updated")


def _parse(index: str, mirror: str, pattern: re.Pattern[str]) -> Iterator[Package]:
    for paragraph in index.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Filename|SHA256): (.*)$", paragraph, re.MULTILINE))
        if fields and pattern.fullmatch(fields["Package"]):
            yield Package(fields["Package"], fields["Version"], f"{mirror}/{fields['Filename']}", fields["SHA256"])
