"""A keyboard driven by a text file, one message per line, that learns after each quarter of the lines."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.peak_memory import peak_memory_mib
from data.tokenizer import tokenize
from keyboard_app.device import Device
from keyboard_app.input.typist import type_message
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.learning.recall import recall
from model.device.metrics import Typing

QUARTERS = 4


@dataclass(frozen=True)
class Report:
    """Measures of a scripted keyboard."""

    words: int  # tokens typed, in the vocabulary or not
    # Per quarter of the lines; each word is ranked before it is learned from. None for a quarter without words.
    recall_at_3: list[float | None]
    ksr: float  # keystroke savings rate
    suggest_ms: dict[str, float]  # time to compute suggestions, in milliseconds: median (p50) and 99th percentile (p99)
    train_words_per_second: float
    peak_memory_mb: float  # peak resident memory in MiB
    kept: list[str | None]  # per quarter, the network that the gate kept: new or old; None with too few words

    def __str__(self) -> str:
        quarters = "  ".join("-" if r is None else f"{r:.1%}" for r in self.recall_at_3)
        return "\n".join(
            [
                f"words typed              {self.words:,}",
                f"recall at 3, by quarter  {quarters}",
                f"keystroke savings rate   {self.ksr:.1%}",
                f"time to suggest          {self.suggest_ms['p50']:.2f} ms (99th percentile {self.suggest_ms['p99']:.2f} ms)",
                f"learning speed           {self.train_words_per_second:,.0f} words/s",
                f"peak memory              {self.peak_memory_mb:.0f} MiB",
                f"networks kept            {'  '.join(k or '-' for k in self.kept)}",
            ]
        )


def read_lines(path: Path) -> list[str]:
    """Reads the messages of a file and skips blank lines.

    Raises:
      DataError: the file cannot be read, is not UTF-8, or holds no message.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").split("\n")]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    if not any(lines):
        raise DataError(f"{path} holds no message: write one message per line")
    return [line for line in lines if line]


def run_script(device: Device, lines: list[str]) -> Report:
    """Types the lines, learns after each quarter of them, and returns the measures.

    Raises:
      DataError: learning failed.
    """
    typing, seconds, recalls = Typing(), [], []
    targets, training_seconds = 0, 0.0
    kept: list[str | None] = []
    for quarter in range(QUARTERS):
        last = max((message.id for message in device.profile.store.messages()), default=0)
        for line in lines[len(lines) * quarter // QUARTERS : len(lines) * (quarter + 1) // QUARTERS]:
            typed, looked = type_message(device.keyboard, line)
            device.catch_up()
            typing += typed
            seconds += looked
        recalls.append(recall([ranks.rank for ranks in device.profile.store.ranks(after=last)]))
        learning = Learning(device.profile, device.models)
        outcome = run(learning)
        sys.stderr.write(f"quarter {quarter + 1} of {QUARTERS}: {outcome}\n")
        kept.append(learning.verdict.kept if learning.verdict else None)
        if learning.trained is not None:
            targets += learning.trained.targets
            training_seconds += learning.trained.seconds
    p50, p99 = np.percentile(np.array(seconds or [0.0]) * 1000, [50, 99])
    return Report(
        words=sum(len(tokenize(line)) for line in lines),
        recall_at_3=[None if r is None else round(r, 4) for r in recalls],
        ksr=round(typing.savings_rate, 4),
        suggest_ms={"p50": round(float(p50), 3), "p99": round(float(p99), 3)},
        train_words_per_second=round(targets / training_seconds, 1) if training_seconds else 0.0,
        peak_memory_mb=round(peak_memory_mib(), 1),
        kept=kept,
    )
