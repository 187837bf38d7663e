"""A profile: the folder of one person's keyboard, held by one process at a time.

key.json                 the encryption key, or the keyring entry that holds it
settings.json            the person's choices
store.sqlite             the messages and the ranks that the models gave their words; encrypted
personal.sealed          the personal weights, trained from the global ones; encrypted
personal.previous        the personal weights in use before, for a rollback; encrypted
hand.sealed              where the person touches the keys (`keyboard_app.learning.touches`); encrypted
hindsight.sealed         what other models would have offered (`keyboard_app.learning.hindsight`); encrypted
global/                  the newest global model adopted; absent while the shipped one is the newest
federation.sqlite        the membership of a federation and the updates shared (`keyboard_app.federating.membership`); encrypted
mailbox/                 messages exchanged with a desktop on this machine; not encrypted, since they leave the keyboard
spare                    room on the disk for deleting when the disk is full (`keyboard_app.recording.database.spare_room`)

A damaged file is kept under its name plus `.damaged`, a file whose key is lost under its name plus `.locked`. A file that may not
be read is left where it is.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from data.errors import DataError, UserFacingError
from data.files import write_by_rename
from data.tokenizer import tokenize
from federation.protocol.exchange_folder import Mailbox
from keyboard_app.recording.damage import set_aside
from keyboard_app.recording.database.schema import may_be_plain
from keyboard_app.recording.database.store import Store
from keyboard_app.recording.hand_file import load_hand, save_hand
from keyboard_app.recording.keyholder import KEY, obtain_key, read_key
from keyboard_app.recording.personal_file import Personal, Seen, load_personal, save_personal
from keyboard_app.recording.settings import SETTINGS, load_settings, save_settings
from keyboard_app.recording.vault import Vault
from model.device.folder import PRETRAINED, Model, check_sums, lexicon_for, load_model, phrases_for, recover, save_model
from model.device.gliding.hand import Hand
from model.device.learning.gate import held_back_from
from model.device.programs import find_program
from model.device.runtime import check_fits
from model.device.weights import Provenance, Weights, digest, load_weights, next_provenance

STORE, GLOBAL, PERSONAL, PREVIOUS = "store.sqlite", "global", "personal.sealed", "personal.previous"
HINDSIGHT, HAND = "hindsight.sealed", "hand.sealed"
RELEASING = "releasing"  # a model from the coordinator, on its way into the mailbox
_PLAIN_PERSONAL = "personal.safetensors"  # written by keyboards that did not encrypt


def default_path() -> Path:
    """Returns the folder of this user's own profile."""
    return user_data_path("federated-keyboard", appauthor=False)


def check_exists(path: Path, consequence: str = "") -> None:
    """Checks that there is a profile, whole or damaged, for a command that does not begin one.

    Args:
      path: the folder.
      consequence: what follows for the command if there is none, in words for the person.

    Raises:
      DataError: there is no profile in the folder.
    """
    if not any((path / name).exists() for name in (STORE, KEY, SETTINGS)):
        so = f", so {consequence}" if consequence else ""
        raise DataError(
            f"there is no keyboard profile in {path}{so}: check the path, or open the keyboard with it first"
        )


def profile_around(path: Path, profile: Path) -> Path | None:
    """Returns the profile whose folder a path leads into, by whatever spelling or link; None if it leads into none.

    `profile` is taken for one even if its files are missing. The path need not exist.
    """
    for folder in (path.resolve(), *path.resolve().parents, *path.absolute().parents):
        if folder.is_dir() and (folder.samefile(profile) or _has_files_of_a_profile(folder)):
            return folder
    return None


def _has_files_of_a_profile(folder: Path) -> bool:
    return (folder / STORE).exists() or ((folder / KEY).exists() and (folder / SETTINGS).exists())


def grew_from(provenance: Provenance, model: Model) -> bool:
    """Returns whether personal weights of this provenance were trained from this global model."""
    return (
        provenance.vocabulary_sha256 == model.vocabulary.sha256
        and provenance.config == model.provenance.config
        and provenance.parent == digest(model.weights)
    )


def read_vault(path: Path) -> Vault:
    """Returns the vault of a profile that is only read; its keyboard may be open.

    Raises:
      DataError: the key is missing, or is in a keyring that does not answer.
    """
    try:
        return Vault(read_key(path))
    except LookupError as error:
        raise DataError(
            f"the key of {path} cannot be read ({error}): open the keyboard with this profile first"
        ) from error


def _sweep(path: Path) -> None:
    """Removes temporary files left by processes that were killed while writing."""
    for name in (KEY, SETTINGS, PERSONAL, PREVIOUS, HINDSIGHT, HAND, _PLAIN_PERSONAL):
        for leftover in path.glob(f".{name}.*"):
            leftover.unlink()
    recover(path / RELEASING)
    shutil.rmtree(path / RELEASING, ignore_errors=True)
    Mailbox(path).sweep()


class Profile:
    """An open profile. `notices` are lines for the person about damaged files and how they were handled."""

    def __init__(self, path: Path, lock: FileLock, vault: Vault, store: Store, notices: list[str]) -> None:
        self.path = path
        self.store = store
        self.mailbox = Mailbox(path)
        self.notices = notices
        self.settings = load_settings(path / SETTINGS, notices)
        self.tried: set[str] = set()  # rounds that were answered or attempted: a failed one is not tried again
        self.vault = vault
        self._may_save_hand = True  # unless its file may not be read, which then stays as it is
        self._lock = lock
        # Ranks reveal words, together with the models, so that those of deleted messages must not stay.
        store.on_deletion = lambda: (path / HINDSIGHT).unlink(missing_ok=True)

    @classmethod
    def open(cls, path: Path, use_keyring: bool = True) -> Self:
        """Locks the profile for this process until `close` or the end of the process; creates the folder if it is missing.

        Args:
          path: the folder.
          use_keyring: whether the key of a new profile may be stored in the platform's keyring.

        Raises:
          DataError: another process holds the profile, the folder cannot be used, or its key is in a keyring that does not answer.
        """
        try:
            # Only the owner may read the messages; an existing folder keeps the permissions that its owner gave it.
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(path / ".lock")
            lock.acquire(blocking=False)
        except Timeout as error:
            raise DataError(
                f"the profile {path} is open in another keyboard: close that one, or choose another profile with --profile"
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
        """Encrypts the plain personal weights of an older keyboard; deletes damaged ones."""
        for plain in self.path.glob(f"{_PLAIN_PERSONAL}*"):
            try:
                if plain.name == _PLAIN_PERSONAL and not (self.path / PERSONAL).exists():
                    personal = Personal(*load_weights(plain), self._seen_before_sealing())
                    save_personal(self.path / PERSONAL, personal, self.vault)
            except OSError as error:  # a full disk: the next opening tries again
                self.notices.append(f"{plain} could not be encrypted yet: {error.strerror}")
                continue
            except UserFacingError:
                pass
            plain.unlink()

    def _seen_before_sealing(self) -> Seen:
        """Derives the messages that an older keyboard's network was trained on. That keyboard had no deletions and no imports."""
        met = [message for message in self.store.messages() if message.learning is not None]
        border = held_back_from([len(tokenize(message.text)) for message in met])
        return Seen(max((m.id for m in met), default=0), max((m.id for m in met[:border]), default=0), deletion=0)

    def _warn_of_plain_leftovers(self) -> None:
        for path in sorted(self.path.glob(f"{STORE}.*")):
            if not path.name.endswith(("-wal", "-shm")) and may_be_plain(path):
                self.notices.append(
                    f"{path} was set aside and may hold messages that are not encrypted: delete it when you no longer need it"
                )

    def close(self) -> None:
        """Releases the profile."""
        self.store.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def choose(self, **choices: Any) -> None:
        """Changes settings, given by their names in `UserSettings`, and saves them.

        Raises:
          DataError: a value is not allowed, or the file cannot be written; the settings stay as they were.
        """
        settings = replace(self.settings, **choices)
        save_settings(self.path / SETTINGS, settings)
        self.settings = settings

    def load_global(self, shipped: Path = PRETRAINED) -> Model:
        """Loads the newest adopted global model, or the shipped one; sets a damaged adopted one aside.

        A model whose lexicon or phrases are missing or damaged gets those of the shipped model if they fit its vocabulary.

        Raises:
          DataError: the shipped model is damaged or missing.
        """
        model = self._adopted_or(shipped)
        if model.lexicon is None:
            model = replace(model, lexicon=lexicon_for(model, shipped))
        if model.phrases is None and (phrases := phrases_for(model, shipped)) is not None:
            model = replace(model, phrases=phrases, notice="")
        if model.notice:
            self.notices.append(model.notice)
        return model

    def _adopted_or(self, shipped: Path) -> Model:
        if (folder := self.path / GLOBAL).is_dir():
            try:
                check_sums(folder)  # a damaged program may end this process when it runs
                model = load_model(folder)
                # An app update may bring a newer program than the one that the model was adopted with.
                program = find_program(model.provenance.config)
                if program is None:
                    model.start()  # running it is the only way to know that the program of an older keyboard is intact
                return replace(model, program=program or model.program)
            except UserFacingError as error:
                if isinstance(error.__cause__, PermissionError):
                    self.notices.append(
                        f"the model in {shipped} is in use: {error}: make sure that you may read the file"
                    )
                    return _intact(shipped)
                self.notices.append(
                    f"the model in {shipped} is in use: {error}; the damaged one is kept in {set_aside(folder)}"
                )
        return _intact(shipped)

    def save_global(self, model: Model) -> None:
        """Saves a model as the newest global one."""
        save_model(self.path / GLOBAL, model, with_sums=True)

    def load_personal(self, model: Model) -> Personal | None:
        """Loads the personal network trained from this global model; None if there is none.

        A damaged one is set aside. One that was trained from another global model stays until the next learning.
        """
        path = self.path / PERSONAL
        if not path.exists():
            return None
        try:
            personal = load_personal(path, self.vault)
        except UserFacingError as error:
            if isinstance(error.__cause__, PermissionError):
                self.notices.append(f"the shared model is in use: {error}: make sure that you may read the file")
                return None
            self.notices.append(f"the shared model is in use: {error}; the damaged file is kept in {set_aside(path)}")
            return None
        if not grew_from(personal.provenance, model):
            self.notices.append(
                "the personal model was trained from another global model: it is not used until the keyboard has learned again"
            )
            return None
        return personal

    def save_personal(self, weights: Weights, model: Model, seen: Seen, keep_previous: bool = True) -> None:
        """Replaces the personal weights by new ones, trained from `model`; keeps the old ones for a rollback, or deletes them."""
        provenance = next_provenance(model.weights, model.provenance, rounds=0)
        current, previous = self.path / PERSONAL, self.path / PREVIOUS
        if keep_previous and current.exists():
            write_by_rename(previous, current.read_bytes(), mode=0o600)
        else:
            previous.unlink(missing_ok=True)
        save_personal(current, Personal(weights, provenance, seen), self.vault)

    def restore_previous(self, model: Model) -> Personal | None:
        """Replaces the personal weights by the previous ones, or removes them if there are none; returns the network in use then.

        Removes previous weights that were trained from another global model.
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
        """Deletes all personal weights permanently."""
        # In this order, so that killing the process in between leaves no weights to roll back to.
        (self.path / PREVIOUS).unlink(missing_ok=True)
        (self.path / PERSONAL).unlink(missing_ok=True)

    def load_hand(self) -> Hand:
        """Loads where the person touches the keys; without a file, nothing is known of the hand. A damaged file is set aside."""
        path = self.path / HAND
        if not path.exists():
            return Hand()
        try:
            return load_hand(path, self.vault)
        except UserFacingError as error:
            lost = "where you touch the keys is learned anew"
            if isinstance(error.__cause__, PermissionError):
                self._may_save_hand = False
                self.notices.append(f"{lost}: {error}: make sure that you may read the file")
            else:
                self.notices.append(f"{lost}: {error}; the damaged file is kept in {set_aside(path)}")
            return Hand()

    def save_hand(self, hand: Hand) -> None:
        """Saves where the person touches the keys.

        Raises:
          DataError: the file cannot be written.
        """
        if self._may_save_hand:
            save_hand(self.path / HAND, hand, self.vault)

    def drop_hand(self) -> None:
        """Deletes where the person touches the keys permanently."""
        (self.path / HAND).unlink(missing_ok=True)


def _intact(folder: Path) -> Model:
    """Reads a model folder; a program that did not come with the app is tried, because typing does without one.

    Raises:
      DataError: the folder is damaged or missing.
    """
    model = load_model(folder)
    if model.program != find_program(model.provenance.config):
        check_fits(model.program, model.provenance.config)
    return model
