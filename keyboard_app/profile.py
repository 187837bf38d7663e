"""A profile: the folder with all that one person's keyboard keeps, held by one process at a time.

store.sqlite             the messages sent, and what the models had expected
global/                  the newest global model taken over; absent as long as the shipped one is the newest
personal.safetensors     the personal weights, learned on top of the global ones
mailbox/                 what a desktop on the same machine and this keyboard say to each other

Files that turn out to be damaged are kept beside these with `.damaged` behind their names.
"""

from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from data.errors import DataError
from federation.protocol.mailbox import Mailbox
from keyboard_app.damage import set_aside
from keyboard_app.store import Store
from model.device.folder import PRETRAINED, Model, load_model, recover, save_model
from model.device.weights import Provenance, Weights, digest, load_weights, next_provenance, save_weights

STORE, GLOBAL, PERSONAL = "store.sqlite", "global", "personal.safetensors"


def default_path() -> Path:
    """Where the profile of the person at this machine lies."""
    return user_data_path("federated-keyboard", appauthor=False)


def grew_from(provenance: Provenance, model: Model) -> bool:
    """Whether personal weights of this provenance were learned on top of this global model."""
    return (
        provenance.vocabulary_sha256 == model.vocabulary.sha256
        and provenance.config == model.provenance.config
        and provenance.parent == digest(model.weights)
    )


class Profile:
    """An open profile. `notices` are lines for the person, about what was found damaged and what was done about it."""

    def __init__(self, path: Path, lock: FileLock, store: Store, notices: list[str]) -> None:
        self.path = path
        self.store = store
        self.mailbox = Mailbox(path)
        self.notices = notices
        self.tried: set[str] = set()  # rounds that an answer was begun to; one that failed is not begun again and again
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Takes the profile for this process, until `close` or the end of the process; makes the folder where there is none.

        Raises:
          DataError: another process holds it, or the folder cannot be used.
        """
        try:
            # Messages are nobody else's to read; a folder that is there already has the rights that its owner gave it.
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(path / ".lock")
            lock.acquire(blocking=False)
        except Timeout as error:
            raise DataError(
                f"the profile {path} is open in another keyboard: close it or choose another with --profile"
            ) from error
        except OSError as error:
            raise DataError(f"cannot use the profile folder {path}: {error.strerror}: {error.filename}") from error
        try:
            recover(path / GLOBAL)
            notices: list[str] = []
            return cls(path, lock, Store.open(path / STORE, notices), notices)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Gives the profile free."""
        self.store.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load_global(self, shipped: Path = PRETRAINED) -> Model:
        """The newest global model taken over, or the shipped one; a damaged one taken over is set aside.

        Raises:
          DataError: the shipped one is damaged or missing.
        """
        if (folder := self.path / GLOBAL).is_dir():
            try:
                model = load_model(folder)
                model.start()  # whether the program is whole shows only when it runs
                return model
            except DataError as error:
                self.notices.append(f"typing with the model in {shipped}: {error}; kept in {set_aside(folder)}")
        return load_model(shipped)

    def save_global(self, model: Model) -> None:
        """Takes a model over as the newest global one."""
        save_model(self.path / GLOBAL, model)

    def load_personal(self, model: Model) -> Weights | None:
        """The personal weights that grew from this global model, if there are any.

        Damaged ones are set aside. Those that grew from another global model stay until the next learning.
        """
        path = self.path / PERSONAL
        if not path.exists():
            return None
        try:
            weights, provenance = load_weights(path)
        except DataError as error:
            self.notices.append(f"typing with the global model: {error}; kept in {set_aside(path)}")
            return None
        if not grew_from(provenance, model):
            self.notices.append(
                "the personal model grew from another global model: typing without it until it learns again"
            )
            return None
        return weights

    def save_personal(self, weights: Weights, model: Model) -> None:
        """Puts the personal weights, learned from those of `model`, in place of the ones before."""
        save_weights(self.path / PERSONAL, weights, next_provenance(model.weights, model.provenance, rounds=0))

    def drop_personal(self) -> None:
        """Removes personal weights, which grew from another global model, for good: the global ones are in use and shall be."""
        (self.path / PERSONAL).unlink(missing_ok=True)
