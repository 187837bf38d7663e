"""The PostgreSQL database of the federation in a folder, remembered so that no start goes on with another one by mistake.

The folder of a federation holds its models. A file beside them names the database, without a password, and the federation in it.
"""

import json
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from data.errors import DataError
from data.files import write_by_rename

_FILE = "database.json"


def check_place(folder: Path, file: Path, url: str | None) -> None:
    """Checks that the federation in a folder keeps its store where it is about to be opened.

    Args:
      folder: the coordinator's folder; it may be missing.
      file: the SQLite file of a federation that keeps its store there.
      url: address of a PostgreSQL database; None for the file.

    Raises:
      DataError: it keeps its store elsewhere.
    """
    if url is None and (folder / _FILE).exists():
        raise DataError(f"the federation in {folder} keeps its rounds in {_remembered(folder)[1]}: add --database")
    if url is not None and file.exists():
        raise DataError(
            f"the federation in {folder} keeps its rounds in {file.name} there: leave out --database, or begin a new federation "
            "with another --folder"
        )


def remember_place(folder: Path, url: str, federation: str) -> None:
    """Notes in a folder that the federation in it keeps its store in a database.

    Args:
      folder: the coordinator's folder.
      url: address of the database.
      federation: the name that was given to the federation when its tables were made.

    Raises:
      DataError: the database belongs to the federation of another folder.
      OSError: the note cannot be written.
    """
    if (folder / _FILE).exists():
        if _remembered(folder)[0] != federation:
            raise DataError(
                f"the database belongs to another federation than the one in {folder}: check --database and --folder"
            )
        return
    if (folder / "models").exists() and any((folder / "models").iterdir()):
        raise DataError(
            f"{folder} holds models of a federation, but does not say which database belongs to it: restore {_FILE}"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    note = {"federation": federation, "address": make_url(url).set(password=None).render_as_string()}
    write_by_rename(folder / _FILE, json.dumps(note).encode(), mode=0o600)


def _remembered(folder: Path) -> tuple[str, str]:
    """Returns the name of the federation in a folder, and the address of its database."""
    try:
        content = json.loads((folder / _FILE).read_text("utf-8"))
        return str(content["federation"]), str(content["address"])
    except (OSError, ValueError, TypeError, KeyError, ArgumentError) as error:
        raise DataError(f"cannot read {folder / _FILE}: restore it from a copy") from error
