"""Measurement of each person's gain from learning on the device: before and after, part by part, and while the person types.

`learn` learns as a keyboard does: it learns a network from the older messages, decides by the newest messages whether to keep it
(`model.device.learning.personal_network`), and counts the n-grams of all messages (`model.device.suggesting.personal`).

Nothing is learned from the newer messages that are measured on. Beside these figures stands a prequential one, of a keyboard that
counts the n-grams of each message once it is measured, as it does in use.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from data.corpus import Corpus
from data.errors import DataError
from data.generators import result_of
from data.tokenizer import tokenize
from federation.evaluation.significance import Interval, pooled_interval, sign_test
from federation.processes import map_in_processes
from federation.reports.progress import progress_bar
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning
from model.device.learning.gate import Verdict, held_back_from
from model.device.learning.personal_network import LearnedNetwork, learn_network
from model.device.metrics import Scores, Typing, tally, type_by_words_and_phrases, type_messages
from model.device.runtime import Program
from model.device.sampling import FULL
from model.device.suggesting.personal import USUAL_TRUST, PersonalNgram
from model.device.suggesting.prediction import Predictor
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.weights import Weights

CURVE_WORDS = (50, 100, 200, 500, 1_000, 2_000, 5_000)
CURVE_NEXT = 500  # words to measure on, after those of the curve
_SIGNIFICANT = 0.05  # p-value
_FIRST_LEARNING = 500  # words typed before a keyboard first learns; it learns again whenever their number has doubled


@dataclass(frozen=True)
class Measurement:
    """One model's scores on messages."""

    scores: Scores
    hits: np.ndarray  # bool [N], for each word of the vocabulary in order: whether it was the first guess


@dataclass(frozen=True)
class LearningOutcome:
    """The result of a keyboard's learning: the fine-tuned network, the gate's choice, and the trust in the n-grams."""

    new: Weights | None  # the personal weights; None if there was too little to train on
    adapted: Weights | None  # the weights with adapted bias, before fine-tuning; None likewise
    kept: Weights | None  # the weights that the gate chose; None means the global ones
    trust: float  # trust in the n-grams
    verdict: Verdict | None  # verdict of the gate; None if there was too little to train on
    move: float  # how far the network moved towards the fine-tuned one, 0 to 1
    targets: int  # words trained on, counted in each pass
    seconds: float  # training time


@dataclass(frozen=True)
class Personalization:
    """One person's measurements on newer messages, before and after learning from older ones."""

    user: str
    words: int  # words learned from
    before: Measurement
    after: Measurement
    verdict: Verdict | None  # verdict of the gate; None if there was too little to train on
    targets: int  # words trained on, counted in each pass
    seconds: float  # training time
    trust: float  # trust in the n-grams
    typed_before: Typing
    typed_after: Typing
    prequential: Measurement  # after learning, and counting the n-grams of each message once it was measured
    move: float  # how far the network moved towards the fine-tuned one, 0 to 1
    parts: dict[str, Measurement] = field(default_factory=dict)  # by name: with only one part of learning

    @property
    def relative_gain(self) -> float:
        """Recall at 1 after learning over recall at 1 before, minus one; undefined if the latter is zero."""
        return relative_gain(self.before, self.after)

    @property
    def kept_old(self) -> bool:
        """Whether the gate kept the global network."""
        return self.verdict is None or not self.verdict.keeps_new

    @property
    def change(self) -> int:
        """1 or -1 if learning changed recall at 1 statistically significantly (McNemar's test at 5%), else 0."""
        better = int(np.count_nonzero(self.after.hits & ~self.before.hits))
        worse = int(np.count_nonzero(self.before.hits & ~self.after.hits))
        if sign_test(better, worse) >= _SIGNIFICANT:
            return 0
        return 1 if better > worse else -1


def relative_gain(before: Measurement, after: Measurement) -> float:
    """Returns recall at 1 after over recall at 1 before, minus one."""
    return after.scores.top1 / before.scores.top1 - 1


def mean_gain_interval(gains: Sequence[float]) -> Interval | None:
    """Returns the 95% interval of the mean gain, by the bootstrap over people."""
    return pooled_interval(np.array(gains), np.ones(len(gains)))


def learn(
    model: Model, program: Program, messages: Sequence[str], how: FineTuning, seed: int, in_use: Weights | None = None
) -> LearningOutcome:
    """Learns from messages as a keyboard does; `in_use` is the network it has used so far, by default the global one."""
    learned = _learn(model, program, messages, how, seed, in_use)
    if learned is None:
        return LearningOutcome(None, None, in_use, USUAL_TRUST, None, 0.0, 0, 0.0)
    new, verdict, run = learned.weights, learned.verdict, learned.run
    kept = new if verdict.keeps_new else in_use
    return LearningOutcome(new, learned.adapted, kept, learned.trust, verdict, learned.move, run.targets, run.seconds)


def _learn(
    model: Model,
    program: Program,
    messages: Sequence[str],
    how: FineTuning,
    seed: int,
    in_use: Weights | None = None,
) -> LearnedNetwork | None:
    border = held_back_from([len(model.vocabulary.encode(text)) for text in messages])
    program.weights = model.weights
    before, phrases = in_use or model.weights, model.phrases
    return result_of(learn_network(program, model.vocabulary, messages, border, before, how, seed, phrases=phrases))


def measure(predictor: Predictor, messages: Sequence[str], vocabulary: int) -> Measurement:
    """Scores messages over a vocabulary of `vocabulary` words with a predictor, which learns nothing from them."""
    predictions = [p for text in messages for p in predictor.predictions([token.word for token in tokenize(text)])]
    hits = [p.rank == 0 for p in predictions if p.rank is not None and p.word < vocabulary]
    return Measurement(tally(predictions, vocabulary), np.array(hits, bool))


def _measure_and_count(
    program: Program, model: Model, older: Sequence[str], trust: float, newer: Sequence[str]
) -> Measurement:
    """Scores messages with the program's network and the n-grams, which count each message after it was scored."""
    ngram = PersonalNgram(model.vocabulary, older, trust=trust)
    reader, scores = Reader(program, phrases=model.phrases), Scores()
    hits: list[NDArray[np.bool_]] = []
    predictor = Predictor(reader, model.vocabulary, ngram)
    for text in newer:
        found = measure(predictor, [text], len(model.vocabulary))
        scores += found.scores
        hits.append(found.hits)
        ngram.learn(text)
    return Measurement(scores, np.concatenate(hits) if hits else np.zeros(0, bool))


@dataclass(frozen=True)
class SimulatedKeyboard:
    """A keyboard's model, and the messages whose n-grams it has counted."""

    model: Model
    typed: Sequence[str] = ()
    trust: float = USUAL_TRUST  # trust in the n-grams


def measure_keyboards(
    work: Sequence[tuple[SimulatedKeyboard, Sequence[str]]], typed_words: int
) -> list[tuple[list[Scores], Typing]]:
    """Measures keyboards, which learn nothing from the messages.

    Args:
      work: keyboards, each with its messages.
      typed_words: number of words, in the first messages, for which keystrokes are counted, which takes longer.

    Returns:
      For each keyboard the scores of each message, and the keystrokes of the first messages.
    """
    with progress_bar("evaluating", len(work)) as bar:
        return map_in_processes(partial(_measure_keyboard, typed_words), work, bar)


def _measure_keyboard(typed_words: int, work: tuple[SimulatedKeyboard, Sequence[str]]) -> tuple[list[Scores], Typing]:
    keyboard, following = work
    model, program = keyboard.model, keyboard.model.start()
    personal = PersonalNgram(model.vocabulary, keyboard.typed, trust=keyboard.trust)
    predictor = Predictor(Reader(program, phrases=model.phrases), model.vocabulary, personal)
    scores = [measure(predictor, [text], len(model.vocabulary)).scores for text in following]
    words = np.cumsum([len(tokenize(text)) for text in following])
    typed = following[: int(np.searchsorted(words, typed_words)) + 1]
    return scores, type_messages(typed, program, model.vocabulary, personal, model.phrases)


def personalize_users(
    model: Model, corpus: Corpus, users: Sequence[str], how: FineTuning, seed: int = 0, ablation: bool = False
) -> list[Personalization]:
    """Learns from the first 80% of each user's messages and measures on the rest; with `ablation`, fills `parts` too."""
    with progress_bar("personalizing", len(users)) as bar:
        one = partial(_personalize, model, how, seed, ablation)
        return map_in_processes(one, [(user, *_split(list(corpus.messages(user)))) for user in users], bar)


def _split(messages: list[str]) -> tuple[list[str], list[str]]:
    cut = int(0.8 * len(messages))
    return messages[:cut], messages[cut:]


def _personalize(
    model: Model, how: FineTuning, seed: int, ablation: bool, work: tuple[str, list[str], list[str]]
) -> Personalization:
    user, older, newer = work
    program, vocabulary = model.start(), model.vocabulary

    def measured(weights: Weights | None, ngram: PersonalNgram | None) -> Measurement:
        program.weights = weights or model.weights
        reader = Reader(program, phrases=model.phrases)
        return measure(Predictor(reader, vocabulary, ngram), newer, len(vocabulary))

    before, typed_before = measured(None, None), type_messages(newer, program, vocabulary, phrases=model.phrases)
    learned = learn(model, program, older, how, seed)
    personal = PersonalNgram(vocabulary, older, trust=learned.trust)
    after = measured(learned.kept, personal)
    typed_after = type_messages(newer, program, vocabulary, personal, model.phrases)
    prequential = _measure_and_count(program, model, older, learned.trust, newer)
    parts = {}
    if ablation:
        parts = {
            "output bias": measured(learned.adapted, None),
            "fine-tuning": measured(learned.new, None),
            "n-grams": after if learned.kept is None else measured(None, personal),
            "both": after if learned.kept is learned.new else measured(learned.new, personal),
        }
        over_all = _learn(model, program, older, replace(how, softmax=FULL), seed)
        parts["fine-tuning over all words"] = measured(over_all.weights if over_all else None, None)
    words = sum(len(tokenize(text)) for text in older)
    return Personalization(
        user,
        words,
        before,
        after,
        learned.verdict,
        learned.targets,
        learned.seconds,
        learned.trust,
        typed_before,
        typed_after,
        prequential,
        learned.move,
        parts,
    )


@dataclass(frozen=True)
class CurvePoint:
    """The mean gain over people after they have typed a number of words."""

    words: int
    users: int  # people who wrote enough
    gain: float  # relative gain in recall at 1
    interval: Interval | None  # 95%; None for a single person
    kept_new: int  # people whose fine-tuned network passed the gate


def gain_curve(
    model: Model, corpus: Corpus, users: Sequence[str], how: FineTuning, seed: int = 0
) -> tuple[list[CurvePoint], list[tuple[str, int, float]]]:
    """Measures the gain in recall at 1 against the number of words typed.

    At each point of the curve a keyboard learns from a person's first messages up to that number of words. Before and after, it
    is measured on the messages of the next 500 words. A point leaves out people who wrote too little for it.

    Returns:
      The points that at least one person reached, and a row (user, words, gain) for each person and point.
    """
    with progress_bar("learning", len(users)) as bar:
        one = partial(_curve_of, model, how, seed)
        found = map_in_processes(one, [(user, list(corpus.messages(user))) for user in users], bar)
    rows = [row for one_user in found for row in one_user]
    points = []
    for words in CURVE_WORDS:
        gains = [gain for _, at, gain, _ in rows if at == words]
        if gains:
            kept = sum(new for _, at, _, new in rows if at == words)
            points.append(CurvePoint(words, len(gains), float(np.mean(gains)), mean_gain_interval(gains), kept))
    return points, [row[:3] for row in rows]


def _curve_of(
    model: Model, how: FineTuning, seed: int, work: tuple[str, list[str]]
) -> list[tuple[str, int, float, bool]]:
    user, messages = work
    typed = np.cumsum([len(tokenize(text)) for text in messages])
    program, vocabulary, rows = model.start(), model.vocabulary, []
    for words in CURVE_WORDS:
        start = int(np.searchsorted(typed, words)) + 1
        end = int(np.searchsorted(typed, words + CURVE_NEXT)) + 1
        if end > len(messages):
            break
        program.weights = model.weights
        by_global = Predictor(Reader(program, phrases=model.phrases), vocabulary)
        before = measure(by_global, messages[start:end], len(vocabulary))
        learned = learn(model, program, messages[:start], how, seed)
        program.weights = learned.kept or model.weights
        personal = PersonalNgram(vocabulary, messages[:start], trust=learned.trust)
        by_personal = Predictor(Reader(program, phrases=model.phrases), vocabulary, personal)
        after = measure(by_personal, messages[start:end], len(vocabulary))
        if before.scores.first:
            rows.append((user, words, relative_gain(before, after), learned.kept is not None))
    return rows


def live_users(
    messages: Sequence[Sequence[str]], model: Model, how: FineTuning, seed: int = 0
) -> list[tuple[Scores, Typing, Typing]]:
    """Returns the scores and keystrokes of people who type all their messages on a new keyboard that learns as they type.

    The keystrokes are those with suggestions of single words, and those with phrases.

    Raises:
      DataError: no word of the messages is in the vocabulary.
    """
    with progress_bar("typing", len(messages)) as bar:
        users = map_in_processes(partial(_live, model, how, seed), messages, bar)
    if not sum(scores.words for scores, *_ in users):
        raise DataError("no word of these messages is in the model's vocabulary: check that they are in its language")
    return users


def _live(model: Model, how: FineTuning, seed: int, messages: Sequence[str]) -> tuple[Scores, Typing, Typing]:
    """Predicts, types and then counts each message. The network learns after 500 words and whenever their number has doubled."""
    vocabulary, personal = model.vocabulary, PersonalNgram(model.vocabulary)
    program, learner = model.start(), model.start()
    suggester, in_use = Suggester(Reader(program, phrases=model.phrases), vocabulary, personal), None
    scores, typing, by_phrases, words, next_learning = Scores(), Typing(), Typing(), 0, _FIRST_LEARNING
    for number, text in enumerate(messages, 1):
        tokens = [token.word for token in tokenize(text)]
        scores += tally(suggester.predictor.predictions(tokens), len(vocabulary))
        by_word, by_phrase = type_by_words_and_phrases(text, suggester)
        typing, by_phrases = typing + by_word, by_phrases + by_phrase
        personal.learn(text)
        words += len(tokens)
        if words >= next_learning:
            next_learning = 2 * words
            learned = learn(model, learner, messages[:number], how, seed, in_use)
            personal.trust = learned.trust
            if learned.kept is not None and learned.kept is not in_use:
                in_use = program.weights = learned.kept
                suggester = Suggester(Reader(program, phrases=model.phrases), vocabulary, personal)
    return scores, typing, by_phrases
