"""The programs that come with the app, one file for each of a few sizes, and the choice of one for a model.

Models travel between desktops and keyboards without a program: a keyboard runs no program that did not come with it. A program
serves every vocabulary that is not larger than its number of rows (`model.device.runtime`).
"""

import re
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path

from data.errors import DataError
from model.device.config import ModelConfig
from model.device.runtime import check_fits

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
# The sizes of the programs that the app comes with: those of Hard et al. 2018, and room for 800 more words.
SHIPPED = (ModelConfig(vocabulary=10_000), ModelConfig(vocabulary=10_800))

_NAME = re.compile(r"(\d+)-words-(\d+)-(\d+)-(\d+)-(\d+)\.tflite")


class NoProgramError(DataError):
    """This app has no program for the sizes of a model."""


def file_name(config: ModelConfig) -> str:
    """Returns the name of the file of a program: its rows for words, and its other sizes in the order of `ModelConfig`."""
    words, *others = astuple(config)
    return f"{words}-words-{'-'.join(map(str, others))}.tflite"


def most_words(config: ModelConfig, folder: Path = PROGRAMS) -> int | None:
    """Returns how many words a model of these other sizes may have for the app to have a program for it; None without any."""
    same = [size.vocabulary for size in _sizes(folder) if replace(size, vocabulary=config.vocabulary) == config]
    return max(same, default=None)


def find_program(config: ModelConfig, folder: Path = PROGRAMS) -> bytes | None:
    """Returns the smallest program of the app that fits a model of these sizes, or None if none does.

    Raises:
      DataError: the program cannot be read.
    """
    fitting = [size for size in _sizes(folder) if size.vocabulary >= config.vocabulary]
    fitting = [size for size in fitting if replace(size, vocabulary=config.vocabulary) == config]
    if not fitting:
        return None
    path = folder / file_name(min(fitting, key=lambda size: size.vocabulary))
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the program {path}: {error.strerror}: install the app again") from error


def program_for(config: ModelConfig, own: bytes) -> bytes:
    """Returns the program for a model of these sizes that came without one: the app's, or `own`, the one that is in use.

    Raises:
      NoProgramError: neither fits.
    """
    if (found := find_program(config)) is not None:
        return found
    try:
        check_fits(own, config)
    except DataError as error:
        raise NoProgramError(
            f"this app has no program for a model of {config.vocabulary:,} words and its other sizes: update the app"
        ) from error
    return own


def _sizes(folder: Path) -> Iterator[ModelConfig]:
    for path in folder.glob("*.tflite"):
        if (named := _NAME.fullmatch(path.name)) is not None:
            yield ModelConfig(*map(int, named.groups()))
