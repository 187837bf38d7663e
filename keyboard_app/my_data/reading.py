"""Reads a file of messages. Its format is recognized over the whole file; a file that is not understood is refused.

- SMS Backup & Restore (XML): the messages that the person sent;
- JSON Lines as `data.corpus` reads and `MyData.export` writes them, and the JSON of several apps;
- tables (CSV) with columns of senders and texts;
- chats as text, by WhatsApp, LINE, KakaoTalk, Telegram and others (`chat_lines`);
- plain text, one message a line, if nothing in it looks like any other kind of file.
"""

import re
from pathlib import Path

from data.corpus import JsonLines
from data.errors import DataError
from keyboard_app.my_data.chat_lines import read_chat
from keyboard_app.my_data.message_objects import looks_like_json, read_json, read_table
from keyboard_app.my_data.plain_text import lines_of, why_not_plain
from keyboard_app.my_data.sms_backup import read_sms_backup
from keyboard_app.my_data.source import TEXT, Source

MAX_BYTES = 50_000_000

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")  # control characters that do not occur in text
_XML = re.compile(r"<\?xml\s|<smses[\s>]")
_JSON_LINE = re.compile(r'\{(?=[^\n]*"user"\s*:)[^\n\[]*\}\s*(?:\n|\Z)')  # of the keyboard itself
_BREAK = re.compile("\r\n?")
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # how UTF-16 begins


def read_source(path: Path) -> Source:
    """Reads a file.

    Raises:
      DataError: the file cannot be read, is too large, is not text, is of a kind that is not understood, or holds no message.
    """
    text = _read_text(path).lstrip("\ufeff \n\t")
    try:
        source = _recognize(text, path)
    except DataError as error:
        if str(error).startswith(str(path)):
            raise
        raise DataError(f"{path} {error}") from error
    if not any(source.messages.values()):
        left_out = ", apart from some that may hold other people's words" if any(source.doubtful.values()) else ""
        raise DataError(f"{path} holds no message{left_out}: check that it is the right file")
    return source


def _recognize(text: str, path: Path) -> Source:
    if _XML.match(text):
        return read_sms_backup(text)
    if _JSON_LINE.match(text):
        corpus = JsonLines(path)
        return Source("JSON Lines", {user: list(corpus.messages(user)) for user in corpus.users()})
    if looks_like_json(text):
        return read_json(text)
    if (table := read_table(text)) is not None:
        return table
    if (chat := read_chat(text.split("\n"))) is not None:
        return chat
    lines = lines_of(text)
    if not lines:
        return Source(TEXT, {})
    if (looks_like := why_not_plain(lines)) is not None:
        raise DataError(
            f"looks like {looks_like}, but its format is not understood, so that your own messages cannot be told from others: "
            'export it as JSON or as CSV with the columns "from" and "text", or keep only your own texts, one a line'
        )
    return Source(TEXT, {"": lines})


def _read_text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is not a file: choose a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB: import a part of it")
    if content.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is not text but a ZIP archive: unpack it and import the text file in it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = " but UTF-16" if content.startswith(_WIDE) else f" (byte {error.start})"
        raise DataError(
            f"{path} is not UTF-8 text{kind}: save it as UTF-8 text, for example in a text editor"
        ) from error
    if (control := _CONTROL.search(text)) is not None:
        raise DataError(f"{path} is not text (it holds the control character {control.group()!r}): export it as text")
    return _BREAK.sub("\n", text)
