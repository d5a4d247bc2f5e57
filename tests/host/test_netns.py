"""Addresses from /proc/PID/net of a made-up host."""

from pathlib import Path

from eunomia.host.netns import addresses
from eunomia.host.roots import Roots

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 172.17.0.0/16 2 0 2
        +-- 172.17.0.0/29 2 0 2
           |-- 172.17.0.0
              /16 link UNICAST
           |-- 172.17.0.2
              /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
Local:
     |-- 172.17.0.2
        /32 host LOCAL
     |-- 10.1.2.3
        /32 host LOCAL
"""
IF_INET6 = """\
fd000000000000000000000000000002 29c 40 00 80     eth0
fe8000000000000042fffffffeb10002 29c 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""


def roots(tmp_path: Path, **files: str) -> Roots:
    net = tmp_path / "4711" / "net"
    net.mkdir(parents=True)
    for name, text in files.items():
        (net / name).write_text(text)
    return Roots(proc=tmp_path)


def test_both_families(tmp_path: Path) -> None:
    made = roots(tmp_path, fib_trie=FIB_TRIE, if_inet6=IF_INET6)
    assert addresses(made, 4711) == ("172.17.0.2", "10.1.2.3", "fd00::2")


def test_without_ipv6(tmp_path: Path) -> None:
    assert addresses(roots(tmp_path, fib_trie=FIB_TRIE), 4711) == ("172.17.0.2", "10.1.2.3")


def test_gone(tmp_path: Path) -> None:
    assert addresses(roots(tmp_path), 1) == ()


def test_our_own() -> None:
    assert "127.0.0.1" not in addresses(Roots(), 1)
