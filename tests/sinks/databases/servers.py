"""Real databases, each on a port and in a directory of its own, which die and come back."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.waiting import until


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server process. Subclasses say how it is started and when it is there."""

    user: str | None = None

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="eunomia-db-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return {}

    def is_there(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Starts it, again with what it had."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                env={**os.environ, **self.environment()},
                stdout=log,
                stderr=log,
                user=self.user,
                group=self.user,
                cwd=self.directory,
            )
        until(self.is_there)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Ends it, without a warning if not told otherwise."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def signal(self, number: int) -> None:
        """Stops it, or lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def close(self) -> None:
        """Ends it and all that it had."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.kill(signal.SIGINT)
        shutil.rmtree(self.directory)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, credentials: str = "", **query: str) -> bytes:
        """What it answers to a GET, or to a POST of a form when there is a query."""
        request = Request(f"{self.url}{path}", urlencode(query).encode() if query else None)  # noqa: S310 (http)
        if credentials:
            request.add_header("Authorization", f"Basic {base64.b64encode(credentials.encode()).decode()}")
        with urlopen(request, timeout=10) as answer:  # noqa: S310 (http)
            read: bytes = answer.read()
            return read

    def answers(self, path: str) -> bool:
        try:
            self.get(path)
        except (URLError, OSError):
            return False
        return True


class Influx(Server):
    """InfluxDB 1.6.

    Args:
        auth: whether it asks who writes.
    """

    def __init__(self, *, auth: bool = False) -> None:
        super().__init__()
        self._auth = auth
        self._rpc = free_port()

    def command(self) -> list[str]:
        return ["influxd", "run", "-config", os.devnull]

    def environment(self) -> Mapping[str, str]:
        return {
            "INFLUXDB_REPORTING_DISABLED": "true",
            "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{self._rpc}",
            "INFLUXDB_META_DIR": str(self.directory / "meta"),
            "INFLUXDB_DATA_DIR": str(self.directory / "data"),
            "INFLUXDB_DATA_WAL_DIR": str(self.directory / "wal"),
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "INFLUXDB_HTTP_AUTH_ENABLED": str(self._auth).lower(),
            "INFLUXDB_MONITOR_STORE_ENABLED": "false",
            "GOMAXPROCS": "1",
        }

    def is_there(self) -> bool:
        return self.answers("/ping")

    def query(self, text: str, database: str = "eunomia", credentials: str = "") -> list[dict[str, Any]]:
        """Rows of an answer, as they are: keys are the columns' names."""
        told = json.loads(self.get("/query", credentials, q=text, db=database, epoch="ns"))
        (result,) = told["results"]
        assert "error" not in result, result
        return [
            {**dict(zip(series["columns"], row, strict=True)), **series.get("tags", {})}
            for series in result.get("series", ())
            for row in series["values"]
        ]

    def count(self, measurement: str, field: str = "pid") -> int:
        """How many points there are that have a field."""
        rows = self.query(f'SELECT count("{field}") FROM "{measurement}"')
        return int(rows[0]["count"]) if rows else 0


class Victoria(Server):
    """VictoriaMetrics."""

    def command(self) -> list[str]:
        return [
            "victoria-metrics",
            f"-storageDataPath={self.directory / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
        ]

    def environment(self) -> Mapping[str, str]:
        return {"GOMAXPROCS": "1"}

    def is_there(self) -> bool:
        return self.answers("/health")

    def exported(self, selector: str) -> list[dict[str, Any]]:
        """All series that a selector means, with their samples."""
        self.get("/internal/force_flush")
        return [json.loads(line) for line in self.get("/api/v1/export", **{"match[]": selector}).splitlines()]


PASSWORD = "secret"  # noqa: S105 (of a server of our own)


class Postgres(Server):
    """PostgreSQL, which asks for the password `secret`."""

    user = "postgres"

    def __init__(self) -> None:
        super().__init__()
        (self._bin,) = Path("/usr/lib/postgresql").glob("*/bin")
        shutil.chown(self.directory, self.user, self.user)
        password = self.directory / "password"
        password.write_text(f"{PASSWORD}\n")
        shutil.chown(password, self.user)
        data = f"{self.directory}/data"
        made = [f"{self._bin}/initdb", "-D", data, "-A", "scram-sha-256", "-N", f"--pwfile={password}"]
        subprocess.run(made, user=self.user, group=self.user, cwd="/", check=True, stdout=subprocess.DEVNULL)

    def command(self) -> list[str]:
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.directory}
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self.directory / "data"), *given]

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def is_there(self) -> bool:
        ready = [f"{self._bin}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Rows of an answer."""
        import psycopg

        with psycopg.connect(self.url, password=PASSWORD, connect_timeout=5) as connection:
            return connection.execute(text.encode()).fetchall()
