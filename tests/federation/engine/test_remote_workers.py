"""Rounds on TFF workers on other machines: the result is the same to the bit, even if workers are lost."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from federation.commands.simulate import parse_addresses
from federation.engine.worker_binary import answers
from model.device.folder import Model, load_model
from model.device.weights import Weights, digest

ROOT = Path(__file__).parents[3]


@dataclass
class Host:
    """A machine to run workers on: a network namespace behind a virtual cable, or this machine if that is not allowed."""

    address: str
    enter: list[str]

    def start(self, port: int = 0) -> tuple[subprocess.Popen[str], str]:
        """Starts `federate worker`, and waits until it is ready; returns the process and its address."""
        command = [*self.enter, sys.executable, "-m", "federation", "worker", "--host", self.address]
        process = subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        ready = process.stderr.readline()
        assert ready.startswith("ready: "), ready
        return process, ready.split("--workers ")[1].split()[0]


def ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[Host]]:
    names = [f"worker{i}-{os.getpid()}" for i in range(2)]
    made: list[Host] = []
    if shutil.which("ip") and os.geteuid() == 0:
        for i, name in enumerate(names):
            subnet, cable = f"10.201.{os.getpid() % 250}.{4 * i}", f"tff{os.getpid() % 10_000}{'ab'[i]}"
            here, there = (f"{subnet.rpartition('.')[0]}.{4 * i + n}" for n in (1, 2))
            done = ip("netns", "add", name) and ip("link", "add", cable, "type", "veth", "peer", "eth0", "netns", name)
            done = done and ip("addr", "add", f"{here}/30", "dev", cable) and ip("link", "set", cable, "up")
            inside = ("netns", "exec", name, "ip")
            done = done and ip(*inside, "addr", "add", f"{there}/30", "dev", "eth0")
            done = done and ip(*inside, "link", "set", "eth0", "up") and ip(*inside, "link", "set", "lo", "up")
            if done:
                made.append(Host(there, ["ip", "netns", "exec", name]))
    try:
        yield made if len(made) == 2 else [Host("127.0.0.1", [])] * 2
    finally:
        for name in names:
            ip("netns", "del", name)  # this deletes its cable too


@pytest.fixture(scope="module")
def workers(hosts: list[Host]) -> Iterator[list[tuple[subprocess.Popen[str], str]]]:
    started = [host.start() for host in hosts]
    yield started
    for process, _ in started:
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [d for child in found for d in (child, *children(child))]


def busy_seconds(pid: int) -> float:
    used = 0
    for each in (pid, *children(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / os.sysconf("SC_CLK_TCK")


class Rounds:
    """Rounds of FedAdam with secure sums over six clients, always from the same start."""

    def __init__(self, model: Model) -> None:
        import tensorflow as tf

        from federation.aggregation.algorithms import learning_process
        from federation.aggregation.privacy import Privacy
        from federation.aggregation.secure_mean import aggregator
        from federation.aggregation.server_settings import Server
        from federation.aggregation.sum_settings import SumSettings
        from model.device.learning.finetuning import FineTuning

        self.config, rng = model.provenance.config, np.random.default_rng(0)
        self.process = learning_process(
            self.config,
            model.weights,
            FineTuning(),
            Server("fedadam", 0.01),
            aggregator=aggregator(SumSettings(cohort=6), Privacy(), seed=1, noise_seed=2),
        )
        rows = [rng.integers(3, self.config.vocabulary, (n, self.config.window + 1)) for n in (3, 90, 1, 60, 8, 200)]
        rows = [r.astype(np.int32) for r in rows]
        self.clients = [tf.data.Dataset.from_tensor_slices((r, r[:, 1:])).batch(self.config.batch) for r in rows]

    def run(self, rounds: int, before: Callable[[int], None] = lambda number: None) -> Weights:
        from federation.aggregation.algorithms import weights_of

        state = self.process.initialize()
        for number in range(rounds):
            before(number)
            state = self.process.next(state, self.clients).state
        return weights_of(state, self.config)


@pytest.fixture(scope="module")
def rounds(small_model: Model) -> Rounds:
    return Rounds(small_model)


@pytest.fixture(scope="module")
def expected(rounds: Rounds) -> Weights:
    from federation.engine.local import engine

    with engine():
        return rounds.run(2)


def assert_same(found: Weights, expected: Weights) -> None:
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_worker_killed_during_a_round_changes_no_bit_of_the_result(
    hosts: list[Host], workers: list, rounds: Rounds, expected: Weights
) -> None:
    from federation.engine.remote_workers import remote_engine

    (first, gone), (_, other) = workers
    with remote_engine([gone, other]):
        assert_same(rounds.run(2), expected)

        killed = threading.Event()

        def kill_in_the_middle() -> None:
            before = busy_seconds(first.pid)
            while busy_seconds(first.pid) < before + 0.03:
                time.sleep(0.002)
            first.send_signal(signal.SIGKILL)
            killed.set()

        killer = threading.Thread(target=kill_in_the_middle)
        assert_same(rounds.run(2, lambda number: killer.start() if number == 1 else None), expected)
        killer.join()
        assert killed.is_set()
        first.wait()
        until = time.monotonic() + 20
        while answers(gone, 1.0):
            assert time.monotonic() < until, "a child of the worker outlived it"
            time.sleep(0.05)

        assert_same(rounds.run(1), rounds.run(1))  # these rounds begin with one worker
        workers[0] = hosts[0].start(int(gone.rpartition(":")[2]))
        before = busy_seconds(workers[0][0].pid)
        assert_same(rounds.run(2), expected)
        assert busy_seconds(workers[0][0].pid) > before, "the restarted worker computes"


def test_a_worker_restarted_between_rounds_changes_no_bit_of_the_result(rounds: Rounds, expected: Weights) -> None:
    from federation.engine.remote_workers import remote_engine

    host = Host("127.0.0.1", [])
    process, address = host.start()
    started = [process]

    def restart(number: int) -> None:
        if number == 1:
            process.kill()
            process.wait()
            while answers(address, 1.0):
                time.sleep(0.05)
            started.append(host.start(int(address.rpartition(":")[2]))[0])

    try:
        with remote_engine([address]):
            assert_same(rounds.run(2, restart), expected)
    finally:
        for each in started:
            each.kill()
            each.wait()


def test_a_machine_that_stops_answering_changes_no_bit_of_the_result(
    hosts: list[Host], workers: list, rounds: Rounds, expected: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    from federation.engine import connection
    from federation.engine.remote_workers import remote_engine

    if not hosts[0].enter:
        pytest.skip("network namespaces are not allowed here, so there is no cable to pull")
    monkeypatch.setattr(connection, "_PROBE_SECONDS", 0.5)
    cable = [*hosts[0].enter, "ip", "link", "set", "eth0"]
    with remote_engine([address for _, address in workers]):

        def pull() -> None:
            before = busy_seconds(workers[0][0].pid)
            while busy_seconds(workers[0][0].pid) < before + 0.03:
                time.sleep(0.002)
            subprocess.run([*cable, "down"], check=True)

        puller = threading.Thread(target=pull)
        try:
            assert_same(rounds.run(2, lambda number: puller.start() if number == 1 else None), expected)
        finally:
            puller.join()
            subprocess.run([*cable, "up"], check=True)


def test_a_run_on_workers_has_the_result_of_a_run_without_them(
    workers: list, small_model_folder: Path, corpus_file: Path, tmp_path: Path
) -> None:
    from federation.simulation.run import simulate
    from federation.simulation.settings import SimulationSettings

    settings = SimulationSettings(str(corpus_file), str(small_model_folder), clients_per_round=3, seed=5)
    runs = {
        "here": simulate(settings, 2, tmp_path / "here", False),
        "there": simulate(settings, 2, tmp_path / "there", False, workers=[address for _, address in workers]),
    }
    assert runs["there"].after == runs["here"].after
    models = [load_model(run.model) for run in runs.values()]
    assert digest(models[0].weights) == digest(models[1].weights)


def test_the_clients_with_the_most_batches_are_computed_first(
    workers: list, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    from federation.engine import remote_workers
    from federation.engine.work_queue import WorkQueue

    queues = []

    class Recorded(WorkQueue):
        def __post_init__(self) -> None:
            super().__post_init__()
            queues.append((self.sizes, list(self.waiting)))

    monkeypatch.setattr(remote_workers, "WorkQueue", Recorded)
    with remote_workers.remote_engine([address for _, address in workers]):
        rounds.run(1)
    batches = [-(-rows // rounds.config.batch) for rows in (3, 90, 1, 60, 8, 200)]
    assert queues == [(batches, [5, 1, 3, 4, 0, 2])]


def test_a_round_without_any_worker_left_ends_with_a_clear_error(rounds: Rounds) -> None:
    from federation.engine.remote_workers import remote_engine

    process, address = Host("127.0.0.1", []).start()
    with remote_engine([address], patience=1.0):
        process.kill()
        process.wait()
        with pytest.raises(DataError, match=f"no TFF worker is left .{address}"):
            rounds.run(1)


def test_an_address_without_a_worker_is_reported_at_once() -> None:
    from federation.engine.remote_workers import check_reachable

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DataError, match=f"no TFF worker answers at 127.0.0.1:{port}: start one there"):
        check_reachable([f"127.0.0.1:{port}"])


def test_a_worker_listens_on_its_address_only(workers: list, hosts: list[Host]) -> None:
    address = workers[1][1]
    namespace = [*hosts[1].enter, "cat", "/proc/net/tcp", "/proc/net/tcp6"]
    table = subprocess.run(namespace, capture_output=True, text=True, check=True).stdout
    listening = {fields[1] for line in table.splitlines() if len(fields := line.split()) > 3 and fields[3] == "0A"}
    port = f":{int(address.rpartition(':')[2]):04X}"
    host = "".join(f"{byte:02X}" for byte in reversed(socket.inet_aton(hosts[1].address)))
    assert {entry for entry in listening if entry.endswith(port)} == {host + port}
    if hosts[1].enter:
        assert listening == {host + port}


@given(st.lists(st.tuples(st.sampled_from(["here", "a.b", "10.0.0.1", "[::1]"]), st.integers(1, 65535)), max_size=4))
def test_addresses_are_parsed(addresses: list[tuple[str, int]]) -> None:
    import argparse

    written = [f"{host}:{port}" for host, port in addresses]
    if written and len(set(written)) == len(written):
        assert parse_addresses(", ".join(written)) == written
    else:
        with pytest.raises(argparse.ArgumentTypeError):
            parse_addresses(",".join(written))


@pytest.mark.parametrize(
    "workers", ["", "nowhere", "host:", ":1", "host:0", "host:65536", "host:port", "a:1,a:1", "a:1,"]
)
def test_invalid_addresses_are_refused(workers: str, federate: Callable) -> None:
    if workers in ("nowhere", "a:1,a:1"):  # these two go through the command line
        done = federate("simulate", "--rounds", 1, "--out", "x", "--workers", workers)
        assert done.returncode == 2
        assert ("is not an address of the form HOST:PORT" in done.stderr) or ("is named twice" in done.stderr)
        assert len(done.stderr.splitlines()) == 1
    else:
        import argparse

        with pytest.raises(argparse.ArgumentTypeError):
            parse_addresses(workers)


def test_a_port_in_use_is_reported_in_one_line(federate: Callable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = federate("worker", "--port", taken.getsockname()[1])
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1
