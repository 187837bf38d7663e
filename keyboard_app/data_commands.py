"""The commands `keyboard data …`, by which a person reads, deletes, exports and imports messages, and exports their model."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from data.errors import DataError
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.my_data.importing import Importing
from keyboard_app.my_data.my_data import write_export
from keyboard_app.my_data.source import TEXT, Source
from model.device.weights import next_provenance, to_bytes

_LINES_SHOWN = 4  # of a plain text, before it is imported

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)


def add_data_commands(commands: "argparse._SubParsersAction[_Parser]", common: Callable[[], _Parser]) -> None:
    """Adds `data` and its subcommands; `common` returns a parent parser with the options that all commands share."""
    data = commands.add_parser(
        "data", parents=[common()], help="list, search, delete, export or import recorded messages"
    )
    subcommands = data.add_subparsers(dest="data_command", metavar="COMMAND", required=True, parser_class=type(data))
    listing = subcommands.add_parser("list", parents=[common()], help="list the recorded messages, newest first")
    listing.add_argument(
        "--search", default="", metavar="TEXT", help="list only messages that contain this text (default: all)"
    )
    listing.add_argument("--count", type=int, default=50, metavar="N", help="list at most N messages (default: 50)")
    delete = subcommands.add_parser("delete", parents=[common()], help="delete messages permanently")
    delete.add_argument(
        "ids", type=int, nargs="*", metavar="ID", help="a message's number, as `keyboard data list` shows it"
    )
    delete.add_argument("--all", action="store_true", dest="everything", help="delete all messages and marked words")
    export = subcommands.add_parser("export", parents=[common()], help="write all messages, unencrypted, to a file")
    export.add_argument(
        "file", type=Path, metavar="FILE", help="the JSON Lines file to write; an existing one is replaced"
    )
    importing = subcommands.add_parser(
        "import",
        parents=[common()],
        help="import your own messages to learn from: a chat's export, a table, JSON or plain text",
    )
    importing.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="the UTF-8 file: a chat exported as text, JSON or CSV; a backup of text messages in XML; or plain text with one "
        "message per line",
    )
    importing.add_argument(
        "--person", metavar="NAME", help="your name in the file, if it names the people who wrote in it (default: none)"
    )
    importing.add_argument(
        "--plain", action="store_true", help="import plain text: you have looked at the file and wrote all of it"
    )
    subcommands.add_parser(
        "relearn",
        parents=[common()],
        help="learn again from the remaining messages, so that the model keeps no trace of deleted ones",
    )
    model = subcommands.add_parser(
        "model", parents=[common()], help="write the weights of your personal model, unencrypted"
    )
    model.add_argument(
        "file", type=Path, metavar="FILE", help="the safetensors file to write; an existing one is replaced"
    )


def run_data_command(device: Device, options: argparse.Namespace) -> tuple[list[str], dict[str, object]]:
    """Runs the subcommand; returns the lines to print and the content for `--json`.

    Raises:
      DataError: the options do not fit each other, or the subcommand failed.
    """
    my_data = device.my_data
    if options.data_command == "list":
        if options.count < 1:
            raise DataError("--count must be at least 1: give it a larger number")
        messages = my_data.page(options.search, count=options.count)
        lines = [f"{m.id:>6}  {m.time}  {m.text}" for m in messages]
        shown = [{"id": m.id, "time": m.time, "text": m.text, "imported": m.imported} for m in messages]
        return lines or ["no messages found"], {"messages": shown}
    if options.data_command == "delete":
        if bool(options.ids) == options.everything:
            raise DataError("name the messages to delete by their numbers, or give --all without numbers")
        before = my_data.count()
        if options.everything:
            my_data.delete_all()
        else:
            my_data.delete(options.ids)
        deleted, held = before - my_data.count(), my_data.still_held
        lines = [f"deleted {deleted:,} {_messages(deleted)} permanently"]
        if held:
            lines.append(
                f"your personal model may still hold traces of {held:,} deleted {_messages(held)}: run `keyboard data relearn`"
            )
        return lines, {"deleted": deleted, "still_held": held}
    if options.data_command == "export":
        count = my_data.export(options.file)
        return [f"wrote {count:,} {_messages(count)}, unencrypted, to {options.file}"], {"exported": count}
    if options.data_command == "import":
        return _import(device, options.file, options.person, options.plain)
    if options.data_command == "relearn":
        line = run(Learning(device.profile, device.models, over_again=True))
        return [line], {"personal_model": device.models.personalized, "still_held": my_data.still_held}
    personal, model = device.models.personal, device.models.global_model
    if personal is None:
        raise DataError("there is no personal model yet: let the keyboard learn first")
    content = to_bytes(personal, next_provenance(model.weights, model.provenance, rounds=0))
    write_export(options.file, content, device.profile.path)  # only for the owner: weights can reveal words
    return [f"wrote the personal model, unencrypted, to {options.file}"], {"model": str(options.file)}


def _messages(count: int) -> str:
    return "message" if count == 1 else "messages"


def _import(device: Device, file: Path, person: str | None, plain: bool) -> tuple[list[str], dict[str, object]]:
    task = Importing(device.profile, device.models, file, person, plain)
    work, shown = task.work(), -1
    for step in work:
        if sys.stderr.isatty() and (percent := 100 * step.batch // step.batches) != shown:
            shown = percent
            sys.stderr.write(f"\r{task.title} … {percent}%")
    if shown >= 0:
        sys.stderr.write("\n")
    if task.unclear is not None:
        raise DataError(_question(file, task.unclear))
    return [task.finish()], {"imported": task.imported, "left_out": task.left_out}


def _question(file: Path, source: Source) -> str:
    """Returns what the person has to say before their messages can be imported, and the option for it."""
    if source.kind == TEXT:
        beginning = " / ".join(source.beginning(_LINES_SHOWN))
        return f"{file} is plain text and does not say who wrote it. It begins: {beginning} – if you wrote all of it, add --plain"
    if len(source.people) == 1:
        return f"one person wrote in {file}, {source}: if that is you, name yourself with --person NAME"
    return f"several people wrote in {file}: name yourself with --person NAME, one of {source}"
