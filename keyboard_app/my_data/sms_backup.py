"""Text messages in the XML of SMS Backup & Restore, which Signal also wrote. It marks the messages that the person sent."""

import re
from xml.parsers import expat

from data.errors import DataError
from keyboard_app.my_data.source import Source

_SENT = "2"  # values of `type` and `msg_box`
_ROOT = "smses"
# The app writes an emoji as the two halves of its surrogate pair, which XML does not allow.
_PAIR = re.compile(r"&#(5[5-6]\d{3});&#(5[6-7]\d{3});")
_HALF = re.compile(r"&#(?:55(?:29[6-9]|[3-9]\d\d)|5[67]\d{3});")


def read_sms_backup(text: str) -> Source:
    """Reads the messages that the person sent, oldest first.

    Raises:
      DataError: the text is not XML of this kind, is damaged, or declares entities.
    """
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")  # whatever the declaration says: the text was decoded
    parser.StartDoctypeDeclHandler = _refuse_declarations
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(_HALF.sub("", _PAIR.sub(_whole, text)).encode(), True)
    except expat.ExpatError as error:
        raise DataError(
            f"is damaged XML (line {error.lineno}: {expat.ErrorString(error.code)}): export it again"
        ) from error
    if not reader.sent:
        raise DataError("holds no message that you sent")
    return Source("SMS backup", {"": [body for _, body in sorted(reader.sent, key=lambda sent: sent[0])]})


class _Reader:
    """Collects the time and text of each message sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []
        self._depth = 0
        self._multimedia: int | None = None  # when the multimedia message around this element was sent

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Follows the beginning of an element."""
        if self._depth == 0 and tag != _ROOT:
            raise DataError(f"is XML of another kind (<{tag[:40]}>): export text messages with SMS Backup & Restore")
        self._depth += 1
        if tag == "sms" and attributes.get("type") == _SENT:
            self._add(_time(attributes), attributes.get("body", ""))
        elif tag == "mms" and attributes.get("msg_box") == _SENT:
            self._multimedia = _time(attributes)
        elif tag == "part" and self._multimedia is not None and attributes.get("ct") == "text/plain":
            self._add(self._multimedia, attributes.get("text", ""))

    def end(self, tag: str) -> None:
        """Follows the end of an element."""
        self._depth -= 1
        if tag == "mms":
            self._multimedia = None

    def _add(self, time: int, text: str) -> None:
        if (text := text.strip()) not in ("", "null"):
            self.sent.append((time, text))


def _time(attributes: dict[str, str]) -> int:
    try:
        return int(attributes.get("date", "0"))
    except ValueError:
        return 0


def _whole(pair: re.Match[str]) -> str:
    high, low = int(pair[1]), int(pair[2])
    if not (0xD800 <= high < 0xDC00 <= low < 0xE000):
        return ""
    return chr(0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00))


def _refuse_declarations(*_: object) -> None:
    raise DataError("is XML that declares a document type, which a backup of text messages never does")
