"""The commands `keyboard data …`: what is recorded, to list, search, delete, export, and to add to."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from data.errors import DataError
from data.files import write_by_rename
from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.learning import Learning
from keyboard_app.my_data.importing import Importing
from model.device.weights import next_provenance, to_bytes


def add_data_commands(commands: argparse._SubParsersAction, common: Callable[[], argparse.ArgumentParser]) -> None:
    """Adds `data` and what belongs to it; `common` makes the parent with the options that all commands have."""
    data = commands.add_parser(
        "data", parents=[common()], help="list, search, delete, export or import what is recorded"
    )
    what = data.add_subparsers(dest="what", metavar="WHAT", required=True, parser_class=type(data))
    listing = what.add_parser("list", parents=[common()], help="the messages recorded, newest first")
    listing.add_argument("--search", default="", metavar="TEXT", help="only those that hold this text")
    listing.add_argument("--count", type=int, default=50, metavar="N", help="so many at most (default: 50)")
    delete = what.add_parser("delete", parents=[common()], help="delete messages for good")
    delete.add_argument("ids", type=int, nargs="*", metavar="ID", help="as `list` shows them")
    delete.add_argument("--all", action="store_true", dest="everything", help="all messages, and the words you marked")
    export = what.add_parser("export", parents=[common()], help="write all messages, not sealed, as JSON Lines")
    export.add_argument("file", type=Path, metavar="FILE")
    importing = what.add_parser(
        "import", parents=[common()], help="learn from a text, JSON Lines or a WhatsApp chat export"
    )
    importing.add_argument("file", type=Path, metavar="FILE")
    importing.add_argument("--person", metavar="NAME", help="whose messages are yours, where several people wrote")
    what.add_parser(
        "relearn", parents=[common()], help="learn anew from what is left, so that nothing deleted is held any more"
    )
    model = what.add_parser("model", parents=[common()], help="write the weights of your personal model, not sealed")
    model.add_argument("file", type=Path, metavar="FILE")


def run_data_command(device: Device, options: argparse.Namespace) -> tuple[list[str], dict[str, object]]:
    """Does what the options say; returns the lines for people and the content for programs.

    Raises:
      DataError: it cannot be done.
    """
    my_data = device.my_data
    if options.what == "list":
        messages = my_data.page(options.search, count=options.count)
        lines = [f"{m.id:>6}  {m.time}  {m.text}" for m in messages]
        shown = [{"id": m.id, "time": m.time, "text": m.text, "imported": m.imported} for m in messages]
        return lines or ["no such message"], {"messages": shown}
    if options.what == "delete":
        if bool(options.ids) == options.everything:
            raise DataError("say which messages to delete, by their ids, or --all")
        before = my_data.count()
        if options.everything:
            my_data.delete_all()
        else:
            my_data.delete(options.ids)
        deleted, held = before - my_data.count(), my_data.still_held
        lines = [f"deleted {deleted:,} messages for good"]
        if held:
            lines.append(f"your personal model may still hold {held:,} deleted messages until `keyboard data relearn`")
        return lines, {"deleted": deleted, "still_held": held}
    if options.what == "export":
        count = my_data.export(options.file)
        return [f"wrote {count:,} messages to {options.file}, which is not sealed"], {"exported": count}
    if options.what == "import":
        return _import(device, options.file, options.person)
    if options.what == "relearn":
        line = run(Learning(device.profile, device.models, over_again=True))
        return [line], {"personal_model": device.models.personalized, "still_held": my_data.still_held}
    personal, model = device.models.personal, device.models.global_model
    if personal is None:
        raise DataError("there is no personal model yet: it comes with learning")
    content = to_bytes(personal, next_provenance(model.weights, model.provenance, rounds=0))
    write_by_rename(options.file, content, mode=0o600)  # it may betray words
    return [f"wrote the personal model to {options.file}, which is not sealed"], {"model": str(options.file)}


def _import(device: Device, file: Path, person: str | None) -> tuple[list[str], dict[str, object]]:
    task = Importing(device.profile, device.models, file, person)
    work, told = task.work(), -1
    for step in work:
        if sys.stderr.isatty() and (percent := 100 * step.batch // step.batches) != told:
            told = percent
            sys.stderr.write(f"\r{task.title} … {percent}%")
    if told >= 0:
        sys.stderr.write("\n")
    if task.unclear is not None:
        raise DataError(f"several people wrote in {file}: say by --person NAME who you are, of {task.unclear}")
    return [task.finish()], {"imported": task.imported, "left_out": task.refused}
