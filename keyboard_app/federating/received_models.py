"""Global models that a keyboard receives from a desktop or a coordinator, also with another vocabulary than its own.

Weights, vocabulary, lexicon and phrases are received, but never a program: the app's own program runs them, or the one in use. All
files are checked before any of them is used. The person's messages, counts and preferences are kept by word and not by id, so
they mean the same with every vocabulary.
"""

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import DataError, UserFacingError
from federation.protocol import api_messages
from federation.protocol.json_messages import one_line
from keyboard_app.learning.background import reason
from model.device.config import ModelConfig
from model.device.folder import LEXICON, PHRASES, VOCABULARY, WEIGHTS, Model, load_model
from model.device.programs import program_for
from model.device.weights import Provenance, Weights, digest, from_bytes

if TYPE_CHECKING:
    from keyboard_app.federating.client import FederationClient

_FILES = {api_messages.VOCABULARY: VOCABULARY, api_messages.LEXICON: LEXICON, api_messages.PHRASES: PHRASES}


def load_received(folder: Path, own: Model) -> Model:
    """Reads a model folder that was received, and starts its program once; `own` is the model in use.

    Raises:
      NoProgramError: no program of this app runs a model of its sizes.
      DataError: a file is missing or damaged, or the vocabulary has a word that nobody can type.
    """
    model = load_model(folder, own.program)
    if model.vocabulary.sha256 != own.vocabulary.sha256:
        model.vocabulary.check_words()
    model.start()
    return model


def fetch_model(client: "FederationClient", wanted: str, own: Model) -> Model:
    """Fetches the newest global model with its vocabulary from a coordinator; `own` is the model in use.

    Raises:
      NoProgramError: no program of this app runs a model of its sizes; only its description was fetched.
      DataError: what the coordinator sent is damaged, or is not what it announced.
      UnreachableError, RefusedError: the coordinator did not answer, or refused.
    """
    described = client.description(wanted)
    sizes = (described.vocabulary, described.embedding, described.units, described.window, described.batch)
    config = ModelConfig(*sizes)
    program_for(config, own.program)
    digests = {
        api_messages.VOCABULARY: described.vocabulary_sha256,
        api_messages.LEXICON: described.lexicon_sha256,
        api_messages.PHRASES: described.phrases_sha256,
    }
    content = client.model(wanted)
    check_weights_of(content, wanted, described.vocabulary_sha256, config)
    with tempfile.TemporaryDirectory(prefix="keyboard-") as temporary:
        folder = Path(temporary)
        (folder / WEIGHTS).write_bytes(content)
        for name, announced in digests.items():
            if not announced:
                continue
            content = client.part(wanted, name)
            if hashlib.sha256(content).hexdigest() != announced:
                raise DataError(f"the coordinator sent another {name} than it named: the model is refused")
            (folder / _FILES[name]).write_bytes(content)
        try:
            return load_received(folder, own)
        except UserFacingError as error:
            told = reason(error).replace(f"{folder}/", "")
            raise DataError(f"the coordinator's model is refused: {one_line(told):.300}") from error


def check_weights_of(
    content: bytes, announced: str, vocabulary_sha256: str, config: ModelConfig
) -> tuple[Weights, Provenance]:
    """Checks weights that a coordinator sent, and returns them with their provenance.

    Args:
      content: a safetensors file.
      announced: the digest of the weights.
      vocabulary_sha256: the digest of the vocabulary that they must have.
      config: the sizes that they must have.

    Raises:
      DataError: they are damaged or not finite, have another digest, other sizes or another vocabulary, or name a round below 0
        or above `api_messages.HIGHEST_ROUND`.
    """
    try:
        weights, provenance = from_bytes(content, "the coordinator's model", vocabulary_sha256)
    except UserFacingError as error:  # its words may be the sender's
        raise DataError(f"{one_line(reason(error)):.300}") from error
    if not 0 <= provenance.round <= api_messages.HIGHEST_ROUND:
        raise DataError("the coordinator's weights name a round that cannot have made them: they are refused")
    if digest(weights) != announced:
        raise DataError("the coordinator sent other weights than it named: they are refused")
    if provenance.config != config:
        raise DataError("the coordinator's weights have other sizes than this keyboard's program: they are refused")
    return weights, provenance
