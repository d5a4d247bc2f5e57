"""InfluxDB 1, 2 and 3, and what takes its line protocol, as VictoriaMetrics does."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import polars as pl

from eunomia.errors import UsageError
from eunomia.schema.alert import ALERT
from eunomia.schema.batch import Schema
from eunomia.sinks.databases.database import Database, Encode
from eunomia.sinks.databases.line_protocol import TIME, Lines
from eunomia.sinks.databases.settings import Settings, absolute, of_trackers, secret, setting
from eunomia.sinks.databases.sieve import Sieve
from eunomia.sinks.sending.destination import Refused, Unavailable
from eunomia.sinks.sending.http import Poster, Url, header, tls

TAGS = ("node", "container_id", "container_name", "event")
_TAGS_OF_ALERTS = ("node", "container_id", "container_name", "image", "pod", "rule", "level", "tracker")
_DROPPED = re.compile(r"\bdropped=(\d+)")
_HINTS = {
    "401": "check the token, or username and password",
    "403": "check what the token or the user may write to",
    "404": "check url, and that the database or bucket is there",
}


@dataclass(frozen=True, kw_only=True)
class InfluxSettings(Settings):
    """What can be set of it: a `database` for InfluxDB 1, a `bucket` for 2 and 3."""

    url: str = setting("where it is: http://HOST:PORT or https://…", check=Url)
    database: str | None = setting("InfluxDB 1: the database, which has to be there", None)
    retention_policy: str | None = setting("InfluxDB 1: its retention policy", None, shown="the database's own")
    username: str | None = setting("InfluxDB 1: who writes", None)
    password_file: str | None = setting("InfluxDB 1: file with the password", None, check=absolute)
    bucket: str | None = setting("InfluxDB 2: the bucket; 3: the database", None)
    org: str | None = setting("InfluxDB 2: the bucket's organisation", None)
    token: str | None = setting("InfluxDB 2 and 3: what allows to write; better in a file", None)
    token_file: str | None = setting("file with the token; read again for every request", None, check=absolute)
    measurement: str = setting(
        "what the points are called; {tracker} stands for the tracker's name", "{tracker}", check=of_trackers
    )
    tags: tuple[str, ...] = setting("columns that become tags: those with few values only", TAGS, columns=True)
    fields: tuple[str, ...] = setting("columns that become fields", (), shown="all that are no tags", columns=True)
    gzip: bool = setting("whether requests are compressed", True)
    headers: tuple[str, ...] = setting('further headers, each as "Name: value"', (), check=header)
    ca_file: str | None = setting(
        "certificates of the authorities it may be certified by", None, shown="the machine's", check=absolute
    )

    def check(self) -> None:
        """One API or the other."""
        if (self.database is None) == (self.bucket is None):
            raise UsageError("give a database (InfluxDB 1, VictoriaMetrics) or a bucket (InfluxDB 2 and 3)")
        if sum(one is not None for one in (self.token, self.token_file, self.username)) > 1:
            raise UsageError("token, token_file, username: give one of them")
        if (self.username is None) != (self.password_file is None):
            raise UsageError("username and password_file go together")
        others = ("org",) if self.bucket is None else ("retention_policy", "username")
        for name in others:
            if getattr(self, name) is not None:
                raise UsageError(f"{name} goes with a {'bucket' if self.bucket is None else 'database'}")
        if TIME in (*self.tags, *self.fields):
            raise UsageError("time is the point's own, neither tag nor field")

    @property
    def write_url(self) -> Url:
        """Where lines are posted to."""
        if self.bucket is None:
            query = {"db": self.database, "rp": self.retention_policy, "precision": "ns"}
            path = "/write"
        else:
            query = {"org": self.org, "bucket": self.bucket, "precision": "ns"}
            path = "/api/v2/write"
        given = {name: value for name, value in query.items() if value is not None}
        return Url(f"{self.url.rstrip('/')}{path}?{urlencode(given)}")


class InfluxDB(Database):
    """A server that takes line protocol. What it has taken it may be given again: the same points, no others."""

    settings = InfluxSettings

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        url = settings.write_url
        context = tls(None if settings.ca_file is None else Path(settings.ca_file)) if url.tls else None
        self._poster = Poster(url, dict(map(header, settings.headers)), settings.timeout_s, context)
        try:
            self._authorization()
        except Unavailable as error:
            raise UsageError(str(error)) from error

    def encoder(self, label: str, schema: Schema) -> Encode:
        """Lines, compressed if that is wanted."""
        asked = self._settings
        wanted = _TAGS_OF_ALERTS if schema is ALERT else asked.tags
        tags = [name for name in wanted if name in schema]
        others = [one.name for one in schema if one.name not in (*tags, TIME)]
        fields = [name for name in others if not asked.fields or name in asked.fields or schema is ALERT]
        lines = Lines(asked.measurement.replace("{tracker}", label), schema, tags, fields)

        def encode(frame: pl.DataFrame) -> bytes:
            written = lines.of(frame)
            return gzip.compress(written, compresslevel=1, mtime=0) if asked.gzip else written

        return encode

    def send(self, items: Sequence[bytes]) -> None:
        """Posts each. Of one in which something is wrong all else is written, and what is wrong is counted."""
        for item in items:
            try:
                self._post(item)
            except Refused as error:
                if error.events is None:
                    lines = (gzip.decompress(item) if _is_compressed(item) else item).splitlines(keepends=True)
                    error.events = Sieve(lambda some: self._post(b"".join(some))).refused(lines)
                raise

    def _post(self, item: bytes) -> None:
        headers = {"Content-Type": "text/plain; charset=utf-8", **self._authorization()}
        if _is_compressed(item):
            headers["Content-Encoding"] = "gzip"
        try:
            self._poster.send(item, headers)
        except Unavailable as error:
            hint = next((hint for status, hint in _HINTS.items() if f" answers {status} " in str(error)), None)
            if hint is not None:
                error.args = (f"{error}; {hint}",)
            raise
        except Refused as error:
            dropped = _DROPPED.search(error.answer)  # of a partial write it says so, when it knows
            error.events = (int(dropped[1]) or None) if dropped else None
            raise

    def _authorization(self) -> Mapping[str, str]:
        asked = self._settings
        try:
            token = secret(asked.token, asked.token_file)
            password = secret(None, asked.password_file) if asked.password_file else ""
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise Unavailable(f"cannot read {asked.token_file or asked.password_file}: {reason}") from error
        if token is not None:
            return {"Authorization": f"Token {token}"}
        if asked.username is None:
            return {}
        both = base64.b64encode(f"{asked.username}:{password}".encode()).decode()
        return {"Authorization": f"Basic {both}"}


def _is_compressed(item: bytes) -> bool:
    return item.startswith(b"\x1f\x8b")  # RFC 1952, 2.3.1; no line begins so
