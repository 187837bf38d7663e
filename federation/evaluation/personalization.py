"""What learning on the device brings each person: before and after, part by part, and word by word as people type.

LearningOutcome is what a keyboard learns: the network is fine-tuned on the older messages, the gate keeps it or not by the newest of those
to learn from, the person's n-grams count them all, and how far these are trusted is chosen (`model.device.learning.finetuning`, `gate`,
`personal`, `trust`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from data.corpus import Corpus
from data.errors import DataError
from data.generators import result_of
from data.tokenizer import tokenize
from federation.evaluation.significance import Interval, pooled_interval
from federation.processes import map_in_processes
from federation.reports.progress import progress_bar
from model.device.folder import Model
from model.device.learning.finetuning import FineTuning
from model.device.learning.gate import Verdict, held_back_from, judge
from model.device.learning.training import TrainingRun, train_program
from model.device.metrics import Scores, Typing, tally, type_message, type_messages
from model.device.runtime import Program
from model.device.suggesting.personal import USUAL_TRUST, PersonalNgram
from model.device.suggesting.reading import Reader
from model.device.suggesting.suggestions import Suggester
from model.device.suggesting.trust import choose_trust
from model.device.weights import Weights

CURVE_WORDS = (50, 100, 200, 500, 1_000, 2_000, 5_000)
CURVE_NEXT = 500  # words measured on behind those of the curve
_SIGNIFICANT = 0.05
_FIRST_LEARNING = 500  # words after which a person lets the keyboard learn first; then whenever they doubled


@dataclass(frozen=True)
class Measurement:
    """How well one model did on messages."""

    scores: Scores
    hits: np.ndarray  # of each word in the vocabulary, in order, whether it was the first guess; bool


@dataclass(frozen=True)
class LearningOutcome:
    """What a keyboard had learned: the network that the gate kept and what it had to choose from, the trust in the n-grams."""

    new: Weights | None  # None where there was too little to train on
    kept: Weights | None  # None: the global ones
    trust: float
    verdict: Verdict | None
    targets: int  # trained on, each pass counted
    seconds: float  # of training


@dataclass(frozen=True)
class Personalization:
    """One person's measures on messages that nothing was learned from, before and after learning from older ones."""

    user: str
    words: int  # learned from
    before: Measurement
    after: Measurement
    verdict: Verdict | None  # None where there was too little to train on
    targets: int  # trained on, each pass counted
    seconds: float  # of training
    trust: float  # in the n-grams
    typed_before: Typing
    typed_after: Typing
    parts: dict[str, Measurement] = field(default_factory=dict)  # with parts of it only

    @property
    def relative_gain(self) -> float:
        """Top-1 recall after learning over that before, minus one; a person with none before has no such figure."""
        return relative_gain(self.before, self.after)

    @property
    def kept_old(self) -> bool:
        """Whether the network stayed the global one."""
        return self.verdict is None or not self.verdict.keeps_new

    @property
    def change(self) -> int:
        """1 or -1 where learning made recall at 1 better or worse beyond noise (McNemar's test at 5%), else 0."""
        better = int(np.count_nonzero(self.after.hits & ~self.before.hits))
        worse = int(np.count_nonzero(self.before.hits & ~self.after.hits))
        if sign_test(better, worse) >= _SIGNIFICANT:
            return 0
        return 1 if better > worse else -1


def relative_gain(before: Measurement, after: Measurement) -> float:
    """Recall at 1 of one over that of the other, minus one."""
    return after.scores.top1 / before.scores.top1 - 1


def sign_test(better: int, worse: int) -> float:
    """McNemar's exact test on paired words (McNemar 1947): the two-sided p of so uneven a split of those that changed."""
    changed, fewer = better + worse, min(better, worse)
    tail = sum(math.exp(_log_choose(changed, k) - changed * math.log(2)) for k in range(fewer + 1))
    return min(1.0, 2 * tail)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def mean_gain_interval(gains: Sequence[float]) -> Interval | None:
    """The 95% interval of a mean over people, by the bootstrap over them."""
    return pooled_interval(np.array(gains), np.ones(len(gains)))


def learn(
    model: Model, program: Program, messages: Sequence[str], how: FineTuning, seed: int, in_use: Weights | None = None
) -> LearningOutcome:
    """Learns from messages as a keyboard does that has used the network `in_use` so far, or the global one."""
    border, run = _train(model, program, messages, how, seed, sampled=True)
    if not run.targets:
        return LearningOutcome(None, in_use, USUAL_TRUST, None, 0, run.seconds)
    new = program.weights
    verdict = result_of(judge(program, model.vocabulary, in_use or model.weights, new, messages, border))
    trust = result_of(choose_trust(program, model.vocabulary, messages[:border], messages[border:]))
    return LearningOutcome(new, new if verdict.keeps_new else in_use, trust, verdict, run.targets, run.seconds)


def _train(
    model: Model, program: Program, messages: Sequence[str], how: FineTuning, seed: int, sampled: bool
) -> tuple[int, TrainingRun]:
    """Fine-tunes the global weights on the older messages; returns the index of the first one held back, and the counts."""
    encoded = [model.vocabulary.encode(text) for text in messages]
    border = held_back_from([len(message) for message in encoded])
    program.weights = model.weights
    return border, result_of(train_program(program, encoded[:border], how, np.random.default_rng(seed), sampled))


def measure(suggester: Suggester, messages: Sequence[str], vocabulary: int) -> Measurement:
    """Scores messages over a vocabulary of so many words, with a suggester that learns nothing from them."""
    predictions = [p for text in messages for p in suggester.predictions([token.word for token in tokenize(text)])]
    hits = [p.rank == 0 for p in predictions if p.rank is not None and p.word < vocabulary]
    return Measurement(tally(predictions, vocabulary), np.array(hits, bool))


@dataclass(frozen=True)
class SimulatedKeyboard:
    """What a keyboard types with: a network, and n-grams of the messages typed so far."""

    model: Model
    typed: Sequence[str] = ()
    trust: float = USUAL_TRUST  # in the n-grams


def measure_keyboards(work: Sequence[tuple[SimulatedKeyboard, Sequence[str]]]) -> list[tuple[Scores, Typing]]:
    """Scores and keystrokes of messages on keyboards, which learn nothing from them."""
    with progress_bar("evaluating", len(work)) as bar:
        return map_in_processes(_measure_keyboard, work, bar)


def _measure_keyboard(work: tuple[SimulatedKeyboard, Sequence[str]]) -> tuple[Scores, Typing]:
    keyboard, following = work
    model, program = keyboard.model, keyboard.model.start()
    personal = PersonalNgram(model.vocabulary, keyboard.typed, trust=keyboard.trust)
    measured = measure(Suggester(Reader(program), model.vocabulary, personal), following, len(model.vocabulary))
    return measured.scores, type_messages(following, program, model.vocabulary, personal)


def personalize_users(
    model: Model, corpus: Corpus, users: Sequence[str], how: FineTuning, seed: int = 0, ablation: bool = False
) -> list[Personalization]:
    """Learns from the first 80% of each user's messages and measures on the rest; `ablation` fills `parts`."""
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
        return measure(Suggester(Reader(program), vocabulary, ngram), newer, len(vocabulary))

    before, typed_before = measured(None, None), type_messages(newer, program, vocabulary)
    learned = learn(model, program, older, how, seed)
    personal = PersonalNgram(vocabulary, older, trust=learned.trust)
    after = measured(learned.kept, personal)
    typed_after = type_messages(newer, program, vocabulary, personal)
    parts = {}
    if ablation:
        parts = {
            "fine-tuning": measured(learned.new, None),
            "n-grams": after if learned.kept is None else measured(None, personal),
            "both": after if learned.kept is learned.new else measured(learned.new, personal),
        }
        _train(model, program, older, how, seed, sampled=False)
        parts["fine-tuning over all words"] = measured(program.weights, None)
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
        parts,
    )


@dataclass(frozen=True)
class CurvePoint:
    """Mean over people of the gain after so many words, with its 95% interval; None where nobody wrote enough."""

    words: int
    users: int
    gain: float
    interval: Interval | None
    kept_new: int  # people whose network the gate replaced


def gain_curve(
    model: Model, corpus: Corpus, users: Sequence[str], how: FineTuning, seed: int = 0
) -> tuple[list[CurvePoint], list[tuple[str, int, float]]]:
    """Gain in recall at 1 against words typed.

    Each person learns from the first messages that hold as many words as the point says, and is measured on the next ones of
    500 words, the same before and after. At each point the people are those who wrote enough for it.

    Returns:
      The points, without those that nobody reached, and a row (user, words, gain) for each person and point.
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
        before = measure(Suggester(Reader(program), vocabulary), messages[start:end], len(vocabulary))
        learned = learn(model, program, messages[:start], how, seed)
        program.weights = learned.kept or model.weights
        personal = PersonalNgram(vocabulary, messages[:start], trust=learned.trust)
        after = measure(Suggester(Reader(program), vocabulary, personal), messages[start:end], len(vocabulary))
        if before.scores.first:
            rows.append((user, words, relative_gain(before, after), learned.kept is not None))
    return rows


def live_users(
    messages: Sequence[Sequence[str]], model: Model, how: FineTuning, seed: int = 0
) -> list[tuple[Scores, Typing]]:
    """Scores and keystrokes of people who type all their messages on a keyboard that is new at first and learns as they go.

    Raises:
      DataError: there is not one word in the messages.
    """
    with progress_bar("typing", len(messages)) as bar:
        users = map_in_processes(partial(_live, model, how, seed), messages, bar)
    if not sum(scores.words for scores, _ in users):
        raise DataError("not one word of these messages is in the model's vocabulary: is it their language?")
    return users


def _live(model: Model, how: FineTuning, seed: int, messages: Sequence[str]) -> tuple[Scores, Typing]:
    """Each message is predicted and typed, then counted; the network learns at 500 words and whenever they doubled."""
    vocabulary, personal = model.vocabulary, PersonalNgram(model.vocabulary)
    program, learner = model.start(), model.start()
    suggester, in_use = Suggester(Reader(program), vocabulary, personal), None
    scores, typing, words, next_learning = Scores(), Typing(), 0, _FIRST_LEARNING
    for number, text in enumerate(messages, 1):
        tokens = [token.word for token in tokenize(text)]
        scores += tally(suggester.predictions(tokens), len(vocabulary))
        typing += type_message(text, suggester.suggest)
        personal.learn(text)
        words += len(tokens)
        if words >= next_learning:
            next_learning = 2 * words
            learned = learn(model, learner, messages[:number], how, seed, in_use)
            personal.trust = learned.trust
            if learned.kept is not None and learned.kept is not in_use:
                in_use = program.weights = learned.kept
                suggester = Suggester(Reader(program), vocabulary, personal)
    return scores, typing
