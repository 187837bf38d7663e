"""Messages in JSON and in tables: every object or row has fields that hold the sender and the text.

Known are the exports of Telegram, Discord, Facebook, Instagram, Google Chat and Slack, and whatever else names these fields alike.
"""

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from data.errors import DataError
from keyboard_app.my_data.placeholders import is_by_facebook, without_quotations
from keyboard_app.my_data.source import Source

_Message = Mapping[str, Any]

# Names of fields, in the order in which they are looked for. Headings of tables are compared without case.
_SENDERS = (
    *("from", "sender", "sender_name", "sendername", "author", "creator", "user_profile", "user", "username"),
    *("nickname", "from_name", "fromname", "name", "von", "absender", "autor", "de", "expéditeur", "auteur"),
    *("remitente", "mittente", "autore", "remetente", "afzender", "nadawca", "отправитель", "автор", "发送者"),
    *("发送人", "送信者", "보낸사람"),
)
_TEXTS = (
    *("text", "content", "body", "message", "msg", "nachricht", "inhalt", "texte", "contenu", "texto"),
    *("mensaje", "contenido", "mensagem", "messaggio", "testo", "bericht", "tekst", "wiadomość", "сообщение"),
    *("текст", "消息", "内容", "メッセージ", "메시지"),
)
_TIMES = ("timestamp_ms", "date_unixtime", "timestamp", "created_at", "date", "time", "ts")
_IDS = ("from_id", "sender_id", "senderid", "author_id", "authorid", "user_id", "userid")
_NAMES = ("real_name", "name", "display_name", "displayname", "nickname", "username", "global_name", "id")
# Types of messages that people write.
_ORDINARY = ("message", "default", "reply", "generic", "text", "richtext", "chat", "19", "0")
_KINDS = ("type", "messagetype", "subtype")  # fields of an app's notices; columns of these names mean something else
# Fields of messages that were not written here: forwarded, by a bot, or taken back.
_NOT_WRITTEN = (
    *("forwarded_from", "forwarded_from_id", "forward_from", "isforwarded", "is_forwarded", "fwd_from", "via_bot"),
    *("is_unsent", "isunsent"),
)

_BROKEN_JSON = re.compile(r"\[\s*(?:\{|\"[^\"\n]*\"\s*[,\]])|\{\s*[\"}\\]")
_HEADING_WITHIN = 5  # lines within which a table's heading is looked for
_DELIMITERS = ",;\t|"
_LONGEST_HEADING = 1_000  # characters
_MOST_DEPTH = 5  # levels of objects around the messages


def looks_like_json(text: str) -> bool:
    """Returns whether a text begins as JSON does."""
    return _BROKEN_JSON.match(text) is not None


def read_json(text: str) -> Source:
    """Reads the messages of a JSON document.

    Raises:
      DataError: it is not JSON, or its messages do not say who sent them.
    """
    messages = [message for chat in _lists_of_messages(_parse(text), _MOST_DEPTH) for message in chat]
    if not messages:
        raise DataError(
            "is JSON whose messages do not say who sent them: import a list of objects with fields such as "
            '"from" and "text"'
        )
    return Source("JSON", _by_sender(messages))


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # malformed, a number with too many digits, or nested too deeply
        try:  # an object on each line
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        except (ValueError, RecursionError):
            raise DataError(
                f"is not JSON, although it begins so ({getattr(error, 'msg', error)}): export the chat again"
            ) from error


def _lists_of_messages(document: Any, depth: int) -> Iterator[list[_Message]]:
    """Yields the lists of objects with a sender and a text, at most `depth` levels below the document."""
    if isinstance(document, list) and document and all(isinstance(item, dict) for item in document):
        messages: list[_Message] = [{key.lower(): value for key, value in item.items()} for item in document]
        if _field(_SENDERS, messages) and _field(_TEXTS, messages):
            yield messages
            return
    children = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    if depth:
        for child in children:
            yield from _lists_of_messages(child, depth - 1)


def read_table(text: str) -> Source | None:
    """Reads a table whose heading names the columns of senders and texts; returns None if there is no such heading.

    Raises:
      DataError: a row does not fit the heading, so that its columns cannot be told apart.
    """
    beginning = text.split("\n", _HEADING_WITHIN)[:_HEADING_WITHIN]
    for number, line in enumerate(beginning):
        for delimiter in _DELIMITERS if len(line) <= _LONGEST_HEADING else "":
            columns = [cell.strip().lower() for cell in next(csv.reader([line], delimiter=delimiter), [])]
            sender, content = _among(_SENDERS, columns), _among(_TEXTS, columns)
            if sender is not None and content is not None:
                table = "".join(text.split("\n", number + 1)[number + 1 :])
                rows = list(_rows(table, columns, delimiter, number + 1))
                senders = {row[sender].strip() for row in rows}
                whole = [row for row in rows if not _holds_row(row[content], delimiter, len(columns), senders)]
                doubtful = Counter(row[sender].strip() for row in rows) - Counter(row[sender].strip() for row in whole)
                return Source("table", _by_sender(whole), doubtful)
    return None


def _rows(table: str, columns: list[str], delimiter: str, before: int) -> Iterator[dict[str, str]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(table)))
    rows = csv.reader(io.StringIO(table, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(columns):
                raise DataError(
                    f"is a table with {len(columns)} columns, but the row that ends in line {before + rows.line_num} has "
                    f"{len(row)}: export it again, with texts in quotation marks"
                )
            yield {name: cell for name, cell in zip(columns, row, strict=True) if name not in _KINDS}
    except csv.Error as error:
        raise DataError(
            f"is a table that cannot be read at line {before + rows.line_num} ({error}): export it again"
        ) from error


def _holds_row(text: str, delimiter: str, columns: int, senders: Collection[str]) -> bool:
    """Returns whether a text of several lines has another row in it, because a quotation mark is missing."""
    for line in text.split("\n")[1:]:
        cells = line.split(delimiter)
        if len(cells) >= columns and any(cell.strip(' "') in senders for cell in cells):
            return True
    return False


def _among(names: Sequence[str], fields: Sequence[str]) -> str | None:
    return next((name for name in names if name in fields), None)


def _field(names: Sequence[str], messages: Sequence[_Message]) -> str | None:
    """Returns the first of these names that at least half of the messages have; None if there is no such field."""
    counts = Counter(key for message in messages for key in message)
    return next((name for name in names if counts[name] * 2 >= len(messages)), None)


def _by_sender(messages: Sequence[_Message]) -> dict[str, list[str]]:
    sender, text, id_ = _field(_SENDERS, messages), _field(_TEXTS, messages), _field(_IDS, messages)
    written: list[tuple[str, str, str]] = []
    for message in _in_order(messages):
        repair = _repaired if "timestamp_ms" in message else str
        name = _clean(repair(_name_of(message.get(sender or "")))).replace("\n", " ").strip()
        content = without_quotations(_clean(repair(_text_of(message.get(text or "")))))
        if "timestamp_ms" in message and is_by_facebook(name, content):
            continue
        if name and content and _is_ordinary(message):
            written.append((name, str(message.get(id_ or "") or _id_of(message.get(sender or ""))), content))
    ids: dict[str, set[str]] = defaultdict(set)
    for name, number, _ in written:
        ids[name].add(number)
    found: dict[str, list[str]] = defaultdict(list)
    for name, number, content in written:  # two people of one name are told apart by their numbers
        found[name if len(ids[name]) == 1 else f"{name} ({number or '?'})"].append(content)
    return dict(found)


def _in_order(messages: Sequence[_Message]) -> Sequence[_Message]:
    """Returns the messages, oldest first, if all have a time of one kind; otherwise as they are."""
    field = _field(_TIMES, messages)
    times = [message.get(field or "") for message in messages]
    if all(isinstance(time, int | float) for time in times):
        return sorted(messages, key=lambda message: message[str(field)])  # not as floats, which overflow
    if all(isinstance(time, str) and re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", time) for time in times):
        return sorted(messages, key=lambda message: str(message[str(field)]))
    return messages


def _is_ordinary(message: _Message) -> bool:
    """Returns whether a person wrote the message here: it is no notice of the app and was not forwarded."""
    if "call_duration" in message or any(message.get(field) for field in _NOT_WRITTEN):
        return False
    kinds = (message.get("type"), message.get("messagetype"))
    return "subtype" not in message and all(kind is None or str(kind).lower() in _ORDINARY for kind in kinds)


def _name_of(sender: Any) -> str:
    if isinstance(sender, dict):
        lowered = {str(key).lower(): value for key, value in sender.items()}
        sender = next((lowered[name] for name in _NAMES if lowered.get(name)), "")
    return str(sender) if isinstance(sender, str | int) else ""


def _id_of(sender: Any) -> str:
    return str(sender.get("id", "")) if isinstance(sender, dict) else ""


def _text_of(text: Any) -> str:
    """Returns the text of a message; Telegram splits it into plain parts and parts with a type, such as links."""
    if isinstance(text, list):
        if any(isinstance(part, dict) and part.get("type") == "blockquote" for part in text):
            return ""  # a quotation of somebody
        text = "".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in text)
    if not isinstance(text, str) or "<quote " in text:  # Skype's mark of a quotation
        return ""
    return text


def _clean(text: str) -> str:
    """Returns the text without control characters and halves of surrogate pairs, which JSON can escape."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    return "".join(
        c for c in whole.replace("\r\n", "\n") if c.isprintable() or c in "\n\t\u200c\u200d" or ord(c) > 0x9F
    )


def _repaired(text: str) -> str:
    """Returns a text of Facebook's or Instagram's, which writes each byte of UTF-8 as a character."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text
