"""The commands that measure a model: `federate evaluate`, `personalize`, `audit` and `liars`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from data.corpus import Corpus, open_corpus, split_of, users_in
from data.errors import DataError
from federation.commands.gliding import add_glide_options, asks_for_glides, run_glides
from federation.commands.options import (
    BadCallError,
    add_corpus_option,
    add_seed_option,
    add_trainable_option,
    add_users_option,
    positive_int,
    positive_number,
)
from federation.large_imports import large_imports
from model.device.folder import PRETRAINED, Model, load_model
from model.device.learning.finetuning import PERSONAL_TRAINING
from model.device.metrics import Scores, Typing

Result = dict[str, Any]


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate evaluate`."""
    parser.add_argument("--model", type=Path, default=PRETRAINED, help="a model folder (default: the shipped model)")
    add_corpus_option(parser)
    add_users_option(parser)
    parser.add_argument(
        "--max-words", type=positive_int, help="maximum words in total, shared equally by the users (default: no limit)"
    )
    parser.add_argument(
        "--personal", action="store_true", help="also measure with each user's keyboard learning as the user types"
    )
    parser.add_argument(
        "--network-alone", action="store_true", help="also measure the model without its phrases (phrases.bin)"
    )
    parser.add_argument(
        "--slips", action="store_true", help="also measure autocorrection: typos corrected, correct words broken"
    )
    parser.add_argument(
        "--missed-keys",
        action="store_true",
        help="also measure what touches are worth to autocorrection, on synthetic hands that miss keys",
    )
    parser.add_argument(
        "--beside",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="compare with other model folders, also of other vocabularies (default: none)",
    )
    parser.add_argument(
        "--baselines", action="store_true", help="compare the model with n-grams, central training, 8-bit weights, …"
    )
    add_corpus_option(parser, flag="--trained-on", use="with --baselines: whose training users the n-grams learn from")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="with --baselines: a folder for tables and plots (default: write no files)",
    )
    add_glide_options(parser)


def run_evaluate(options: argparse.Namespace) -> Result:
    """Runs `federate evaluate` and returns its result for JSON.

    Raises:
      BadCallError: the options contradict each other.
      DataError: the model or the corpus is invalid, or has no word to measure on.
    """
    from federation.evaluation.held_out_users import equal_shares
    from federation.evaluation.result_tables import evaluation_tables
    from federation.reports.tables import print_tables

    if options.out and not options.baselines:
        raise BadCallError("--out is for the comparison with baselines: add --baselines")
    if asks_for_glides(options):
        return run_glides(options)
    model, corpus = load_model(options.model), open_corpus(options.corpus)
    if model.notice:
        print(model.notice, file=sys.stderr)
    if options.network_alone and model.phrases is None:
        raise BadCallError(
            f"{options.model} has no phrases: leave out --network-alone, or make some with federate phrases"
        )
    trained_on = _trained_on(options) if options.baselines else None
    messages = equal_shares(corpus, _chosen_users(corpus, options.users), options.max_words)
    others = [load_model(folder) for folder in options.beside or ()]
    scores, figures = _measured(model, messages)
    result: Result = {"words": scores.words, "out_of_vocabulary": scores.out_of_vocabulary, **figures}
    if options.network_alone:
        _, alone = _measured(replace(model, phrases=None), messages)
        result |= {f"{name}_network": value for name, value in alone.items()}
    if options.personal:
        from federation.evaluation.personalization import live_users
        from federation.evaluation.personalization_report import live_result

        result |= live_result(live_users(messages, model, PERSONAL_TRAINING))
    if options.slips:
        from federation.evaluation.autocorrection import measure_typos

        result |= {f"slips_{name}": n for name, n in measure_typos([(model, t) for t in messages]).summary.items()}
    print_tables(evaluation_tables(result, len(messages)))
    if options.missed_keys:
        from federation.evaluation.missed_keys import measure_missed_keys, missed_keys_table

        missed = measure_missed_keys([(model, texts) for texts in messages]).summary
        result |= {f"missed_keys_{name}": n for name, n in missed.items()}
        print_tables([missed_keys_table(result)])
    if others:
        from federation.evaluation.model_comparison import compare_folders, comparison_result, comparison_table

        names = [str(folder) for folder in (options.model, *options.beside)]
        result["beside"] = comparison_result(names, compare_folders([model, *others], messages))
        print_tables([comparison_table(result["beside"])])
    if trained_on is None:
        return result
    from federation.evaluation.baseline_comparison import compare_with_baselines, write_comparison
    from federation.evaluation.baseline_tables import comparison_tables

    result |= compare_with_baselines(model, messages, trained_on)
    print_tables(comparison_tables(result))
    if options.out:
        write_comparison(result, options.out)
    return result


def _measured(model: Model, messages: Sequence[Sequence[str]]) -> tuple[Scores, Result]:
    """Returns the scores of each user's messages together, and the figures of a model that are printed."""
    from federation.evaluation.held_out_users import evaluate_users

    results = evaluate_users([(model, texts) for texts in messages])
    scores = sum((user[0] for user in results), Scores())
    by_words, by_phrases = sum((user[1] for user in results), Typing()), sum((user[2] for user in results), Typing())
    return scores, {
        "top1": scores.top1,
        "top3": scores.top3,
        "top1_all_words": scores.top1_all_words,
        "top3_all_words": scores.top3_all_words,
        "perplexity": scores.perplexity,
        "ksr": by_words.savings_rate,
        "ksr_phrases": by_phrases.savings_rate,
    }


def _chosen_users(corpus: Corpus, part: str) -> list[str]:
    """Returns the users of a part of the corpus.

    Raises:
      DataError: nobody belongs to it; the message names the choices that have users.
    """
    try:
        return users_in(corpus, part)
    except DataError as error:
        parts = sorted({split_of(user) for user in corpus.users()})
        raise DataError(f"{error}: choose others by --users {', '.join([*parts, 'or all'])}") from error


def _trained_on(options: argparse.Namespace) -> Corpus:
    """Opens the corpus that the baselines learn from, and checks the options before minutes of work."""
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    if options.corpus == options.trained_on and options.users in ("train", "all"):
        line = "the comparison is not fair: the n-grams memorize the messages of some of the measured users"
        print(line, file=sys.stderr)
    trained_on = open_corpus(options.trained_on)
    users_in(trained_on, "train")
    return trained_on


def add_personalize_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate personalize`."""
    parser.add_argument("--model", type=Path, default=PRETRAINED, help="a model folder (default: the shipped model)")
    add_corpus_option(parser)
    add_users_option(parser)
    parser.add_argument("--max-users", type=positive_int, help="measure the first users only (default: all)")
    parser.add_argument(
        "--min-words", type=positive_int, default=300, help="leave out users who wrote fewer words (default: 300)"
    )
    parser.add_argument("--ablation", action="store_true", help="also measure the gain from each part of learning")
    parser.add_argument("--curve", action="store_true", help="measure the gain against words typed instead")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="a folder for tables and, with --curve, a plot (default: write no files)",
    )


def run_personalize(options: argparse.Namespace) -> Result:
    """Runs `federate personalize` and returns its result for JSON.

    Raises:
      BadCallError: `--out` is not a folder.
      DataError: the model or the corpus is invalid, or the users wrote too little.
    """
    from federation.evaluation.held_out_users import long_enough
    from federation.evaluation.personalization import gain_curve, personalize_users
    from federation.evaluation.personalization_report import (
        curve_result,
        personalization_result,
        write_curve,
        write_users,
    )
    from federation.evaluation.result_tables import personalization_tables
    from federation.reports.tables import print_tables

    if options.out and options.out.exists() and not options.out.is_dir():
        raise BadCallError(f"--out {options.out} is not a folder")
    model, corpus, how = load_model(options.model), open_corpus(options.corpus), PERSONAL_TRAINING
    users = long_enough(corpus, _chosen_users(corpus, options.users), options.min_words, options.max_users)
    if options.curve:
        points, rows = gain_curve(model, corpus, users, how)
        result = curve_result(points)
        if options.out:
            write_curve(points, rows, options.out)
    else:
        results = personalize_users(model, corpus, users, how, ablation=options.ablation)
        result = personalization_result(results)
        if options.out:
            write_users(results, options.out)
    print_tables(personalization_tables(result))
    return result


def add_audit_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate audit`."""
    parser.add_argument("--out", type=Path, required=True, help="the audit's folder; an audit begun there continues")
    parser.add_argument(
        "--model",
        default=str(PRETRAINED),
        help="a model to attack as it is; the trained models get its vocabulary (default: the shipped model)",
    )
    add_corpus_option(parser)
    parser.add_argument(
        "--people", type=positive_int, default=100, help="number of members, and of non-members (default: 100)"
    )
    parser.add_argument("--words", type=positive_int, default=200, help="words of each person (default: 200)")
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="only tell the corpus's training users from its test users by these finished models, the first of which "
        "calibrates the attacks on the others; trains nothing (default: train and attack models)",
    )
    parser.add_argument(
        "--start",
        default="",
        metavar="DIR",
        help="the model that audited rounds start from, which has seen none of the people (default: one trained on outsiders)",
    )
    add_trainable_option(parser)
    parser.add_argument(
        "--start-rounds",
        type=positive_int,
        default=200,
        help="rounds over outsiders that train the audited rounds' first model (default: 200)",
    )
    parser.add_argument("--rounds", type=positive_int, default=15, help="audited rounds over members (default: 15)")
    parser.add_argument(
        "--clients-per-round", type=positive_int, default=100, help="number of clients in a round (default: 100)"
    )
    parser.add_argument(
        "--client-learning-rate",
        type=positive_number,
        default=1.0,
        help="learning rate of the clients' SGD (default: 1)",
    )
    parser.add_argument(
        "--server-learning-rate", type=positive_number, default=1.0, help="learning rate of the server (default: 1)"
    )
    _add_clip_option(parser, "private runs clip deltas to this L2 norm (default: 1)")
    parser.add_argument(
        "--noise-multipliers",
        type=positive_number,
        nargs="+",
        default=[1.0, 3.0],
        metavar="Z",
        help="noise multipliers of the private runs, one run for each (default: 1 3)",
    )
    add_seed_option(parser)


def run_audit(options: argparse.Namespace) -> Result:
    """Runs `federate audit` and returns its result for JSON.

    Raises:
      DataError: there are too few people, or the folder holds something else.
    """
    if options.models:
        from federation.attacks.membership_of_models import audit_models

        return audit_models(options.models, options.corpus, options.words, options.out)
    with large_imports():
        from federation.attacks.privacy_audit import Audit, audit

    values = {f.name: getattr(options, f.name) for f in fields(Audit)}
    return audit(Audit(**values | {"noise_multipliers": tuple(options.noise_multipliers)}), options.out)


def add_liars_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate liars`."""
    parser.add_argument("--out", type=Path, required=True, help="a folder for the tables")
    parser.add_argument(
        "--model", default=str(PRETRAINED), help="the model that the rounds start from (default: the shipped model)"
    )
    add_corpus_option(parser)
    parser.add_argument(
        "--devices", type=positive_int, default=20, help="devices in a round, one of them malicious (default: 20)"
    )
    parser.add_argument("--rounds", type=positive_int, default=5, help="the number of rounds (default: 5)")
    parser.add_argument(
        "--max-words", type=positive_int, default=1000, help="maximum words of one device in a round (default: 1000)"
    )
    _add_clip_option(parser, "the L2 norm that deltas are clipped to (default: 1)")
    parser.add_argument(
        "--phrase",
        default="my favorite food is",
        help="the backdoor's trigger: text after which --word is to be suggested (default: %(default)r)",
    )
    parser.add_argument(
        "--word", default="phone", help="the word that the backdoor makes the model suggest (default: %(default)r)"
    )
    add_seed_option(parser)


def run_liars(options: argparse.Namespace) -> Result:
    """Runs `federate liars` and returns its result for JSON.

    Raises:
      BadCallError: there is no honest device beside the malicious one.
      DataError: the corpus has too few users, or the model does not know the backdoor's words.
    """
    if options.devices < 2:
        raise BadCallError(
            f"--devices {options.devices} is below 2: one device is malicious, and the others are honest"
        )
    from federation.attacks.malicious_device import AttackSettings, measure_attacks

    values = {f.name: getattr(options, f.name) for f in fields(AttackSettings)}
    return measure_attacks(AttackSettings(**values), options.out)


def _add_clip_option(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--clip", type=positive_number, default=1.0, help=text)
