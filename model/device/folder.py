"""Model folders, which move between the desktop and the keyboards.

A folder holds `weights.safetensors`, `program.tflite`, `vocabulary.txt`, and `MODEL_CARD.md`, which describes the model to people.
It may hold `lexicon.safetensors`, which says what of the vocabulary is a word (`model.device.suggesting.lexicon`), and
`SHA256SUMS`, by which damage to the other files shows.
"""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from data.vocabulary import Vocabulary
from model.device.runtime import Program
from model.device.suggesting.lexicon import Lexicon, load_lexicon, save_lexicon
from model.device.weights import Provenance, Weights, load_weights, save_weights

WEIGHTS, PROGRAM, VOCABULARY, CARD = "weights.safetensors", "program.tflite", "vocabulary.txt", "MODEL_CARD.md"
LEXICON = "lexicon.safetensors"
SUMS = "SHA256SUMS"
_SUMMED = (WEIGHTS, PROGRAM, VOCABULARY, LEXICON)

_MODELS = Path(__file__).resolve().parents[1]
PRETRAINED = _MODELS / "pretrained"  # the global model that keyboards start with
PUBLIC = _MODELS / "public"  # the model that public text alone made, from which federated rounds started
PRIVATE = _MODELS / "private"  # the model that rounds with user-level differential privacy made of the public one


@dataclass(frozen=True)
class Model:
    """A model folder in memory; the program stays in bytes until `start` loads it."""

    weights: Weights
    provenance: Provenance
    vocabulary: Vocabulary
    program: bytes
    card: str = ""
    lexicon: Lexicon | None = None  # without one, every entry of the vocabulary counts as a word

    def start(self, threads: int = 1) -> Program:
        """Returns the program with these weights, ready to run."""
        return Program(self.program, self.provenance.config, self.weights, threads)

    def with_weights(self, weights: Weights, provenance: Provenance) -> "Model":
        """Returns the same model with other weights."""
        return replace(self, weights=weights, provenance=provenance)


def load_model(folder: Path) -> Model:
    """Reads a model folder.

    Raises:
      DataError: the folder or a file in it is missing or damaged, or the files do not belong together.
    """
    if not folder.is_dir():
        raise DataError(f"there is no model folder {folder}")
    vocabulary = Vocabulary.load(folder / VOCABULARY)
    weights, provenance = load_weights(folder / WEIGHTS, vocabulary.sha256)
    if len(vocabulary) != provenance.config.vocabulary:
        raise DataError(
            f"{folder}: the vocabulary has {len(vocabulary)} words, but the weights have {provenance.config.vocabulary}"
        )
    try:
        program = (folder / PROGRAM).read_bytes()
        # A damaged card must not make the model unusable.
        card = (folder / CARD).read_text("utf-8", errors="replace") if (folder / CARD).exists() else ""
    except OSError as error:
        raise DataError(f"cannot read the model folder {folder}: {error.strerror}: {error.filename}") from error
    lexicon = None
    if (folder / LEXICON).exists():
        lexicon = load_lexicon(folder / LEXICON, vocabulary.sha256, len(vocabulary))
    return Model(weights, provenance, vocabulary, program, card, lexicon)


def check_sums(folder: Path) -> None:
    """Checks the files of a model folder against the digests in it, if it has any. The card is for people and has none.

    Raises:
      DataError: a file is damaged or missing.
    """
    if not (folder / SUMS).exists():
        return
    try:
        for line in (folder / SUMS).read_text("utf-8", errors="replace").splitlines():
            wanted, _, name = line.partition("  ")
            if name not in _SUMMED or hashlib.sha256((folder / name).read_bytes()).hexdigest() != wanted:
                raise DataError(f"a file of {folder} is damaged: {name if name in _SUMMED else SUMS}")
    except OSError as error:
        raise DataError(f"cannot read the model folder {folder}: {error.strerror}: {error.filename}") from error


def lexicon_for(model: Model, folder: Path) -> Lexicon | None:
    """Returns the lexicon of another model folder if it belongs to the model's vocabulary, else None."""
    try:
        return load_lexicon(folder / LEXICON, model.vocabulary.sha256, len(model.vocabulary))
    except UserFacingError:
        return None


def check_free_for_model(folder: Path) -> None:
    """Checks that a model may be saved to this path.

    Raises:
      DataError: the path holds something else than a model folder.
    """
    if folder.exists() and not (folder / WEIGHTS).exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder} exists and is not a model folder: choose another place for the model")


def recover(folder: Path) -> None:
    """Cleans up after a `save_model` that was killed: restores the old model unless the new one is in its place."""
    for old in folder.parent.glob(f".{folder.name}.old.*/{folder.name}"):
        if not folder.exists():
            old.rename(folder)
    for leftover in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)


def save_model(folder: Path, model: Model, with_sums: bool = False) -> None:
    """Writes a temporary model folder and renames it to `folder`; an existing model is replaced as a whole.

    Args:
      folder: the model folder.
      model: what to save.
      with_sums: whether to add a file of digests for `check_sums`, in the format of the program `sha256sum`.

    Raises:
      DataError: the path holds something else than a model folder.
    """
    check_free_for_model(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        model.vocabulary.save(temporary / VOCABULARY)
        save_weights(temporary / WEIGHTS, model.weights, model.provenance)
        write_by_rename(temporary / PROGRAM, model.program)
        if model.lexicon is not None:
            save_lexicon(temporary / LEXICON, model.lexicon)
        if model.card:
            write_by_rename(temporary / CARD, model.card.encode())
        if with_sums:
            files = [temporary / name for name in _SUMMED if (temporary / name).exists()]
            sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
            write_by_rename(temporary / SUMS, sums.encode())
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
