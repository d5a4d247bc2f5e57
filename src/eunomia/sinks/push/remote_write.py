"""Prometheus remote write 1.0: https://prometheus.io/docs/specs/prw/remote_write_spec/.

The messages are those of prompb/remote.proto and prompb/types.proto; so few fields are written by hand.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eunomia.sinks.extras import needing
from eunomia.sinks.metrics.snapshot import Labels, Snapshot
from eunomia.sinks.push.receiver import Receiver, Request, Target

EXTRA = "remote-write"
NEVER = frozenset(range(400, 500)) - {429}
"""By the specification only 5xx, and 429 if one likes, are tried again."""
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_MOST = 5000
_NUMBER, _DOUBLE, _BYTES = 0, 1, 2  # wire types: https://protobuf.dev/programming-guides/encoding
_TYPES = {"counter": 1, "gauge": 2, "histogram": 3}  # MetricMetadata.MetricType
_STALE = struct.pack("<Q", 0x7FF0000000000002)  # a NaN of its own: StaleNaN in model/value/value.go
_VALUE = struct.Struct("<d")
_SAMPLE_BYTES = 16  # tag, value, tag, and the time in milliseconds, which has 6 bytes from 1971 to 2109
_Series = tuple[str, Labels]


class RemoteWrite(Receiver):
    """A server that takes remote write. A series that is no more gets a stale marker, as if it had been scraped.

    Args:
        target: where it is.
        labels: further labels of every series; the series' own have the last word.

    Raises:
        UsageError: a package that it needs is not there.
    """

    name = "remote_write"

    def __init__(self, target: Target, labels: Mapping[str, str]) -> None:
        with needing(EXTRA, "remote write"):
            from cramjam import snappy
        self._compress: Callable[[bytes], Any] = snappy.compress_raw
        self._target = target
        self._labels = dict(labels)
        self._known: dict[_Series, bytes] = {}  # the series of the last time: all but the value and the time

    def requests(self, metrics: Sequence[Snapshot], time_s: float) -> list[Request]:
        """All series with their values, and stale markers for those that were there the last time."""
        end = _end_of_sample(time_s)
        known: dict[_Series, bytes] = {}
        written = []
        for snapshot in metrics:
            for name, labels, value in snapshot.samples():
                series = name, labels
                known[series] = begin = self._known.get(series) or self._begin(name, labels)
                written.append(begin + _VALUE.pack(value) + end)
        written += [begin + _STALE + end for series, begin in self._known.items() if series not in known]
        self._known = known
        return self._compressed(written, b"".join(_metadata(one) for one in metrics if one.values))

    def farewell(self, time_s: float) -> list[Request]:
        """Stale markers for all series."""
        end, gone = _end_of_sample(time_s), self._known.values()
        self._known = {}
        return self._compressed([begin + _STALE + end for begin in gone])

    def send(self, request: Request) -> None:
        """Posts it."""
        self._target.post(request.body, _HEADERS)

    def _begin(self, name: str, labels: Labels) -> bytes:
        """A TimeSeries up to the value of its sample: first its labels, sorted, and none of them empty."""
        given = {**self._labels, **dict(labels), "__name__": name}
        told = b"".join(_field(1, _text(1, label) + _text(2, value)) for label, value in sorted(given.items()) if value)
        told += bytes([2 << 3 | _BYTES, _SAMPLE_BYTES, 1 << 3 | _DOUBLE])
        return bytes([1 << 3 | _BYTES]) + _varint(len(told) + _SAMPLE_BYTES - 1) + told

    def _compressed(self, series: Sequence[bytes], metadata: bytes = b"") -> list[Request]:
        made = []
        for begin in range(0, len(series), _MOST):
            some = series[begin : begin + _MOST]
            body = b"".join(some) + (metadata if begin == 0 else b"")
            made.append(Request(bytes(self._compress(body)), len(some)))
        return made


def _end_of_sample(time_s: float) -> bytes:
    """Sample.timestamp, in milliseconds."""
    return bytes([2 << 3 | _NUMBER]) + _varint(int(time_s * 1000))


def _metadata(snapshot: Snapshot) -> bytes:
    """WriteRequest.metadata: type, metric_family_name, help."""
    kind = bytes([1 << 3 | _NUMBER, _TYPES[snapshot.kind]])
    return _field(3, kind + _text(2, snapshot.name) + _text(4, snapshot.description))


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _field(number: int, data: bytes) -> bytes:
    """A field of bytes: a text, or a message."""
    return bytes([number << 3 | _BYTES]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
