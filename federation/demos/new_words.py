"""`federate demo-words`: eight keyboards find new words together, and a ninth learns words that its owner never wrote.

1. Eight people who share words that the shipped vocabulary lacks (`federation.demos.sharers`) each get a keyboard without a
   window, a process of its own, which joins a coordinator by its own link. They were chosen because they share many words.
2. The coordinator runs a word discovery: two secure sums, from which it reads the words of at least three keyboards and no others.
   An owner would look at them now and strike some out. The demo prints them and confirms all.
3. The model grows by these words. The coordinator takes it over, and its keyboards change to the new vocabulary.
4. The eight keyboards run a few secure rounds, which teach the model when the new words are used.
5. A ninth keyboard joins and installs the model. Its person has recorded messages on it, none with one of these words. Before and
   after, the demo looks at what it suggests where one of the eight wrote a new word, and whether it changes the word.
6. The models are compared on strangers, the validation users who took no part, over all words that they wrote.

The rounds start from the public model, to which they bring the most. Its vocabulary is that of all shipped models.

The coordinator sees only sums. No keyboard's list of words leaves it.
"""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from data.corpus import ChitChat, Corpus, Part
from data.errors import DataError
from data.files import write_by_rename
from federation.coordinator.web.owner.word_controls import save_words
from federation.demos.coordinator_process import CoordinatorProcess, end, join, join_keyboard
from federation.demos.folder import replace_demo_folder
from federation.demos.owners import Owner, global_model_of, type_messages
from federation.demos.people import PEOPLE, Person
from federation.demos.sharers import choose_newcomer, choose_sharers
from federation.demos.word_moments import LETTERS, Answer, WordMoment, answers, examples, figures, moments_of
from federation.demos.word_pages import MEASURES, strangers_lines, words_report
from federation.evaluation.held_out_users import equal_shares
from federation.growing.counts_files import read_words
from federation.growing.grown_model import grow, grown_card, language_of, save_grown
from federation.growing.growth_comparison import growth
from federation.reports.plot_words import plot_demo_words
from model.device.folder import Model, load_model
from model.device.weights import digest

_K = 3
# As in `federate demo-devices`, but with more words of each person, because most new words are rare.
_TRAINING = ("--learning-rate", 1, "--passes", 2, "--max-words", 8_000, "--clip", 4)
_RULES = ("--minimum", 6, "--target", PEOPLE, "--over-selection", 1, "--selection-seconds", 30, "--settle-seconds", 10)
_DEADLINE_SECONDS = 1_800.0  # generous because of background load
_POLL_SECONDS = 0.2
_NEWCOMER_MESSAGES = 60  # that the ninth keyboard has recorded
_STRANGERS_WORDS = 8_000
_EXAMPLES = 8
_NAMED = 40  # words that are printed

_console = Console(stderr=True)


def demo_words(shipped: Path, out: Path, rounds: int, corpus: Corpus | None = None) -> dict[str, Any]:
    """Runs the demo in the folder `out`, which it replaces, and leaves a report there.

    Args:
      shipped: the model folder to start from.
      out: the demo's folder.
      rounds: the number of rounds after the vocabulary has grown.
      corpus: its validation users are the people; None: ChitChat.

    Returns:
      The found `words` with their `devices`; what the ninth keyboard did `before` and `after`, by
      `federation.demos.word_moments.figures`; `examples`; the models on `strangers`, by
      `federation.growing.growth_comparison.growth`; and the coordinator's figures of each round.

    Raises:
      DataError: `out` holds something else, the corpus has no such people, or the coordinator or a keyboard failed.
    """
    began = time.monotonic()
    first, validation = load_model(shipped), Part(corpus or ChitChat(), "validation")
    replace_demo_folder(out, "demo-words")
    people = choose_sharers(validation, first.vocabulary, _K)
    _say(
        f"{PEOPLE} people, validation users, were chosen because they share many words that the vocabulary lacks. Each gets a "
        "keyboard."
    )
    coordinator = CoordinatorProcess(out, shipped, (*_RULES, *_TRAINING))
    keyboards: list[subprocess.Popen] = []
    try:
        coordinator.wait_until_serving()
        keyboards += join(out, shipped, people, coordinator)
        coordinator.wait_until_ready()
        _say(f"A word discovery begins. Watch it at {coordinator.dashboard}")
        found = coordinator.discover(_K)
        _print_words(found)
        save_words(out / "words.json", found)
        _grow(first, out)
        coordinator.take_over(out / "grown")
        newcomer, moments, before = _meet_newcomer(out, shipped, people, validation, found)
        coordinator.wait_until_ready()
        _say(f"The coordinator has taken the grown model over. {rounds} rounds begin.")
        coordinator.schedule(rounds)
        committed = _watch(coordinator, rounds)
        newest = load_model(coordinator.newest_model)
        keyboards.append(join_keyboard(shipped, newcomer.profile, coordinator))
        _wait_for_model(newcomer.profile, shipped, newest, keyboards[-1], coordinator)
    finally:
        end([*keyboards, coordinator.process])
    after = answers(moments, newcomer.profile, shipped)
    but = {newcomer.user, *(person.user for person in people)}
    strangers = equal_shares(validation, [user for user in validation.users() if user not in but], _STRANGERS_WORDS)
    result = {
        "words": found["words"],
        "k": found["k"],
        "devices": found["devices"],
        "before": figures(moments, before),
        "after": figures(moments, after),
        "examples": examples(moments, before, after, _EXAMPLES),
        "strangers": growth(
            {"shipped": first, "grown": load_model(out / "grown"), "after the rounds": newest}, strangers
        ),
        "rounds": committed,
        "seconds": round(time.monotonic() - began, 1),
        "report": str(out / "report.html"),
    }
    _print_tables(result)
    plot_demo_words(result, out / "words.png")
    write_by_rename(out / "report.html", words_report(result).encode())
    _say(f"Report: {out / 'report.html'}")
    return result


def _print_words(found: dict[str, Any]) -> None:
    words = found["words"]
    named = ", ".join(f"{w['word']} {w['devices']}" for w in words[:_NAMED]) + (", …" if len(words) > _NAMED else "")
    _say(f"{len(words):,} new words of at least {found['k']} of {found['devices']} keyboards: {named}")
    _say(
        "Their owner confirms all of them: here by itself, otherwise with `federate discover`, which can strike words out."
    )


def _grow(first: Model, out: Path) -> None:
    """Writes the model that the confirmed words have joined.

    Raises:
      DataError: no word can join.
    """
    found = read_words(out / "words.json")
    grown = grow(first, found, language_of(first))
    words = grown.chosen.words
    card = grown_card(first, grown.model, words, found.devices, "`words.json`", "uv run federate demo-words")
    save_grown(out / "grown", replace(grown.model, card=card))
    left = sum(map(len, grown.chosen.left_out.values()))
    _say(
        f"The model grows by {len(words):,} words{f'; {left:,} are left out as typos or for other reasons' if left else ''}."
    )


def _meet_newcomer(
    out: Path, shipped: Path, people: Sequence[Person], validation: Part, found: dict[str, Any]
) -> tuple[Owner, list[WordMoment], list[Answer]]:
    """Lets a ninth keyboard record its person's messages, and asks it what it does at the moments of the new words.

    Raises:
      DataError: the corpus has no such person, or the keyboard failed.
    """
    words = [word["word"] for word in found["words"]]
    person = choose_newcomer(validation, words)
    typed = [line for text in person.typed if (line := " ".join(text.split()))][:_NEWCOMER_MESSAGES]
    newcomer = Owner(person.user, typed, [], out / "keyboard-9")
    _say(f"A ninth person, who never wrote one of these words, types {len(typed)} messages on their keyboard.")
    type_messages([newcomer], shipped)
    moments = moments_of(people, words)
    return newcomer, moments, answers(moments, newcomer.profile, shipped)


def _watch(coordinator: CoordinatorProcess, rounds: int) -> list[dict[str, Any]]:
    """Prints each round when it ends; returns the committed rounds.

    Raises:
      DataError: the coordinator ended or the rounds take too long.
    """
    printed, deadline = 0, time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        coordinator.check()
        ended = [r for r in coordinator.view()["rounds"] if r["state"] in ("committed", "aborted")]
        for row in ended[printed:]:
            _say(_line(row))
        printed = len(ended)
        committed = [row for row in ended if row["state"] == "committed"]
        if len(committed) >= rounds:
            return committed
        time.sleep(_POLL_SECONDS)
    raise DataError(f"the rounds were not done within {_DEADLINE_SECONDS:g} s")


def _line(row: dict[str, Any]) -> str:
    if row["state"] == "aborted":
        return f"A round was aborted: {row['reason']}"
    return f"{row['counted']} keyboards trained a new model on {row['words']:,} words."


def _wait_for_model(
    profile: Path, shipped: Path, newest: Model, keyboard: subprocess.Popen, coordinator: CoordinatorProcess
) -> None:
    """Waits until a keyboard has installed a model.

    Raises:
      DataError: the keyboard or the coordinator ended, or it takes too long.
    """
    deadline, wanted = time.monotonic() + _DEADLINE_SECONDS, digest(newest.weights)
    while time.monotonic() < deadline:
        coordinator.check()
        if keyboard.poll() is not None:
            raise DataError(f"the ninth keyboard ended: see {profile.parent / 'keyboard-9.log'}")
        if global_model_of(profile, shipped) == wanted:
            _say("The ninth keyboard has joined and installed the new model.")
            return
        time.sleep(_POLL_SECONDS)
    raise DataError(f"the ninth keyboard did not install the new model within {_DEADLINE_SECONDS:g} s")


def _print_tables(result: dict[str, Any]) -> None:
    before, after = result["before"], result["after"]
    of = f"of {after['moments']} moments at which one of the eight wrote a new word"
    table = Table(title=f"The ninth keyboard, {of}", title_justify="left")
    for name in ("", "before", "after"):
        table.add_column(name, justify="right" if name else "left")
    for key, name in MEASURES.items():
        table.add_row(
            name, *(f"{side[key]} of {side['words' if 'words' in key else 'moments']}" for side in (before, after))
        )
    _console.print(table)
    shown = Table(title="Some of these moments", title_justify="left", show_lines=True)
    for name in ("one of the eight wrote", "the ninth keyboard, before", "after"):
        shown.add_column(name)
    for row in result["examples"]:
        shown.add_row(f"{row['context']} {row['word']}", *(_shown(row, side) for side in ("before", "after")))
    _console.print(shown)
    strangers = result["strangers"]
    people = Table(
        title=f"{strangers['people']} strangers, {strangers['words']:,} words",
        title_justify="left",
    )
    for name in ("model", "words in the vocabulary", "recall at 1", "recall at 3"):
        people.add_column(name, justify="right" if name != "model" else "left")
    for name, row in strangers["models"].items():
        people.add_row(name, *(f"{row[key]:.2%}" for key in ("coverage", "top1", "top3")))
    _console.print(people)
    for line in strangers_lines(strangers):
        _say(line)
    _say(f"The demo took {result['seconds']:.0f} s.")


def _shown(row: dict[str, Any], side: str) -> str:
    answer, word = row[side], row["word"]
    following, letters = (", ".join(answer[key]) or "nothing" for key in ("next", "letters"))
    end = "kept" if answer["became"].lower() == word else f"becomes {answer['became']}"
    typo = f"typo {row['typo']}: becomes {answer['mended']}"
    return f"suggests {following}\nafter “{word[:LETTERS]}”: {letters}\n{word}: {end}; {typo}"


def _say(line: str) -> None:
    _console.print(line, soft_wrap=True, highlight=False, markup=False)
