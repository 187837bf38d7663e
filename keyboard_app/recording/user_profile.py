"""A profile: the folder with all that one person's keyboard keeps, held by one process at a time.

key.json                 the key that what is personal is sealed with, or where in the keyring it is
settings.json            what the person has chosen
store.sqlite             the messages sent, and what the models had expected; sealed
personal.sealed          the personal weights, learned on top of the global ones; sealed
personal.previous        those that were in use before, to roll back to; sealed
global/                  the newest global model taken over; absent as long as the shipped one is the newest
federation.sqlite        whether it belongs to a federation, and what it shared (`federating.membership`); sealed
mailbox/                 what a desktop on the same machine and this keyboard say to each other; not sealed, as it leaves

Files that turn out to be damaged are kept beside these with `.damaged` behind their names, those whose key is gone with `.locked`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from data.tokenizer import tokenize
from federation.protocol.mailbox import Mailbox
from keyboard_app.recording.damage import set_aside
from keyboard_app.recording.keyholder import KEY, obtain_key, read_key
from keyboard_app.recording.personal_file import Personal, Seen, load_personal, save_personal
from keyboard_app.recording.schema import may_be_plain
from keyboard_app.recording.settings import SETTINGS, load_settings, save_settings
from keyboard_app.recording.store import Store
from keyboard_app.recording.vault import Vault
from model.device.folder import PRETRAINED, Model, load_model, recover, save_model
from model.device.learning.gate import held_back_from
from model.device.weights import Provenance, Weights, digest, load_weights, next_provenance

STORE, GLOBAL, PERSONAL, PREVIOUS = "store.sqlite", "global", "personal.sealed", "personal.previous"
_PLAIN_PERSONAL = "personal.safetensors"  # of a keyboard before it sealed anything


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


def read_vault(path: Path) -> Vault:
    """The vault of a profile that is only looked at, also while its keyboard is open.

    Raises:
      DataError: there is no key, or it cannot be had for now.
    """
    try:
        return Vault(read_key(path))
    except LookupError as error:
        raise DataError(f"{path} has no key to read it with ({error}): open the keyboard with it first") from error


def _sweep(path: Path) -> None:
    """Removes what processes that were killed while they wrote a file have left beside its place."""
    for name in (KEY, SETTINGS, PERSONAL, PREVIOUS, _PLAIN_PERSONAL):
        for leftover in path.glob(f".{name}.*"):
            leftover.unlink()


class Profile:
    """An open profile. `notices` are lines for the person, about what was found damaged and what was done about it."""

    def __init__(self, path: Path, lock: FileLock, vault: Vault, store: Store, notices: list[str]) -> None:
        self.path = path
        self.store = store
        self.mailbox = Mailbox(path)
        self.notices = notices
        self.settings = load_settings(path / SETTINGS, notices)
        self.tried: set[str] = set()  # rounds that an answer was begun to; one that failed is not begun again and again
        self.vault = vault
        self._lock = lock

    @classmethod
    def open(cls, path: Path, use_keyring: bool = True) -> Self:
        """Takes the profile for this process, until `close` or the end of the process; makes the folder where there is none.

        Args:
          path: the folder.
          use_keyring: whether the key of a new profile may go into the platform's keyring.

        Raises:
          DataError: another process holds it, the folder cannot be used, or its key cannot be had for now.
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
            _sweep(path)
            notices: list[str] = []
            vault = Vault(obtain_key(path, notices, use_keyring))
            profile = cls(path, lock, vault, Store.open(path / STORE, vault, notices), notices)
            profile._seal_plain_personal()
            profile._warn_of_plain_leftovers()
            return profile
        except BaseException:
            lock.release()
            raise

    def _seal_plain_personal(self) -> None:
        """Seals the personal weights that an older keyboard left in the clear; damaged ones, which teach nobody, go."""
        for plain in self.path.glob(f"{_PLAIN_PERSONAL}*"):
            try:
                if plain.name == _PLAIN_PERSONAL and not (self.path / PERSONAL).exists():
                    personal = Personal(*load_weights(plain), self._seen_before_sealing())
                    save_personal(self.path / PERSONAL, personal, self.vault)
            except OSError as error:  # a full disk: it is done the next time
                self.notices.append(f"{plain} is not sealed yet: {error.strerror}")
                continue
            except UserFacingError:
                pass
            plain.unlink()

    def _seen_before_sealing(self) -> Seen:
        """What the personal network of an older keyboard has seen, which did not say: nothing was deleted or imported then."""
        met = [message for message in self.store.messages() if message.learning is not None]
        border = held_back_from([len(tokenize(message.text)) for message in met])
        return Seen(max((m.id for m in met), default=0), max((m.id for m in met[:border]), default=0), deletion=0)

    def _warn_of_plain_leftovers(self) -> None:
        for path in sorted(self.path.glob(f"{STORE}.*")):
            if not path.name.endswith(("-wal", "-shm")) and may_be_plain(path):
                self.notices.append(
                    f"{path} was set aside and may hold messages that are not sealed: delete it when you can"
                )

    def close(self) -> None:
        """Gives the profile free."""
        self.store.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def choose(self, **choices: Any) -> None:
        """Changes settings, by the names of `Settings`, and keeps them.

        Raises:
          DataError: a choice is none of those there are, or cannot be written; the settings stay as they were.
        """
        settings = replace(self.settings, **choices)
        save_settings(self.path / SETTINGS, settings)
        self.settings = settings

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
            except UserFacingError as error:
                self.notices.append(f"typing with the model in {shipped}: {error}; kept in {set_aside(folder)}")
        return load_model(shipped)

    def save_global(self, model: Model) -> None:
        """Takes a model over as the newest global one."""
        save_model(self.path / GLOBAL, model)

    def load_personal(self, model: Model) -> Personal | None:
        """The personal network that grew from this global model, if there is one.

        A damaged one is set aside. One that grew from another global model stays until the next learning.
        """
        path = self.path / PERSONAL
        if not path.exists():
            return None
        try:
            personal = load_personal(path, self.vault)
        except UserFacingError as error:
            self.notices.append(f"typing with the global model: {error}; kept in {set_aside(path)}")
            return None
        if not grew_from(personal.provenance, model):
            self.notices.append(
                "the personal model grew from another global model: typing without it until it learns again"
            )
            return None
        return personal

    def save_personal(self, weights: Weights, model: Model, seen: Seen, keep_previous: bool = True) -> None:
        """Puts the personal weights, learned from those of `model`, in place of the ones before, which can be had back or not."""
        provenance = next_provenance(model.weights, model.provenance, rounds=0)
        current, previous = self.path / PERSONAL, self.path / PREVIOUS
        if keep_previous and current.exists():
            write_by_rename(previous, current.read_bytes(), mode=0o600)
        else:
            previous.unlink(missing_ok=True)
        save_personal(current, Personal(weights, provenance, seen), self.vault)

    def restore_previous(self, model: Model) -> Personal | None:
        """Puts the personal weights from before in place of the present ones, for good; where there are none, none are left.

        Those from before count only if they grew from this global model.
        """
        current, previous = self.path / PERSONAL, self.path / PREVIOUS
        if previous.exists():
            previous.replace(current)
        else:
            current.unlink(missing_ok=True)
        personal = self.load_personal(model)
        if personal is None:
            current.unlink(missing_ok=True)
        return personal

    def drop_personal(self) -> None:
        """Removes all personal weights for good."""
        # In this order: a kill in between must not leave weights that a later one would roll back to.
        (self.path / PREVIOUS).unlink(missing_ok=True)
        (self.path / PERSONAL).unlink(missing_ok=True)
