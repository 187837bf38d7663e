"""A PostgreSQL server of the tests' own, on a socket in its own folder. It refuses to run as root: then it runs as `nobody`."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from federation.processes import start

USER = "coordinator"
_SECONDS = 120


@contextmanager
def server() -> Iterator[Path]:
    """Runs a server that never waits for the disk, as no test needs its data after a crash; yields the folder of its socket."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    # The temporary folder of the tests is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    as_user: list[str] = []
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    data = folder / "data"
    try:
        initdb = [
            programs / "initdb",
            "--no-sync",
            "--auth=trust",
            f"--username={USER}",
            "--encoding=UTF8",
            "--locale=C",
            data,
        ]
        subprocess.run([*as_user, *map(str, initdb)], check=True, capture_output=True, cwd=folder)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": folder,
            "fsync": "off",
            "full_page_writes": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = start(
                [*as_user, str(programs / "postgres"), "-D", str(data), *options], stdout=log, stderr=log, cwd=folder
            )
        try:
            until = time.monotonic() + _SECONDS
            while not _answers(folder):
                assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.05)
            yield folder
        finally:
            process.send_signal(signal.SIGINT)  # SIGTERM would wait for connections that are open
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(folder: Path) -> bool:
    try:
        psycopg.connect(host=str(folder), user=USER, dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    with server() as folder:
        yield folder


@pytest.fixture
def new_database(postgres_server: Path) -> Callable[[], str]:
    """Returns a function that makes an empty database and returns its address."""

    def make() -> str:
        name = f"test_{time.monotonic_ns()}"
        with psycopg.connect(host=str(postgres_server), user=USER, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"postgresql://{USER}@/postgres?host={postgres_server}&options=-csearch_path%3D{name}"

    return make


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def each_database(request: pytest.FixtureRequest) -> str | None:
    """Runs a test twice; returns the address of an empty database, or None for a file in the coordinator's folder."""
    if request.param == "SQLite":
        return None
    address: str = request.getfixturevalue("new_database")()
    return address
