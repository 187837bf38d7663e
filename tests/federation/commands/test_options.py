"""Options that several commands share."""

import argparse

import pytest

from federation.cli import _parser
from federation.commands.options import add_corpus_option


@pytest.mark.parametrize(
    ("line", "corpora"),
    [
        ([], "chitchat"),
        (["--corpus", "mine.jsonl"], "mine.jsonl"),
        (["--corpus", "a.jsonl", "self-dialogues:clone"], "a.jsonl,self-dialogues:clone"),
        (["--corpus", "a.jsonl", "--corpus", "chitchat", "b.jsonl"], "a.jsonl,chitchat,b.jsonl"),
        (["--corpus", "a.jsonl,b.jsonl"], "a.jsonl,b.jsonl"),
    ],
)
def test_corpora_are_named_in_one_use_of_the_option_or_in_several(line: list[str], corpora: str) -> None:
    parser = argparse.ArgumentParser()
    add_corpus_option(parser)
    add_corpus_option(parser, flag="--trained-on")
    options = parser.parse_args([*line, "--trained-on", "x"])
    assert (options.corpus, options.trained_on) == (corpora, "x")
    assert parser.parse_args([]).corpus == "chitchat", "a default is replaced, not added to"


def test_the_help_offers_sums_of_floats_only_where_there_are_some() -> None:
    (commands,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    offered = {
        name for name, parser in commands.choices.items() if "as floats" in " ".join(parser.format_help().split())
    }
    assert offered == {"simulate"}
