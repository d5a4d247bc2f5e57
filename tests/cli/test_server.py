"""`eunomia server` used wrongly, and configuration files with [prometheus]."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from eunomia.config import PrometheusConfig
from tests.cli.command import eunomia, refused


def test_it_wants_to_know_what_to_serve() -> None:
    assert "--prometheus" in refused("server")


@pytest.mark.parametrize("place", ["here", "::1:80", ":80", "1.2.3.4:99999"])
def test_a_place_that_is_none(place: str) -> None:
    assert "--listen" in refused("server", "--prometheus", "--listen", place)


def test_a_place_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        told = refused("server", "--prometheus", "--listen", place)
    assert f"cannot listen on {place}: address already in use" in told


def test_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[prometheus]\nlisten = "x"\ncaps = 1\ncap = 0\ndrop_labels = ["imag", "pod"]\nexpire_s = 0.5\n')
    done = eunomia("server", "--prometheus", "--config", file)
    assert done.returncode == 2
    told = [line.removeprefix(f"eunomia: error: {file}:") for line in done.stderr.splitlines()]
    assert [line[:2] for line in told] == ["2:", "3:", "4:", "5:", "6:"], done.stderr
    assert 'unknown key "caps" in [prometheus]; did you mean cap?' in told[1]
    assert "no metric has that label; did you mean image?" in told[3]


def test_the_same_for_run_and_daemon(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[prometheus]\nlisten = "x"\n[[tracker]]\ntype = "process"\n')
    assert ":2: listen in [prometheus]" in refused("run", "--config", file)
    file.write_text('[prometheus]\nlisten = "x"\n')
    assert ":2: listen in [prometheus]" in refused("daemon", "--config", file)


def test_check_tells_of_it(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[prometheus]\nlisten = "[::1]:99"\ncap = 7\n[[tracker]]\ntype = "process"\n')
    assert "metrics at ::1 port 99, at most 7 series" in eunomia("config", "check", file).stdout
    file.write_text("[daemon]\n[prometheus]\n")
    where, cap = PrometheusConfig().listen, PrometheusConfig().cap
    assert where
    assert f"metrics at {where[0]} port {where[1]}, at most {cap:,}" in eunomia("config", "check", file).stdout
