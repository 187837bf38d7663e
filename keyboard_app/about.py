"""Facts about a keyboard for its person: the version, the model, the licences, and what was learned when."""

from datetime import datetime
from typing import NamedTuple

from keyboard_app.learning.models import Models
from keyboard_app.recording.database.store import Store
from model.device.weights import digest

_PACKAGE = "federated-keyboard"
_SHOWN = 8  # digits of a digest
_LICENCES = (
    "The keyboard: Apache 2.0. Names of emoji: the package emoji (BSD). Fonts: Roboto (Apache 2.0), DejaVu and Noto "
    "(SIL Open Font License)."
)


class About(NamedTuple):
    """Lines for the person."""

    version: str
    model: str
    learned: str
    licences: str


def about(models: Models, store: Store) -> About:
    """Describes the keyboard of a profile."""
    model = models.global_model
    rounds = model.provenance.round
    made = (
        f"after {rounds:,} federated {'round' if rounds == 1 else 'rounds'}" if rounds else "without federated rounds"
    )
    described = f"{len(model.vocabulary):,} words, made {made} ({digest(model.weights)[:_SHOWN]})"
    licences = [_LICENCES]
    for what, part in (("Spellings", model.lexicon), ("Phrases", model.phrases)):
        if part is not None and part.license:
            licences.append(f"{what}: {part.license}.")
    return About(_version(), described, _learned(store.history.learnings()), " ".join(licences))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # imports a parser of e-mail, 1 MB, that no key needs

    try:
        return version(_PACKAGE)
    except PackageNotFoundError:  # in a phone's package, or straight from the sources
        return "unknown (not installed as a package)"


def _learned(learnings: list[tuple[str, int]]) -> str:
    if not learnings:
        return "Nothing has been learned yet."
    time, words = learnings[-1]
    when = f"{datetime.fromisoformat(time).astimezone():%d %B %Y, %H:%M}"
    often = "once" if len(learnings) == 1 else f"{len(learnings):,} times"
    return f"It has learned {often}, last on {when} from {words:,} words."
