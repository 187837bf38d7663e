"""The comparison with other frameworks: their environment, the pipe to them, and, where they are installed, their results."""

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from data.vocabulary import BOUNDARY, PAD, SPECIALS
from data.windows import pack, targets
from federation.benchmarks.loads.cohort import Cohort
from federation.benchmarks.measuring import SkippedBenchmarkError
from federation.benchmarks.peers.comparison import SYSTEMS, figures, padded, run_rounds
from federation.benchmarks.peers.environment import environment
from federation.benchmarks.peers.peer_process import PeerProcess, peer_process
from federation.benchmarks.peers.training_data import TrainingData
from federation.benchmarks.simulation import largest_difference
from federation.benchmarks.suite import Options, run
from model import cifg
from model.device.folder import Model
from tests.federation.conftest import ROOT

ROWS = np.array([[BOUNDARY, 5, 6, BOUNDARY, PAD], [BOUNDARY, 7, BOUNDARY, 8, BOUNDARY]])
DATA = TrainingData({"bias": np.zeros(3, np.float32)}, [[ROWS, ROWS[:1]], [ROWS[1:]]], 16, 0.5, 1.0, packed=True)


@pytest.fixture(scope="module")
def peers_python() -> Path:
    """Returns the interpreter of the peers' environment in this user's cache, where `--install-peers` makes it."""
    try:
        return environment(None, install=False)
    except SkippedBenchmarkError as why:
        pytest.skip(str(why))


def cohort_of_short_messages(model: Model, seed: int) -> Cohort:
    """Returns clients with different numbers of words; most of their rows hold several messages."""
    rng, config = np.random.default_rng(seed), model.provenance.config
    rows = []
    for messages in (6, 20, 33):
        sizes = rng.integers(1, 4, messages)
        rows.append(
            pack([rng.integers(len(SPECIALS), config.vocabulary, size).tolist() for size in sizes], config.window)
        )
    return Cohort(rows, config)


def wheel(folder: Path, name: str, version: str) -> None:
    """Writes the package of a peer that consists of nothing."""
    folder.mkdir(exist_ok=True)
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{information}/RECORD", "")


@contextmanager
def numpy_peer(data: TrainingData, folder: Path) -> Iterator[PeerProcess]:
    data.save(folder / "data.npz")
    packages = [ROOT / "data", ROOT / "federation", Path(__file__).with_name("numpy_peer.py")]
    python = Path(sys.executable)
    with peer_process(python, "numpy_peer", "NumPy", folder / "data.npz", folder / "files", packages) as process:
        yield process


def test_the_environment_has_the_packages_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels, place = tmp_path / "wheels", tmp_path / "environment"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    wheel(wheels, "tiny_peer", "1.0+cpu")
    with pytest.raises(DataError, match=r"the peers cannot be installed.*tiny_peer==2.0"):
        environment(place, install=True, requirements=["tiny_peer==2.0"])
    with pytest.raises(SkippedBenchmarkError, match=r"tiny_peer==1.0 not installed.*add --install-peers"):
        environment(place, install=False, requirements=["tiny_peer==1.0"])
    python = environment(place, install=True, requirements=["tiny_peer==1.0"])
    listed: list[str | Path] = [python, "-c", "from importlib.metadata import version; print(version('tiny_peer'))"]
    assert subprocess.run(listed, capture_output=True, text=True, check=True).stdout == "1.0+cpu\n"
    wheels.joinpath("tiny_peer-1.0+cpu-py3-none-any.whl").unlink()
    assert environment(place, install=True, requirements=["tiny_peer==1.0"]) == python, "nothing is installed twice"


def test_a_peer_that_is_not_installed_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(tmp_path, 1, 1, "chitchat", 1, 1, 1, tmp_path, False, [10], [600], 1.0)
    with pytest.raises(SkippedBenchmarkError):
        run(("peers",), options)
    assert "pfl==0.6.0, flwr[simulation]==1.42.0" in run(("peers", "peers"), options)["peers"]["left_out"]
    assert "peers is left out: pfl==0.6.0" in capsys.readouterr().err


@given(
    st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=4),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_training_data_survive_their_file(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[list[int]], packed: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rounds = [[rng.integers(0, 9, (size, 5), np.int32) for size in clients] for clients in sizes]
    weights = {"embedding": rng.random((3, 2), np.float32), "output_bias": rng.random(3, np.float32)}
    path = tmp_path_factory.mktemp("data") / "data.npz"
    TrainingData(weights, rounds, 4, 0.25, 2.0, packed).save(path)
    found = TrainingData.load(path)
    assert (found.batch, found.learning_rate, found.clipping_norm, found.packed) == (4, 0.25, 2.0, packed)
    assert list(found.weights) == list(weights)
    assert largest_difference(found.weights, weights) == 0
    assert found.clients == len(sizes[0])
    assert [len(clients) for clients in found.rounds] == [len(clients) for clients in sizes]
    for number, clients in enumerate(rounds):
        for client, rows in enumerate(clients):
            assert np.array_equal(found.rounds[number][client], rows)
            assert found.words(number, client) == targets(rows)


def test_a_peer_runs_a_round_for_each_request(tmp_path: Path) -> None:
    with numpy_peer(DATA, tmp_path) as peer:
        assert peer.round() > 0
        assert peer.round() > 0
        assert list(peer.end()["bias"]) == [7 + 3 + 4] * 3


def test_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    with numpy_peer(replace(DATA, rounds=[[], []]), tmp_path) as peer, pytest.raises(DataError) as failure:
        peer.round()
    assert str(failure.value) == "NumPy failed: a round has no clients"


def test_a_peer_that_is_not_asked_for_all_rounds_ends_with_the_block(tmp_path: Path) -> None:
    with numpy_peer(DATA, tmp_path) as peer:
        peer.round()
        process = peer._process
    assert process.returncode is not None
    deadline = time.monotonic() + 10
    with pytest.raises(ProcessLookupError):  # raised when the peer's child has ended, too
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def test_a_peer_that_cannot_start_says_why(tmp_path: Path) -> None:
    DATA.save(tmp_path / "data.npz")
    with (
        peer_process(
            Path(sys.executable), "data.no_such", "Nothing", tmp_path / "data.npz", tmp_path / "files"
        ) as peer,
        pytest.raises(DataError, match=r"^Nothing failed: ModuleNotFoundError: No module named 'data.no_such'$"),
    ):
        peer.round()


def test_the_table_has_each_systems_seconds_speed_ratio_and_recall() -> None:
    words = [1000, 1200]
    seconds = {name: [number + 1.0, number + 2.0] for number, name in enumerate(SYSTEMS)}
    recall = {name: 0.25 + number / 10_000 for number, name in enumerate(["before", *SYSTEMS])}
    found = {figure.name: figure for figure in figures(words, seconds, recall)}
    assert {"ours", "pfl", "ratio", "recall_before", "recall_ours", "recall_pfl"} <= set(found), "the keys of before"
    assert found["ours"].values == [1000, 600]
    assert found["seconds_ours"].values == [1, 2]
    order = list(SYSTEMS)
    for name in order[2:]:
        place = order.index(name)
        ratio = found["ratio" if name == "pfl" else f"ratio_to_{name}"]
        assert ratio.values == pytest.approx([place + 1, (place + 2) / 2])
        assert found[f"recall_{name}"].values == [recall[name]]
    assert found["ratio_to_flower_packed"].target == "at least 1.3"
    sampled = found["ratio_sampled_to_flower_packed"]
    place = order.index("flower_packed")
    assert sampled.values == pytest.approx([(place + 1) / 2, (place + 2) / 3])
    assert sampled.target == "at least 2.5"
    assert found["recall_range"].median == pytest.approx(9 / 10_000), "another loss may lead elsewhere"


def test_each_framework_has_both_kinds_of_rows() -> None:
    kinds: dict[str, set[bool]] = {}
    for system in SYSTEMS.values():
        kinds.setdefault(system.title.partition(",")[0], set()).add(system.packed)
    del kinds["TFF"]
    assert list(kinds) == ["plain TensorFlow", "plain PyTorch", "pfl", "Flower"]
    assert set(map(frozenset, kinds.values())) == {frozenset({True, False})}


def test_padded_clients_have_the_words_of_packed_ones(small_model: Model) -> None:
    drawn = cohort_of_short_messages(small_model, seed=0)
    other = padded(drawn)
    assert list(map(targets, other.rows)) == list(map(targets, drawn.rows))
    assert sum(len(rows) for rows in other.rows) > 1.5 * sum(len(rows) for rows in drawn.rows)


_LOSSES = """
import json, sys
from pathlib import Path
import torch
sys.path.append(sys.argv[1])
from federation.benchmarks.peers.cifg_in_pytorch import PyTorchCifg
from federation.benchmarks.peers.training_data import TrainingData
data = TrainingData.load(Path(sys.argv[2]))
network = PyTorchCifg(data.weights, data.packed)
print(json.dumps([float(network.loss(torch.from_numpy(rows))) for rows in data.rounds[0]]))
"""


@pytest.mark.parametrize("packed", [True, False])
def test_the_network_in_pytorch_has_the_loss_of_ours(
    peers_python: Path, small_model: Model, tmp_path: Path, packed: bool
) -> None:
    drawn = cohort_of_short_messages(small_model, seed=0)
    cohort = drawn if packed else padded(drawn)
    TrainingData(small_model.weights, [cohort.rows], 4, 0.5, 1.0, packed).save(tmp_path / "data.npz")
    command: list[str | Path] = [peers_python, "-I", "-c", _LOSSES, ROOT, tmp_path / "data.npz"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    weights = {name: tf.constant(array) for name, array in small_model.weights.items()}
    for rows, loss in zip(cohort.rows, found, strict=True):
        hidden, _ = cifg.run(weights, tf.constant(rows[:, :-1]), cifg.zero_state(weights, len(rows)))
        assert loss == pytest.approx(float(cifg.mean_loss(weights, hidden, rows[:, 1:].ravel())), abs=1e-4)


def test_all_systems_end_with_the_weights_of_plain_tensorflow(
    peers_python: Path, small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)  # Ray starts its workers by bash
    model, drawn = small_model, [cohort_of_short_messages(small_model, seed) for seed in range(2)]
    seconds, weights = run_rounds(peers_python, model, drawn)
    assert {name: len(taken) for name, taken in seconds.items()} == dict.fromkeys(SYSTEMS, 1)
    for name, system in SYSTEMS.items():
        plain = weights["tensorflow_packed" if system.packed else "tensorflow_padded"]
        assert largest_difference(plain, model.weights) > 0.01
        assert largest_difference(weights[name], plain) < 1e-4, name
