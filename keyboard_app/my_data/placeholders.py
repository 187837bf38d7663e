"""The lines of a message that its author did not write: those of the app, and quotations of others.

Apps write lines in place of attachments, calls, reactions and deleted messages, or behind edited ones.
"""

import re

# A left-to-right mark starts a notice of the app in every language of an iPhone.
_MARK = "\u200e"
_FILE = re.compile(
    r"[^\n]*\.(?=\d*[A-Za-z])\w{2,5}\s*(?:[(（][^()（）\n]*[)）]|<[^<>\n]*>)\s*"
)  # `IMG-2025.jpg (file attached)`
_IN_BRACKETS = re.compile(r"<[^<>\n]*>")  # `<Media omitted>`
_IN_SQUARE_BRACKETS = re.compile(r"\[[^\[\]\n]{1,40}\]|[☎📞].*")  # `[Photo]` and calls, in LINE
_PLACE = re.compile(r"[^:\n]{1,40}: https://(?:maps\.google\.com|maps\.app\.goo\.gl|foursquare\.com)/\S+")
_EDITED = re.compile(r"\s*\u200e?\s*<[^<>\n]{6,60}>\s*\Z")  # `<This message was edited>`
_QUOTATION = re.compile(r">+(?:\s|$)")  # as in e-mail, Signal, Discord and Markdown
# What Facebook and Instagram write for a reaction, with its emoji: no field of the message tells it from one.
_REACTION = re.compile(
    r"(?:Reacted|Hat mit|Reaccionó|A réagi|Ha (?:reagito|messo)|Reagiu|Reageerde|Reagerade|Reagerede|Reagerte|Reagoi|Zareagowa|"
    r"Отреагир)[^\n]{0,20}[\u2190-\u32ff\U0001f000-\U0001faff][^\n]{0,40}|Liked a message"
)

# What Android phones write for a deleted message. Nothing in its structure tells it from a message.
_DELETED = frozenset(
    {
        "null",
        "this message was deleted",
        "you deleted this message",
        "se eliminó este mensaje",
        "este mensaje fue eliminado",
        "este mensaje se eliminó",
        "eliminaste este mensaje",
        "has eliminado este mensaje",
        "diese nachricht wurde gelöscht",
        "du hast diese nachricht gelöscht",
        "ce message a été supprimé",
        "vous avez supprimé ce message",
        "questo messaggio è stato eliminato",
        "hai eliminato questo messaggio",
        "mensagem apagada",
        "esta mensagem foi apagada",
        "você apagou esta mensagem",
        "apagou esta mensagem",
        "dit bericht is verwijderd",
        "dit bericht werd verwijderd",
        "je hebt dit bericht verwijderd",
        "u hebt dit bericht verwijderd",
        "tämä viesti poistettiin",
        "poistit tämän viestin",
        "det här meddelandet raderades",
        "det här meddelandet har raderats",
        "du raderade det här meddelandet",
        "denne besked blev slettet",
        "du slettede denne besked",
        "denne meldingen ble slettet",
        "du slettet denne meldingen",
        "ta wiadomość została usunięta",
        "wiadomość została usunięta",
        "usunięto tę wiadomość",
        "tato zpráva byla smazána",
        "tato zpráva byla odstraněna",
        "táto správa bola odstránená",
        "ezt az üzenetet törölték",
        "törölted ezt az üzenetet",
        "acest mesaj a fost șters",
        "ai șters acest mesaj",
        "bu mesaj silindi",
        "bu mesajı sildiniz",
        "данное сообщение удалено",
        "сообщение удалено",
        "вы удалили данное сообщение",
        "це повідомлення видалено",
        "ви видалили це повідомлення",
        "αυτό το μήνυμα διαγράφηκε",
        "διαγράψατε αυτό το μήνυμα",
        "pesan ini telah dihapus",
        "pesan ini dihapus",
        "anda telah menghapus pesan ini",
        "anda menghapus pesan ini",
        "mesej ini telah dipadam",
        "tin nhắn này đã bị xóa",
        "bạn đã xóa tin nhắn này",
        "تم حذف هذه الرسالة",
        "لقد حذفت هذه الرسالة",
        "این پیام حذف شد",
        "این پیام حذف شده است",
        "הודעה זו נמחקה",
        "מחקת הודעה זו",
        "यह मैसेज मिटाया गया",
        "आपने यह मैसेज मिटाया",
        "ข้อความนี้ถูกลบแล้ว",
        "คุณลบข้อความนี้",
        "このメッセージは削除されました",
        "メッセージを削除しました",
        "此消息已被删除",
        "您删除了此消息",
        "你删除了这条消息",
        "此訊息已刪除",
        "此訊息已被刪除",
        "您已刪除此訊息",
        "삭제된 메시지입니다",
        "이 메시지는 삭제되었습니다",
    }
)


def without_quotations(text: str) -> str:
    """Returns a message without its lines that quote somebody."""
    return "\n".join(line for line in text.split("\n") if _QUOTATION.match(line) is None).strip()


def is_by_facebook(name: str, text: str) -> bool:
    """Returns whether a message of this sender is one of the app's: a reaction, or a sentence about its sender."""
    about = text.startswith(f"{name} ") and text.endswith(".") and "\n" not in text
    return about or _REACTION.fullmatch(text) is not None


def written_by_hand(text: str) -> str:
    """Returns the part of a chat message that its author wrote, which is empty for attachments and deleted messages."""
    lines = _EDITED.sub("", without_quotations(text)).split("\n")
    if _MARK + "<" in lines[0]:
        lines[0] = lines[0].partition(_MARK + "<")[0]  # a caption in front of its attachment
    kept = "\n".join(line for line in lines if not _by_the_app(line)).strip()
    return "" if kept.rstrip(".。").strip().lower() in _DELETED else kept


def _by_the_app(line: str) -> bool:
    return any(pattern.fullmatch(line.strip()) for pattern in (_FILE, _IN_BRACKETS, _PLACE)) or _MARK in line


def written_in_line(text: str) -> str:
    """Returns the part of a message in a LINE export that its author wrote: several lines stand in quotation marks there."""
    if "\n" in text and len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('""', '"')
    return "" if _IN_SQUARE_BRACKETS.fullmatch(text.strip()) else written_by_hand(text)
