"""PostgreSQL, with TimescaleDB where that is installed: a table for each tracker, made from its columns."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from eunomia.errors import UsageError
from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.databases.database import Database, Encode
from eunomia.sinks.databases.settings import Settings, absolute, of_trackers, secret, setting
from eunomia.sinks.databases.sieve import Sieve
from eunomia.sinks.sending.destination import Refused, Unavailable

_TIME, _TIME_NS = "time", "time_ns"
_PIECES = "eunomia_pieces"
_PIECES_KEPT = "30 days"
_LONGEST_NAME = 63  # NAMEDATALEN - 1: PostgreSQL cuts longer ones
_TYPES: Mapping[Any, str] = {
    pl.Boolean: "boolean",
    pl.Int8: "smallint",
    pl.Int16: "smallint",
    pl.Int32: "integer",
    pl.Int64: "bigint",
    pl.UInt8: "smallint",
    pl.UInt16: "integer",
    pl.UInt32: "bigint",
    pl.UInt64: "numeric(20,0)",
    pl.Float32: "real",
    pl.Float64: "double precision",
}
_HINTS = {
    "3D000": "create the database first",
    "3F000": "create the schema first",
    "42501": "the user may not do that: grant it, or make the tables for him",
}


def _url(text: str) -> None:
    """Takes where a server is, when it has no password in it."""
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ValueError("write postgresql://USER@HOST/DATABASE")
    if parts.password is not None or any(name in ("password", "sslpassword") for name, _ in parse_qsl(parts.query)):
        raise UsageError("a password in a URL ends up in logs: give a password_file")


@dataclass(frozen=True, kw_only=True)
class PostgresSettings(Settings):
    """What can be set of it."""

    url: str = setting("where it is: postgresql://USER@HOST[:PORT]/DATABASE[?sslmode=verify-full]", check=_url)
    password_file: str | None = setting(
        "file with the password; read again for every connection", None, shown="libpq's own, ~/.pgpass", check=absolute
    )
    schema: str = setting("the schema of the tables, which has to be there", "public")
    table: str = setting(
        "what tables are called; {tracker} stands for the tracker's name", "eunomia_{tracker}", check=of_trackers
    )


class PostgreSQL(Database):
    """A server that rows are copied to. Each piece is written once, however often it is sent."""

    settings = PostgresSettings

    def __init__(self, settings: PostgresSettings) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise UsageError(
                f"PostgreSQL needs psycopg and libpq: pip install 'eunomia[postgresql]' ({error})"
            ) from error
        self._psycopg = psycopg
        self._settings = settings
        self._connection: psycopg.Connection[Any] | None = None
        self._prepared: set[bytes] = set()
        try:
            self._password()
        except OSError as error:
            raise UsageError(f"cannot read {settings.password_file}: {error.strerror}") from error

    def encoder(self, label: str, schema: Schema) -> Encode:
        """A line that says where the rows belong, then the rows as COPY reads them."""
        table = self._settings.table.replace("{tracker}", label).encode()[:_LONGEST_NAME].decode(errors="ignore")
        columns = [(one.name, _type(one)) for one in schema]
        values = [_text(one) for one in schema]
        if _TIME in schema:  # PostgreSQL's times end at microseconds
            columns.append((_TIME_NS, "bigint"))
            values.append(pl.col(_TIME).dt.timestamp("ns").cast(pl.String).fill_null("\\N"))
        row = pl.concat_str(values, separator="\t").str.join("\n")

        def encode(frame: pl.DataFrame) -> bytes:
            head = {"id": str(uuid.uuid4()), "table": table, "columns": columns}
            return f"{json.dumps(head)}\n{frame.select(row).item()}\n".encode()

        return encode

    def send(self, items: Sequence[bytes]) -> None:
        """Copies each piece in a transaction."""
        for item in items:
            head, _, rows = item.partition(b"\n")
            try:
                self._write(json.loads(head), rows)
            except self._psycopg.Error as error:
                raise self._told(error) from error
            except OSError as error:
                raise Unavailable(f"cannot read {self._settings.password_file}: {error.strerror}") from error

    def _write(self, head: Mapping[str, Any], rows: bytes) -> None:
        connection, sql = self._connected(), self._psycopg.sql
        self._prepare(connection, head["table"], head["columns"])
        lost: Refused | None = None
        with connection.transaction():
            new = connection.execute(
                sql.SQL("INSERT INTO {} (id) VALUES (%s) ON CONFLICT DO NOTHING").format(self._name(_PIECES)),
                (head["id"],),
            )
            if new.rowcount:  # else it was committed, and we were not told
                lost = self._copy(connection, head, rows)
        if lost is not None:
            raise lost

    def _copy(self, connection: Any, head: Mapping[str, Any], rows: bytes) -> Refused | None:
        """Copies all rows that the server takes; says what it did not take."""
        sql = self._psycopg.sql
        names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in head["columns"])
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(self._name(head["table"]), names)

        def copy(some: Sequence[bytes]) -> None:
            try:
                with connection.transaction(), connection.cursor().copy(statement) as copying:
                    copying.write(b"".join(some))
            except (self._psycopg.DataError, self._psycopg.IntegrityError) as error:
                raise Refused(f"{self._shown}: {_said(error)}") from error

        try:
            copy([rows])
        except Refused as error:
            error.events = Sieve(copy).refused(rows.splitlines(keepends=True))
            return error
        return None

    def _prepare(self, connection: Any, table: str, columns: Sequence[tuple[str, str]]) -> None:
        """Makes the table, and columns that it does not have yet; once for each connection."""
        known = json.dumps([table, columns]).encode()
        if known in self._prepared:
            return
        sql, name = self._psycopg.sql, self._name(table)
        found = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            (name.as_string(connection),),
        ).fetchall()
        have = {column for (column,) in found}
        made = [
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
            for column, kind in columns
            if column not in have
        ]
        if not have:
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join(made)))
            self._by_time(connection, table)
        elif made:
            added = sql.SQL(", ").join(sql.SQL("ADD COLUMN IF NOT EXISTS {}").format(one) for one in made)
            connection.execute(sql.SQL("ALTER TABLE {} {}").format(name, added))
        self._prepared.add(known)

    def _by_time(self, connection: Any, table: str) -> None:
        """Has a new table found by time: as a hypertable of TimescaleDB, or else by an index."""
        sql, name = self._psycopg.sql, self._name(table)
        if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone():
            connection.execute("SELECT create_hypertable(%s::regclass, %s)", (name.as_string(connection), _TIME))
        else:
            connection.execute(sql.SQL("CREATE INDEX ON {} ({})").format(name, sql.Identifier(_TIME)))

    def _connected(self) -> Any:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        timeout_ms = int(self._settings.timeout_s * 1000)
        self._prepared.clear()
        self._connection = None
        connection = self._psycopg.connect(
            self._settings.url,
            autocommit=True,
            connect_timeout=max(int(self._settings.timeout_s), 2),
            tcp_user_timeout=timeout_ms,
            application_name="eunomia",
            **self._password(),
        )
        try:
            self._begin(connection, timeout_ms)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _begin(self, connection: Any, timeout_ms: int) -> None:
        """What a new connection is told, and the table of the pieces that were written."""
        sql, name = self._psycopg.sql, self._name(_PIECES)
        connection.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(timeout_ms)))
        if connection.execute("SELECT to_regclass(%s)", (name.as_string(connection),)).fetchone() == (None,):
            columns = sql.SQL("id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now()")
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, columns))
        connection.execute(
            sql.SQL("DELETE FROM {} WHERE at < now() - {}::interval").format(name, sql.Literal(_PIECES_KEPT))
        )

    def _password(self) -> Mapping[str, Any]:
        value = secret(None, self._settings.password_file)
        return {} if value is None else {"password": value}

    def _name(self, table: str) -> Any:
        return self._psycopg.sql.Identifier(self._settings.schema, table)

    @property
    def _shown(self) -> str:
        return self._settings.url.partition("?")[0]

    def _told(self, error: Any) -> Unavailable:
        """What is wrong over there can be put right, so all is kept: what is wrong with rows was counted before."""
        self._prepared.clear()  # a table may have been dropped
        hint = _HINTS.get(error.sqlstate or "")
        return Unavailable(f"{self._shown}: {_said(error)}{f'; {hint}' if hint else ''}")

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _said(error: Any) -> str:
    """A server's words, in one line; what it says of where stands in them, too."""
    context = error.diag.context or ""
    return " ".join(f"{error.diag.message_primary or error} {context and f'({context})'}".split())[:300]


def _type(column: Column) -> str:
    if isinstance(column.dtype, pl.Datetime):
        return "timestamp with time zone"
    if isinstance(column.dtype, pl.List | pl.Array | pl.Struct):
        return "json"
    return _TYPES.get(column.dtype, "text")


def _text(column: Column) -> pl.Expr:
    """A column as COPY reads it: https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"."""
    value = pl.col(column.name)
    kind = _type(column)
    if kind == "json":
        inside = pl.struct(value.alias("v")).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
        value = pl.when(value.is_not_null()).then(inside)
    elif kind.startswith("timestamp"):
        value = value.dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00")
    if kind in ("json", "text"):  # a text of PostgreSQL has no NUL in it
        value = value.cast(pl.String).str.replace_many(
            ["\\", "\t", "\n", "\r", "\0"], ["\\\\", "\\t", "\\n", "\\r", "\N{REPLACEMENT CHARACTER}"]
        )
    return value.cast(pl.String).fill_null("\\N")
