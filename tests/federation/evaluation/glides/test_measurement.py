"""The figures of glide typing: what counts, by the command and by its parts."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from federation.evaluation.glides.glide_lines import RecordedGlide
from federation.evaluation.glides.measurement import hand_glides, measure_glides, noisy_glides, words_in_context
from federation.evaluation.glides.noisy_traces import GEOMETRY, noisy_trace
from federation.evaluation.glides.synthetic_hands import SyntheticHand
from federation.evaluation.glides.synthetic_kinds import FITTED, HELD_OUT
from model.device.folder import Model
from model.device.gliding.geometry import KeyGeometry
from model.device.gliding.gesture import Gesture

WORDS = ("the", "that", "climbing", "clothes", "don't", "snacks")


def clean(word: str) -> RecordedGlide:
    return RecordedGlide(word, None, noisy_trace(word, np.random.default_rng(0), 0.01), GEOMETRY)


def test_what_counts(small_model: Model) -> None:
    wrong = replace(clean("snacks"), gesture=clean("the").gesture)
    unknown, short = clean("zebra"), replace(clean("in"), word="i")
    glides = [*map(clean, WORDS), wrong, unknown, short]
    scores = measure_glides(small_model, glides).summary
    assert (scores["gestures"], scores["words"]) == (9, 7)
    assert scores["top1"] == pytest.approx(6 / 7)
    assert scores["top4"] == pytest.approx(6 / 7)
    assert scores["top1_all_words"] == pytest.approx(6 / 9)
    assert 0 < scores["ms_p50"] <= scores["ms_p99"]
    assert 0 < scores["decoder_mebibytes"] < 12


def test_a_context_changes_the_prior(small_model: Model) -> None:
    rng = np.random.default_rng(2)
    spread = [replace(clean(word), gesture=noisy_trace(word, rng, 2.5)) for word in WORDS * 12]  # hardly readable
    alone = measure_glides(small_model, spread)
    after = measure_glides(small_model, [replace(glide, context="i don't think") for glide in spread])
    assert alone.eligible == after.eligible == 72
    assert (alone.first, alone.among_four) != (after.first, after.among_four)


def test_no_word_of_the_vocabulary(small_model: Model) -> None:
    with pytest.raises(DataError, match="no word of these gestures"):
        _ = measure_glides(small_model, [clean("zebra")]).summary


class Corpus:
    def users(self) -> list[str]:
        return ["a", "b"]

    def messages(self, user: str) -> Iterator[str]:
        yield from ["I can't, café 5 go!", "me"] if user == "a" else ["zebra"]


def test_words_in_context() -> None:
    assert words_in_context(Corpus(), ["a", "b"], GEOMETRY, 9) == [
        *(("can't", "I "), ("go", "I can't, café 5 "), ("me", ""), ("zebra", ""))
    ]
    assert len(words_in_context(Corpus(), ["a", "b"], GEOMETRY, 2)) == 2
    with pytest.raises(DataError, match="no word that the keys"):
        words_in_context(Corpus(), ["a"], KeyGeometry({"ж": (0, 0, 1, 1)}), 9)


def test_simple_synthetic_gestures_follow_the_keys() -> None:
    gesture = noisy_trace("all", np.random.default_rng(0), 0.0)
    a, end = (np.array([GEOMETRY.boxes[c][0] + 0.5, GEOMETRY.boxes[c][1] + 0.675]) for c in "al")
    assert np.abs(gesture.points[0] - a).max() < 0.15
    assert np.abs(gesture.points[-1] - end).max() < 0.15
    steps = np.hypot(*np.diff(gesture.points, axis=0).T)
    assert steps.argmax() in range(3, 9), "fastest in the middle"
    one = noisy_trace("mm", np.random.default_rng(0), 0.0)
    assert np.ptp(one.points, axis=0).max() < 0.3


@pytest.mark.parametrize("kind", [*FITTED, *HELD_OUT])
def test_synthetic_hands_glide_any_word_and_their_words_are_mostly_found(kind: str, small_model: Model) -> None:
    words = [(word, "") for word in (*WORDS, "hall", "so", "mm", "it") * 4]
    kinds = FITTED | HELD_OUT
    glides = list(hand_glides(words, kinds[kind], seed=3))
    for glide in glides:
        assert len(glide.gesture) > 0
        assert np.isfinite(glide.gesture.points).all()
        assert (np.diff(glide.gesture.times) >= 0).all()
    again = list(hand_glides(words, kinds[kind], seed=3))
    assert np.array_equal(glides[-1].gesture.points, again[-1].gesture.points), "the seed decides"
    scores = measure_glides(small_model, glides)
    assert scores.first > 0.6 * scores.eligible


def test_a_hand_keeps_its_habits() -> None:
    rng = np.random.default_rng(0)
    hand = SyntheticHand.of(replace(FITTED["thumb"], offset=(0.5, 0.5), scatter=(0.05, 0.05), mistakes=(0, 0)), rng)
    starts = np.array([hand.trace("to", GEOMETRY, rng).points[0] for _ in range(20)])
    assert np.ptp(starts, axis=0).max() < 1.5, "touches of one person lie together"


def test_noisier_gestures_are_harder(small_model: Model) -> None:
    words = [(word, "i think") for word in WORDS * 8]
    shares = [measure_glides(small_model, noisy_glides(words, noise)).summary["top1"] for noise in (0.1, 1.5)]
    assert shares[0] > 0.95 > shares[1]


def test_the_command(small_model_folder: Path, corpus_file: Path, tmp_path: Path, federate: Callable) -> None:
    path, keys = tmp_path / "glides.jsonl", {key: list(box) for key, box in GEOMETRY.boxes.items()}
    with path.open("w") as file:
        for word in (*WORDS, "zebra"):
            gesture: Gesture = clean(word).gesture
            (x, y), t = gesture.points.T.tolist(), gesture.times.tolist()
            line = {"word": word, "context": "i think", "curve": {"x": x, "y": y, "t": t}, "grid": {"keys": keys}}
            file.write(json.dumps(line) + "\n")
    common = ["evaluate", "--model", small_model_folder, "--json"]
    done = federate(*common, "--glides", path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == {
        *("gestures", "words", "top1", "top4", "top1_all_words", "ms_p50", "ms_p99", "decoder_mebibytes")
    }
    assert (result["gestures"], result["words"], result["top1"]) == (7, 6, 1)
    assert "among the first four" in done.stderr, "the table is in words"
    done = federate(*common, "--synthetic", "0.2", "--corpus", corpus_file, "--max-words", "40")
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["gestures"] == 40
    assert result["top1"] > 0.7
    done = federate(*common, "--synthetic", "0.2", "--glides", path)
    assert (done.returncode, "choose one of" in done.stderr) == (2, True)
    for other in ("--slips", "--missed-keys"):
        done = federate(*common, "--synthetic", "0.2", other)
        assert (done.returncode, f"leave out {other}" in done.stderr) == (2, True)
    path.write_text("{}\n")
    done = federate(*common, "--glides", path)
    assert (done.returncode, "glides.jsonl, line 1: " in done.stderr, done.stderr.count("\n")) == (1, True, 1)
