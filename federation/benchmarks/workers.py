"""The benchmark of scaling to a second machine: rounds on two TFF workers with one core each, next to rounds on one of them.

Background load changes the speeds, but hardly the processor time. So the ratio is also calculated from that: the round on one
worker takes at least the worker's processor time, and the round on two half of all processor time, if no core has to wait.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import tensorflow_federated as tff

from data.errors import DataError
from federation.aggregation.algorithms import learning_process
from federation.aggregation.server_settings import Server
from federation.benchmarks.loads.cohort import cohorts
from federation.benchmarks.loads.process_resources import descendants, processor_seconds
from federation.benchmarks.measuring import Benchmark, Figure, in_turn, ratio_figure
from federation.benchmarks.simulation import TffRounds, largest_difference, seconds_of
from federation.engine.remote_workers import remote_engine
from federation.engine.worker_binary import end_worker, start_worker
from model.device.folder import load_model
from model.device.learning.finetuning import ROUND_TRAINING

_ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1"}


def measure_workers(folder: Path, corpus: str, clients: int, max_words: int, repeats: int = 5) -> Benchmark:
    """Measures rounds that start from the model in `folder`, over the same cohorts on one worker and on two in turn.

    Raises:
      DataError: this machine has only one core, or no user of the corpus wrote `max_words` words.
    """
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise DataError("this benchmark needs two cores")
    model = load_model(folder)
    drawn = cohorts(model, corpus, clients, max_words, 1 + repeats)
    with ExitStack() as stack:
        started = []
        for _ in cores:
            worker, port = start_worker("127.0.0.1", 0, _ONE_THREAD)
            stack.callback(end_worker, worker)
            started.append((worker, f"127.0.0.1:{port}"))
        addresses = [address for _, address in started]
        contexts = {
            "one": stack.enter_context(remote_engine(addresses[:1])),
            "two": stack.enter_context(remote_engine(addresses)),
        }
        process = learning_process(model.provenance.config, model.weights, ROUND_TRAINING, Server())
        systems = {name: TffRounds(model.provenance.config, process) for name in contexts}
        processes = [worker for worker, _ in started]
        used: dict[str, list[tuple[float, float]]] = {name: [] for name in contexts}  # processor seconds, by round

        def measure(name: str) -> Callable[[], float]:
            left = iter(drawn)

            def once() -> float:
                tff.framework.set_default_context(contexts[name])
                cohort, before = next(left), _processor_seconds(processes)
                speed = cohort.words / seconds_of(systems[name], cohort)
                after = _processor_seconds(processes)
                used[name].append((after[0] - before[0], after[1] - before[1]))
                return speed

            return once

        measures = {name: measure(name) for name in contexts}
        for once in measures.values():
            once()  # warms up: a worker that has only one core when it creates its threads deadlocks
        for worker, core in zip(processes, cores, strict=True):
            pin(worker, core)
        speeds = in_turn(measures, repeats, warm_up=0)
        apart = largest_difference(systems["one"].weights, systems["two"].weights)
    one, two = (used[name][1:] for name in ("one", "two"))  # without the warm-up
    return Benchmark(
        "workers",
        f"TFF workers with one core each, rounds of {len(drawn[0].rows)} clients, {drawn[1].words:,} words",
        [
            Figure("one", "one worker, words per second", "", speeds["one"]),
            Figure("two", "two workers, words per second", "", speeds["two"]),
            ratio_figure("ratio", "ratio of two workers to one", speeds["two"], speeds["one"], "at least 1.8"),
            Figure("processor_workers", "processor time of the two workers in a round", "s", [w for w, _ in two]),
            Figure("processor_here", "processor time of this program in that round", "s", [here for _, here in two]),
            ratio_figure(
                "ratio_calculated",
                "ratio of two to one, calculated from processor time",
                [w for w, _ in one],
                [(w + here) / 2 for w, here in two],
            ),
        ],
        {"clients": clients, "max_words": max_words, "largest_difference_of_a_weight_afterwards": apart},
    )


def pin(process: subprocess.Popen, core: int) -> None:
    """Restricts a process, its descendants and all their threads to one core."""
    for found in _with_descendants(process.pid):
        for thread in Path(f"/proc/{found}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def _processor_seconds(workers: Sequence[subprocess.Popen]) -> tuple[float, float]:
    """Returns the processor time so far of the workers, and that of this process and its other descendants."""
    theirs = {process for worker in workers for process in _with_descendants(worker.pid)}
    ours = _with_descendants(os.getpid()) - theirs
    return sum(map(processor_seconds, theirs)), sum(map(processor_seconds, ours))


def _with_descendants(process: int) -> set[int]:
    return {process} | descendants(process)
