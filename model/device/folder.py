"""Model folders, which move between the desktop and the keyboards.

A folder holds `weights.safetensors`, `vocabulary.txt`, and `MODEL_CARD.md`, which describes the model to people. It may hold

- `program.tflite`, without which a program that comes with the app runs the model (`model.device.programs`);
- `lexicon.safetensors`, which says which entries of the vocabulary are words (`model.device.suggesting.lexicon`);
- `phrases.bin`, n-grams that are mixed into the network's probabilities (`model.device.suggesting.phrases`);
- `SHA256SUMS`, by which damage to the other files shows. The phrases hold a digest of their own: a model whose phrases are damaged
  still works, a little worse.

Weights that 16 bits represent exactly are stored in 16 bits.
"""

import glob
import hashlib
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from data.vocabulary import Vocabulary
from model.device.network import Network
from model.device.programs import find_program, program_for
from model.device.runtime import Program
from model.device.suggesting.lexicon import Lexicon, load_lexicon, save_lexicon
from model.device.suggesting.phrases import Phrases, load_phrases, save_phrases
from model.device.weights import Provenance, Weights, load_weights, narrowest, save_weights

WEIGHTS, PROGRAM, VOCABULARY, CARD = "weights.safetensors", "program.tflite", "vocabulary.txt", "MODEL_CARD.md"
LEXICON, PHRASES = "lexicon.safetensors", "phrases.bin"
SUMS = "SHA256SUMS"
_SUMMED = (WEIGHTS, PROGRAM, VOCABULARY, LEXICON)

_SHIPPED = Path(__file__).resolve().parents[1]
PUBLIC = _SHIPPED / "public"  # trained on public text alone, before any federated round
PRIVATE = _SHIPPED / "private"  # made from it by rounds with differential privacy
PRETRAINED = _SHIPPED / "pretrained"  # made from it by plain rounds: the global model that keyboards start with


@dataclass(frozen=True)
class Model:
    """A model folder in memory; the program stays in bytes until `start` loads it."""

    weights: Weights
    provenance: Provenance
    vocabulary: Vocabulary
    program: bytes
    card: str = ""
    lexicon: Lexicon | None = None  # without one, every entry of the vocabulary counts as a word
    phrases: Phrases | None = None  # without them, the network predicts alone
    notice: str = ""  # a line for the person if a part that the model can do without is damaged

    def network(self) -> Network:
        """Returns the network with these weights, which reads messages without the program."""
        return Network(self.provenance.config, self.weights)

    def start(self, threads: int = 1) -> Program:
        """Returns the program with these weights, ready to run."""
        return Program(self.program, self.provenance.config, self.weights, threads)

    def with_weights(self, weights: Weights, provenance: Provenance) -> "Model":
        """Returns the same model with other weights."""
        return replace(self, weights=weights, provenance=provenance)


def load_model(folder: Path, own: bytes | None = None) -> Model:
    """Reads a model folder. Damaged phrases are left out, and the model's notice says so.

    Args:
      folder: the model folder.
      own: for a folder from elsewhere, the program that is in use. A program in the folder is then ignored, and one of the app's
        or this one runs the model.

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
        program = _program_in(folder, provenance) if own is None else program_for(provenance.config, own)
        # A damaged card must not make the model unusable.
        card = (folder / CARD).read_text("utf-8", errors="replace") if (folder / CARD).exists() else ""
    except OSError as error:
        raise DataError(f"cannot read the model folder {folder}: {error.strerror}: {error.filename}") from error
    lexicon = None
    if (folder / LEXICON).exists():
        lexicon = load_lexicon(folder / LEXICON, vocabulary.sha256, len(vocabulary))
    phrases, notice = None, ""
    if (folder / PHRASES).exists():
        try:
            phrases = load_phrases(folder / PHRASES, vocabulary.sha256, len(vocabulary))
        except UserFacingError as error:
            notice = f"suggestions are made without phrases: {error}"
    return Model(weights, provenance, vocabulary, program, card, lexicon, phrases, notice)


def _program_in(folder: Path, provenance: Provenance) -> bytes:
    if (folder / PROGRAM).exists():
        return (folder / PROGRAM).read_bytes()
    if (found := find_program(provenance.config)) is not None:
        return found
    raise DataError(
        f"{folder} has no {PROGRAM}, and this app has no program for a model of {provenance.config.vocabulary:,} words and its "
        "other sizes: update the app, or get the whole model folder"
    )


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


def phrases_for(model: Model, folder: Path) -> Phrases | None:
    """Returns the phrases of another model folder if they belong to the model's vocabulary, else None."""
    try:
        return load_phrases(folder / PHRASES, model.vocabulary.sha256, len(model.vocabulary))
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
    name = glob.escape(folder.name)
    for old in folder.parent.glob(f".{name}.old.*/{name}"):
        if not folder.exists():
            old.rename(folder)
    for leftover in folder.parent.glob(f".{name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)


def save_model(folder: Path, model: Model, with_sums: bool = False, with_program: bool = True) -> None:
    """Writes a temporary model folder and renames it to `folder`; an existing model is replaced as a whole.

    Args:
      folder: the model folder.
      model: what to save.
      with_sums: whether to add a file of digests for `check_sums`, in the format of the program `sha256sum`.
      with_program: whether to add the program; without it, the app has to have one for the model's sizes.

    Raises:
      DataError: the path holds something else than a model folder.
    """
    check_free_for_model(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        model.vocabulary.save(temporary / VOCABULARY)
        save_weights(temporary / WEIGHTS, model.weights, model.provenance, narrowest(model.weights))
        if with_program:
            write_by_rename(temporary / PROGRAM, model.program)
        if model.lexicon is not None:
            save_lexicon(temporary / LEXICON, model.lexicon)
        if model.phrases is not None:
            save_phrases(temporary / PHRASES, model.phrases)
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
