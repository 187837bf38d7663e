"""A model folder: what moves between the desktop and the keyboards.

`weights.safetensors`, `program.tflite`, `vocabulary.txt`, and `MODEL_CARD.md`, which is for people.
"""

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import DataError
from data.files import write_by_rename
from data.vocabulary import Vocabulary
from model.device.runtime import Program
from model.device.weights import Provenance, Weights, load_weights, save_weights

WEIGHTS, PROGRAM, VOCABULARY, CARD = "weights.safetensors", "program.tflite", "vocabulary.txt", "MODEL_CARD.md"

PRETRAINED = Path(__file__).resolve().parents[1] / "pretrained"  # the global model this project ships


@dataclass(frozen=True)
class Model:
    """A model folder in memory; the program stays bytes until it runs."""

    weights: Weights
    provenance: Provenance
    vocabulary: Vocabulary
    program: bytes
    card: str = ""

    def start(self, threads: int = 1) -> Program:
        """The program with these weights in it, ready to run."""
        return Program(self.program, self.provenance.config, self.weights, threads)

    def with_weights(self, weights: Weights, provenance: Provenance) -> "Model":
        """The same model with other weights."""
        return replace(self, weights=weights, provenance=provenance)


def load_model(folder: Path) -> Model:
    """Reads a model folder.

    Raises:
      DataError: it is none, or a file in it is missing, damaged, or does not belong to the others.
    """
    if not folder.is_dir():
        raise DataError(f"there is no model folder {folder}")
    vocabulary = Vocabulary.load(folder / VOCABULARY)
    weights, provenance = load_weights(folder / WEIGHTS, vocabulary.sha256)
    if len(vocabulary) != provenance.config.vocabulary:
        raise DataError(f"{folder}: {len(vocabulary)} words for weights of {provenance.config.vocabulary}")
    try:
        program = (folder / PROGRAM).read_bytes()
        card = (folder / CARD).read_text("utf-8") if (folder / CARD).exists() else ""
    except OSError as error:
        raise DataError(f"cannot read the model folder {folder}: {error.strerror}: {error.filename}") from error
    return Model(weights, provenance, vocabulary, program, card)


def check_free_for_model(folder: Path) -> None:
    """Lets a path pass that a model may be saved to.

    Raises:
      DataError: something that is no model folder is there.
    """
    if folder.exists() and not (folder / WEIGHTS).exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder} is there already and is no model folder: choose another place for the model")


def recover(folder: Path) -> None:
    """Cleans up after a `save_model` that was killed: the old model is put back if the new one had not taken its place."""
    for old in folder.parent.glob(f".{folder.name}.old.*/{folder.name}"):
        if not folder.exists():
            old.rename(folder)
    for leftover in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)


def save_model(folder: Path, model: Model) -> None:
    """Writes a model folder beside its place and renames it into place; a model that was there before is replaced whole.

    Raises:
      DataError: something that is no model folder is in that place.
    """
    check_free_for_model(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        model.vocabulary.save(temporary / VOCABULARY)
        save_weights(temporary / WEIGHTS, model.weights, model.provenance)
        write_by_rename(temporary / PROGRAM, model.program)
        if model.card:
            write_by_rename(temporary / CARD, model.card.encode())
        temporary.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
            folder.rename(old / folder.name)
            temporary.rename(folder)
            shutil.rmtree(old)
        else:
            temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
