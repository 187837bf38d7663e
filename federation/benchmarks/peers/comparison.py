"""The benchmark of our rounds next to the same rounds in other frameworks, in one run and in turn.

All have the same people's words, weights, network, loss and settings, but for one of ours, which takes the sampled softmax
(`model.device.sampling`) as the loss. *Packed* rows concatenate messages, as ours do. *Padded*
rows hold one message each, as is usual elsewhere. So the speed counts useful words: targets that are not padding, which are the
same. The other frameworks run in processes and an environment of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from data.corpus import Part, open_corpus
from data.windows import targets
from federation.aggregation.algorithms import learning_process
from federation.aggregation.server_settings import Server
from federation.benchmarks.loads.cohort import Cohort, cohorts
from federation.benchmarks.loads.learning_in_tensorflow import one_message_a_row
from federation.benchmarks.measuring import Benchmark, Figure, in_turn, ratio_figure
from federation.benchmarks.peers.environment import REQUIREMENTS, environment
from federation.benchmarks.peers.peer_process import peer_process
from federation.benchmarks.peers.training_data import TrainingData
from federation.benchmarks.simulation import PlainLoop, TffRounds, largest_difference, next_seconds, words_per_second
from federation.engine.local import engine
from federation.simulation.start import checked_messages
from model.device.folder import Model, load_model
from model.device.learning.finetuning import ROUND_TRAINING
from model.device.metrics import Scores, evaluate
from model.device.sampling import SAMPLED
from model.device.weights import Weights

OURS, OURS_SAMPLED = "ours", "ours_sampled"


@dataclass(frozen=True)
class System:
    """One of the systems that are compared."""

    title: str
    packed: bool
    module: str = ""  # in this folder, run by the peers' environment; empty for the systems of this process
    target: str = ""  # of the ratio of our speed to this system's


# The keys are those of the JSON.
SYSTEMS = {
    OURS: System("TFF, packed rows", True),
    OURS_SAMPLED: System("TFF, packed rows, sampled softmax", True),
    "tensorflow_padded": System("plain TensorFlow, padded rows", False),
    "tensorflow_packed": System("plain TensorFlow, packed rows", True),
    "pytorch_padded": System("plain PyTorch, padded rows", False, "pytorch_training"),
    "pytorch_packed": System("plain PyTorch, packed rows", True, "pytorch_training"),
    "pfl": System("pfl, padded rows", False, "pfl_training", "at least 1.5"),
    "pfl_packed": System("pfl, packed rows", True, "pfl_training"),
    "flower_padded": System("Flower, padded rows", False, "flower_training"),
    "flower_packed": System("Flower, packed rows", True, "flower_training", "at least 1.3"),
}
_LARGEST_RANGE = 0.001  # of recall: about its standard error over 200,000 words of validation users


def measure_peers(
    folder: Path, corpus: str, clients: int, max_words: int, rounds: int, peers: Path | None, install: bool
) -> Benchmark:
    """Measures `rounds` rounds of each system after a warm-up round, from the model in `folder`, and recall on validation users.

    Raises:
      SkippedBenchmarkError: a peer is not installed, and `install` is false.
      DataError: a peer failed, or no user of the corpus wrote `max_words` words.
    """
    python = environment(peers, install)
    model = load_model(folder)
    drawn = cohorts(model, corpus, clients, max_words, 1 + rounds)
    seconds, weights = run_rounds(python, model, drawn)
    words = [cohort.words for cohort in drawn[1:]]
    held_out = checked_messages(Part(open_corpus(corpus), "validation"), model.vocabulary)
    scores = {name: _scores(model, found, held_out) for name, found in ({"before": model.weights} | weights).items()}
    return Benchmark(
        "peers",
        f"The same rounds in {len(SYSTEMS)} systems: {rounds} rounds of {len(drawn[0].rows)} clients, {words[0]:,} words",
        figures(words, seconds, {name: found.top1 for name, found in scores.items()}),
        {
            "clients": clients,
            "max_words": max_words,
            "peer": list(REQUIREMENTS),
            "perplexity": {name: found.perplexity for name, found in scores.items()},
            "padding": {
                "packed": _padding([rows for cohort in drawn for rows in cohort.rows]),
                "padded": _padding([rows for cohort in map(padded, drawn) for rows in cohort.rows]),
            },
            "largest_difference_of_a_weight_from_plain_tensorflow": {
                name: largest_difference(weights[name], weights[f"tensorflow_{_kind(system)}"])
                for name, system in SYSTEMS.items()
                if name != OURS_SAMPLED
            },
        },
    )


def run_rounds(
    python: Path, model: Model, drawn: Sequence[Cohort]
) -> tuple[dict[str, list[float]], dict[str, Weights]]:
    """Runs a round for each cohort in each system, in turn.

    Args:
      python: the interpreter of the peers' environment.
      model: the start of all systems.
      drawn: cohorts of packed rows; the first round is a warm-up.

    Returns:
      The seconds of each system's rounds after the warm-up, and the weights with which each system ends.

    Raises:
      DataError: a peer failed.
    """
    config, how = model.provenance.config, ROUND_TRAINING
    by_kind = {"packed": list(drawn), "padded": [padded(cohort) for cohort in drawn]}
    with ExitStack() as opened:
        temporary = Path(opened.enter_context(TemporaryDirectory(prefix="peers-")))
        for kind, chosen in by_kind.items():
            rounds, batch = [cohort.rows for cohort in chosen], config.batch
            TrainingData(
                model.weights, rounds, batch, how.learning_rate, how.clipping_norm, packed=kind == "packed"
            ).save(temporary / f"{kind}.npz")
        processes = {}
        for name, system in SYSTEMS.items():
            if system.module:
                module, data = f"{__package__}.{system.module}", temporary / f"{_kind(system)}.npz"
                processes[name] = opened.enter_context(
                    peer_process(python, module, system.title, data, temporary / name)
                )
        opened.enter_context(engine())
        local: dict[str, PlainLoop | TffRounds] = {
            **{
                name: TffRounds(config, learning_process(config, model.weights, training, Server()), training.softmax)
                for name, training in ((OURS, how), (OURS_SAMPLED, replace(how, softmax=SAMPLED)))
            },
            "tensorflow_padded": PlainLoop(config, model.weights, how),
            "tensorflow_packed": PlainLoop(config, model.weights, how),
        }

        def measure(name: str) -> Callable[[], float]:
            if name in processes:
                return processes[name].round
            return partial(next_seconds, local[name], iter(by_kind[_kind(SYSTEMS[name])]))

        seconds = in_turn({name: measure(name) for name in SYSTEMS}, len(drawn) - 1)
        weights = {name: system.weights for name, system in local.items()}
        weights |= {name: process.end() for name, process in processes.items()}
    return seconds, weights


def figures(words: Sequence[int], seconds: Mapping[str, Sequence[float]], recall: Mapping[str, float]) -> list[Figure]:
    """Returns the lines of the table.

    Args:
      words: useful words of each round.
      seconds: for each of `SYSTEMS`, those of each round.
      recall: at 1, `before` the rounds and after those of each system.
    """
    speeds = {name: words_per_second(words, taken) for name, taken in seconds.items()}
    after = [recall[name] for name in SYSTEMS if name != OURS_SAMPLED]  # of those that compute the same
    found = [Figure(name, f"{s.title}: useful words per second", "", speeds[name]) for name, s in SYSTEMS.items()]
    found += [Figure(f"seconds_{name}", f"{s.title}: a round", "s", seconds[name]) for name, s in SYSTEMS.items()]
    for name, system in SYSTEMS.items():
        if name not in (OURS, OURS_SAMPLED):
            key = "ratio" if name == "pfl" else f"ratio_to_{name}"  # the first was the only one once
            title = f"ratio of TFF's speed to {system.title}"
            found.append(ratio_figure(key, title, speeds[OURS], speeds[name], system.target))
    title = f"ratio of TFF's speed with the sampled softmax to {SYSTEMS['flower_packed'].title}"
    pair = speeds[OURS_SAMPLED], speeds["flower_packed"]
    found.append(ratio_figure("ratio_sampled_to_flower_packed", title, *pair, "at least 2.5"))
    found.append(Figure("recall_before", "recall at 1 on validation users before the rounds", "", [recall["before"]]))
    found += [
        Figure(f"recall_{name}", f"{s.title}: recall at 1 afterwards", "", [recall[name]])
        for name, s in SYSTEMS.items()
    ]
    aim = f"at most {_LARGEST_RANGE:g}"
    return [
        *found,
        Figure(
            "recall_range",
            "difference of the highest and the lowest with the full softmax",
            "",
            [max(after) - min(after)],
            aim,
        ),
    ]


def padded(cohort: Cohort) -> Cohort:
    """Returns the clients of a cohort with rows of one message each, in the same order."""
    return replace(cohort, rows=[one_message_a_row(rows).astype(np.int32) for rows in cohort.rows])


def _kind(system: System) -> str:
    return "packed" if system.packed else "padded"


def _scores(model: Model, weights: Weights, held_out: list[list[int]]) -> Scores:
    program = model.start(threads=2)
    program.weights = weights
    return evaluate(program, held_out)


def _padding(arrays: list[np.ndarray]) -> float:
    """Returns the share of padding among the targets."""
    return 1 - sum(map(targets, arrays)) / sum(rows[:, 1:].size for rows in arrays)
