"""A web application on the standard library; each path has it do something else."""

import contextlib
import hashlib
import http.server
import sqlite3
import subprocess
import tempfile
import threading


def note(text: str = "first") -> int:
    with contextlib.closing(sqlite3.connect(f"{tempfile.gettempdir()}/notes.db")) as database, database:
        database.execute("create table if not exists notes (text)")
        database.execute("insert into notes values (?)", (text,))
        return int(database.execute("select count(*) from notes").fetchone()[0])


def digest() -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"content" * 10000)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def threads() -> int:
    done: list[int] = []
    several = [threading.Thread(target=done.append, args=(number,)) for number in range(5)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    return len(done)


def date() -> str:
    return subprocess.run(["/usr/bin/date", "-u"], capture_output=True, text=True, check=True).stdout.strip()


WORK = {"hello": lambda: "here", "hash": digest, "note": note, "date": date, "threads": threads}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        what = self.path[1:]
        self.answer(WORK[what]) if what in WORK else self.send_error(404)

    def do_POST(self) -> None:
        self.answer(note, self.rfile.read(int(self.headers["Content-Length"])).decode())

    def answer(self, work, *arguments) -> None:  # type: ignore[no-untyped-def]
        body = f"{self.path[1:]}: {work(*arguments)}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


with http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler) as server, contextlib.suppress(KeyboardInterrupt):
    server.serve_forever()
