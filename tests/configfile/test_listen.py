"""Where to listen, as people write it."""

from __future__ import annotations

import pytest

from eunomia.configfile.listen import listen_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10435", ("127.0.0.1", 10435)),
        ("0", ("127.0.0.1", 0)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),  # noqa: S104 (no socket is made)
        ("localhost:9000", ("localhost", 9000)),
        ("[::1]:9000", ("::1", 9000)),
        ("[::]:65535", ("::", 65535)),
    ],
)
def test_meant(text: str, address: tuple[str, int]) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "PORT is expected"),
        ("65536", "up to 65535"),
        ("host", "PORT is expected"),
        ("host:", "PORT is expected"),
        ("-1", "PORT is expected"),
        ("²", "PORT is expected"),
        (":9000", "0.0.0.0:9000 for every one"),
        ("::1:9000", r"in brackets: \[::1\]:9000"),
        ("[]:9000", "name an address"),
    ],
)
def test_not_meant(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        listen_address(text)
