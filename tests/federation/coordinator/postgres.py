"""Fixtures: a PostgreSQL server of the tests' own, and empty databases on it."""

from collections.abc import Callable, Iterator

import pytest

from federation.benchmarks.loads.postgres_server import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def database_server() -> Iterator[PostgresServer]:
    """It never waits for the disk, as no test needs its data after a crash of the machine."""
    with postgres_server(durable=False) as server:
        yield server


@pytest.fixture
def new_database(database_server: PostgresServer) -> Callable[[], str]:
    """Returns a function that makes an empty database and returns its address."""
    return database_server.new_database


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def each_database(request: pytest.FixtureRequest) -> str | None:
    """Runs a test twice; returns the address of an empty database, or None for a file in the coordinator's folder."""
    if request.param == "SQLite":
        return None
    address: str = request.getfixturevalue("new_database")()
    return address
