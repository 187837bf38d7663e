"""The three people of `federate demo`, and what their keyboards do: each is a process with a profile of its own."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.corpus import Corpus, users_in
from data.errors import DataError
from data.files import write_by_rename
from data.tokenizer import tokenize
from federation.evaluation.personalization import SimulatedKeyboard
from federation.keyboards import keyboard
from federation.processes import start
from federation.reports.progress import progress_bar
from model.device.folder import Model
from model.device.weights import load_weights

OWNERS = 3
_TYPED_WORDS = 3_000  # words of each person to learn from


@dataclass(frozen=True)
class Owner:
    """A person of the demo and the profile folder of their keyboard."""

    user: str
    typed: list[str]  # messages that the keyboard types and learns from
    next: list[str]  # later messages to measure on
    profile: Path


def choose_owners(corpus: Corpus, out: Path, next_words: int) -> list[Owner]:
    """Returns the first validation users who wrote enough, with their messages split into older and newer ones.

    Args:
      corpus: the corpus.
      out: the demo's folder, which gets the profiles.
      next_words: words of each person to measure on, after those to learn from.

    Raises:
      DataError: the corpus has too few such users.
    """
    owners: list[Owner] = []
    for user in users_in(corpus, "validation"):
        typed: list[str] = []
        following: list[str] = []
        words = 0
        for text in corpus.messages(user):
            (typed if words < _TYPED_WORDS else following).append(" ".join(text.split()))
            words += len(tokenize(text))
            if words >= _TYPED_WORDS + next_words:
                owners.append(Owner(user, typed, following, out / "profiles" / f"keyboard-{len(owners) + 1}"))
                break
        if len(owners) == OWNERS:
            return owners
    raise DataError(f"the corpus has fewer than {OWNERS} validation users with {_TYPED_WORDS + next_words} words")


def type_messages(owners: Sequence[Owner], shipped: Path) -> list[dict[str, Any]]:
    """Types each owner's messages on their keyboard, in parallel processes; returns each keyboard's report.

    Raises:
      DataError: a keyboard failed.
    """
    processes = []
    for owner in owners:
        script = owner.profile.parent / f"{owner.profile.name}.txt"
        write_by_rename(script, "".join(line + "\n" for line in owner.typed).encode())
        command = keyboard("--script", script, "--profile", owner.profile, "--model", shipped, "--json")
        processes.append(start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    with progress_bar("typing", len(owners)) as bar:
        results = []
        for process in processes:
            results.append(json.loads(_finished(process).splitlines()[-1]))
            bar(len(results), "")
        return results


def install(owners: Sequence[Owner], shipped: Path) -> None:
    """Runs each keyboard until it has installed the newest global model and learned on it.

    Raises:
      DataError: a keyboard failed.
    """
    commands = [keyboard("answer", "--profile", owner.profile, "--model", shipped) for owner in owners]
    for process in [start(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]:
        _finished(process)


def personal_keyboard(owner: Owner, global_model: Model, shipped: Path) -> SimulatedKeyboard:
    """Returns the owner's keyboard after learning; the gate may have kept the global network.

    Raises:
      DataError: the keyboard failed.
    """
    options = ("--profile", owner.profile, "--model", shipped)
    status = json.loads(_run("status", *options, "--json"))
    model = global_model
    if status["personal_model"]:
        with tempfile.TemporaryDirectory() as folder:
            opened = Path(folder) / "personal.safetensors"  # the profile's is encrypted: the keyboard has to export it
            _run("data", "model", opened, *options)
            model = model.with_weights(*load_weights(opened, model.vocabulary.sha256))
    return SimulatedKeyboard(model, owner.typed, status["ngram_trust"])


def global_model_of(profile: Path, shipped: Path) -> str:
    """Returns the digest of the global model that a keyboard has installed, or of the shipped one.

    Raises:
      DataError: the keyboard failed.
    """
    return str(json.loads(_run("status", "--profile", profile, "--model", shipped, "--json"))["global_model"])


def suggestions(starts: Sequence[str], model: Path, profile: Path | None = None) -> list[list[str]]:
    """Returns the three suggestions that a keyboard shows after each start of a sentence, best first.

    Args:
      starts: the starts of sentences, without the space that ends them.
      model: the model folder of a keyboard that has adopted no newer model.
      profile: the keyboard's profile; None: that of a person who has not typed yet.

    Raises:
      DataError: the keyboard failed.
    """
    return [line["suggestions"] for line in pressed([f"{text} " for text in starts], model, profile)]


def pressed(lines: Sequence[str], model: Path, profile: Path | None = None) -> list[dict[str, Any]]:
    """Presses the keys of each line in an empty field; returns its `text`, and the `suggestions` then, best first.

    Args:
      lines: the keys.
      model: the model folder of a keyboard that has adopted no newer model.
      profile: the keyboard's profile; None: that of a person who has not typed yet.

    Raises:
      DataError: the keyboard failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keys.txt"
        file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        whose = ("--profile", profile) if profile else ()
        output = _run("keys", file, "--strip", "--model", model, *whose)
    return [json.loads(line) for line in output.splitlines()]


def _run(*arguments: str | Path) -> str:
    command = keyboard(*arguments)
    return _finished(start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))


def _finished(process: subprocess.Popen) -> str:
    """Waits for a keyboard process and returns its output.

    Raises:
      DataError: the process failed.
    """
    output, errors = process.communicate()
    if process.returncode:
        raise DataError(errors.strip().splitlines()[-1] if errors.strip() else "a keyboard process failed")
    return str(output)
