"""A policy as the kernel's maps have it."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eunomia.privileges.policy import FAMILIES, Listing, Policy
from eunomia.respond.lsm.denier import hooks
from eunomia.respond.lsm.notes import notes
from eunomia.respond.lsm.tables import Verdict, constants, denied_bits, judge, parse_peer, path_key, paths, peers
from eunomia.schema.capabilities import NAMES

ALLOWED, DENIED, STAYS = Verdict.ALLOWED, Verdict.DENIED, Verdict.STAYS


@pytest.mark.parametrize(
    ("listing", "path", "verdict"),
    [
        (Listing(None, ("/etc/",)), "/etc/passwd", DENIED),
        (Listing(None, ("/etc/",)), "/etc", DENIED),
        (Listing(None, ("/etc/",)), "/etcetera", ALLOWED),
        (Listing(None, ("/etc/ssl/",)), "/etc", ALLOWED | STAYS),
        (Listing(None, ("/etc/ssl/",)), "/etc/passwd", ALLOWED),
        (Listing(None, ("/bin/nc",)), "/bin/nc", DENIED),
        (Listing(None, ("/bin/nc",)), "/bin/ncat", ALLOWED),
        (Listing(None, ("/bin/nc",)), "/bin/nc/x", ALLOWED),
        (Listing(("/tmp/",)), "/tmp/x", ALLOWED),
        (Listing(("/tmp/",)), "/tmp", DENIED),
        (Listing(("/tmp/",)), "/etc/passwd", DENIED),
        (Listing(("/srv/",), ("/srv/a/b/",)), "/srv/a", ALLOWED | STAYS),
        (Listing(("/srv/",), ("/srv/a/b/",)), "/srv/a/b/c", DENIED),
        (Listing(("/srv/a/b/c",), ("/srv/a/",)), "/srv/a/b/c", ALLOWED),
        (Listing(("/srv/a/b/c",), ("/srv/a/",)), "/srv/a/b", DENIED),
        (Listing(("memfd:",)), "/memfd:any", ALLOWED),
        (Listing(()), "/", DENIED),
    ],
)
def test_paths(listing: Listing, path: str, verdict: Verdict) -> None:
    assert judge(paths(listing), path, others=listing.allows_others) == verdict


_path = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
_entry = st.tuples(_path, st.sampled_from(("", "/"))).map("".join)


@given(st.lists(_entry, unique=True), st.none() | st.lists(_entry, unique=True), _path)
def test_nothing_denied_can_be_moved_away(deny: list[str], allow: list[str] | None, path: str) -> None:
    """Whatever lies above something denied is either denied or stays where it is."""
    listing = Listing(None if allow is None else tuple(one for one in allow if one not in deny), tuple(deny))
    found = paths(listing)
    verdict = judge(found, path, others=listing.allows_others)
    if any(one.startswith(f"{path}/") for one in deny):
        assert verdict & (DENIED | STAYS)
    if path in deny:
        assert DENIED in verdict


def test_path_key() -> None:
    key = path_key(b"/tmp/")
    assert struct.unpack_from("=I", key) == (40,)
    assert key[4:].rstrip(b"\0") == b"/tmp/"
    assert len(key) == 260


def _reach(listing: Listing, address: str, port: int) -> bool:
    """What peers.bpf.h makes of them."""
    whole = ipaddress.ip_address(address)
    six = whole.packed if whole.version == 6 else bytes(10) + b"\xff\xff" + whole.packed
    for peer in peers(listing):
        network, mask, low, high, allowed = struct.unpack("=16s16sHHI", peer.packed())
        if bytes(a & b for a, b in zip(six, mask, strict=True)) == network and low <= port <= high:
            return bool(allowed)
    return listing.allows_others


def test_the_most_particular_counts() -> None:
    listing = Listing(("10.0.0.0/8", "10.1.0.0/16:443", "[2001:db8::1]:80-90"), ("10.1.0.0/16", "*:25", "10.0.0.9"))
    reached = {
        ("10.2.3.4", 80): True,
        ("10.1.3.4", 80): False,
        ("10.1.3.4", 443): True,
        ("10.2.3.4", 25): True,
        ("10.0.0.9", 443): False,
        ("192.0.2.1", 443): False,
        ("2001:db8::1", 85): True,
        ("2001:db8::1", 91): False,
        ("::ffff:10.2.3.4", 80): True,
    }
    assert {(address, port): _reach(listing, address, port) for address, port in reached} == reached
    assert _reach(Listing(None, ("*:25",)), "2001:db8::1", 24)
    assert not _reach(Listing(None, ("*:25",)), "192.0.2.1", 25)


@pytest.mark.parametrize("text", ["", "10.0.0.1:", "10.0.0.1:99999", "*/8", "2001:db8::1", "10.0.0.0/33", "[::1"])
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_peer(text, allowed=True)


def test_bits() -> None:
    assert denied_bits(Listing(None, ("CAP_CHOWN", "CAP_SYS_ADMIN")), NAMES) == 1 | 1 << 21
    assert denied_bits(Listing(("inet",)), FAMILIES) == (1 << 64) - 1 - (1 << 2)
    assert denied_bits(Listing(), NAMES) == 0
    assert (FAMILIES["inet6"], FAMILIES["netlink"], FAMILIES["packet"], FAMILIES["vsock"]) == (10, 16, 17, 40)


def test_who_asks_for_nothing_pays_for_nothing() -> None:
    policy = Policy(sockets=Listing(None, ("packet",)))
    assert {"socket_create", "file_open", "capable"} & {hook.name for hook in hooks(policy)} == {"socket_create"}
    made = constants(policy)
    assert (made["denies"], made["denied_families"], made["denied_capabilities"]) == (True, 1 << 17, 0)
    assert made["exec_allowed"]
    assert made["write_allowed"]
    assert made["peers_allowed"]


def test_ways_round_it_are_told() -> None:
    open_ended = Policy(exec=Listing(("/usr/", "memfd:")), write=Listing(("/usr/local/",), ()), mounts=True)
    assert [one.split()[0] for one in notes(open_ended)] == ["memfd:", "mounts"]
    assert "[write] should deny it" in next(notes(Policy(exec=Listing(("/opt/",)))))
    assert "a copy elsewhere" in next(notes(Policy(exec=Listing(None, ("/bin/nc",)))))
    assert not list(notes(Policy(exec=Listing(("/opt/",)), write=Listing(None, ("/opt/",)))))
