"""Whose words a file holds: formats, locales, corruption, and files that are refused."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import DataError
from keyboard_app.my_data.reading import read_source
from keyboard_app.my_data.source import TEXT, Source

Conversation = list[tuple[str, str]]  # authors and texts

# The beginnings of messages in WhatsApp exports of several ages, phones and languages, and in other apps' exports like them.
STAMPS = [
    "12/31/20, 9:15 PM - ",
    "12/31/20, 9:15\u202fPM - ",
    "31.12.20, 21:15 - ",
    "[31.12.20, 21:15:22] ",
    "\u200e[12/31/20, 9:15:22\u202fPM] ",
    "02.05.18 à 18:00 - ",
    "31.12.2020 klo 21.15 - ",
    "[31.12.2020 klo 21.15.22] ",
    "09/12/2012 17:03:48: ",
    "12/31/12 9:15:22 PM: ",
    "2020-12-31, 9:15 p.m. - ",
    "31/12/20 9:15 p. m. - ",
    "31/12/2020, 9:15\xa0p.\xa0m. - ",
    "2020. 12. 31. 오후 9:15 - ",
    "[2020. 12. 31. 오후 9:15:22] ",
    "2020/12/31 下午9:15 - ",
    "[2020/12/31 下午9:15:22] ",
    "2020年12月31日 21:15 - ",
    "٣١\u200f/١٢\u200f/٢٠٢٠، ٩:١٥ م - ",
    "۱۳۹۹/۱۰/۱۱،\u200f ۲۱:۱۵ - ",
    "৩১/১২/২০, ৯:১৫ PM - ",
    "31/12/20, 9:15 अपराह्न - ",
    "31.12.20 г., 21:15 ч. - ",
    "31. 12. 2020. 21:15 - ",
    "31/12/20, 9:15 μ.μ. - ",
    "31/12/2563 21:15 น. - ",
    "21:15, 31/12/2020 - ",
    "[21:15:22, 31/12/2020] ",
    "2020-12-31 21 h 15 - ",
    "20-12-31 21 h 15 min 22 s - ",
    "2020-12-31 kl. 21:15 - ",
    "31.12.20, 9:15 e pasdites - ",
    "9:15PM, Dec 31 - ",
    "Dec 31, 2015, 9:15 PM - ",
    "31 de dic. de 2020, 21:15 - ",
    "31. Dez., 21:15 - ",
    "31 дек. 2015 г., 21:15 - ",
    "[2020-12-31 21:15:22.123] ",
    "2020-12-31T21:15:22 - ",
    "[21:15] ",
    "21:15 - ",
    "Thu 12/31/20 21:15 – ",
]

WORDS = st.text("abcdefghilmnoprstuäöüéاмñ你😀'", min_size=1, max_size=8)
LINES = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
TEXTS = st.builds(
    "\n".join, st.lists(st.one_of(LINES, st.builds("{}: {}".format, WORDS, LINES)), min_size=1, max_size=3)
).filter(lambda text: not text.startswith("null"))
NAMES = st.lists(
    st.sampled_from(
        ["Alice", "Bob", "Zoë Ångström", "+49 151 234567", "أحمد", "小明", "J. R. (work)", "Mum ❤", "O'Neil"]
    ),
    min_size=2,
    max_size=4,
    unique=True,
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    names = draw(NAMES)
    messages = draw(st.lists(st.tuples(st.sampled_from(names), TEXTS), min_size=1, max_size=12))
    labels = [(name, text.partition(": ")[0]) for name, text in messages if ": " in text.split("\n")[0]]
    # A label that comes up again may be a part of a name: `test_names_with_colons` is about those.
    repeated = len(set(labels)) < len(labels) or any(
        len(texts) == sum(": " in t.split("\n")[0] for t in texts) for texts in by_author(messages).values()
    )
    return [(name, text.replace(": ", " ")) for name, text in messages] if repeated else messages


def by_author(messages: Conversation) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, text in messages:
        found.setdefault(name, []).append(text)
    return found


def whatsapp(messages: Conversation, stamp: str = STAMPS[0]) -> str:
    return "".join(f"{stamp}{name}: {text}\n" for name, text in messages)


def line(messages: Conversation) -> str:
    quoted = [(name, f'"{text}"' if "\n" in text else text) for name, text in messages]
    rows = "".join(f"21:15\t{name}\t{text}\n21:15\tBob joined the chat.\n" for name, text in quoted)
    heading = "[LINE] Chat history with Bob\nSaved on: 2020/12/31 21:15\n"
    return f"{heading}\n2020/12/31(Thu)\n{rows}\n2021/01/01(Fri)\n21:15\tBob\t[Photo]\n"


def kakao(messages: Conversation) -> str:
    rows = "".join(f"[{name}] [오후 9:15] {text}\n" for name, text in messages)
    return f"Bob 님과 카카오톡 대화\n저장한 날짜 : 2020-12-31 21:15:22\n\n----- 2020년 12월 31일 목요일 -----\n{rows}"


def telegram_copied(messages: Conversation) -> str:
    return "\n".join(f"{name}, [31.12.20 21:15]\n{text}\n" for name, text in messages)


def telegram(messages: Conversation) -> str:
    items: list[dict[str, object]] = [
        {
            "type": "message",
            "date": "2020-12-31T21:15:22",
            "from": name,
            "from_id": f"user{name}",
            "text": [text[:2], {"type": "bold", "text": text[2:]}],
        }
        for name, text in messages
    ]
    items.insert(
        0,
        {
            "type": "service",
            "actor": messages[0][0],
            "action": "create_group",
            "text": "",
            "date": "2020-12-31T21:15:22",
        },
    )
    items.append(
        {
            "type": "message",
            "date": "2020-12-31T21:15:22",
            "from": messages[0][0],
            "from_id": f"user{messages[0][0]}",
            "forwarded_from": "Zoe",
            "text": "not mine",
        }
    )
    return json.dumps({"name": "Bob", "type": "personal_chat", "messages": items}, indent=1)


def discord(messages: Conversation) -> str:
    items = [
        {"type": "Default", "timestamp": "2020-12-31T21:15:22", "content": text, "author": {"id": name, "name": name}}
        for name, text in messages
    ]
    items.append({**items[0], "type": "GuildMemberJoin", "content": "Joined the server."})
    return json.dumps({"guild": {"name": "G"}, "channel": {"name": "c"}, "messages": items})


def facebook(messages: Conversation) -> str:
    def bytewise(text: str) -> str:
        return text.encode().decode("latin-1")

    items = [
        {"sender_name": bytewise(name), "timestamp_ms": number, "content": bytewise(text)}
        for number, (name, text) in enumerate(messages)
    ]
    return json.dumps({"participants": [{"name": "Bob"}], "messages": items[::-1]})


def json_array(messages: Conversation) -> str:
    return json.dumps([{"user": name, "time": "2020", "text": text} for name, text in messages], ensure_ascii=False)


def json_lines(messages: Conversation) -> str:
    return "\n".join(json.dumps({"user": name, "time": "2020", "text": text}) for name, text in messages)


def table(messages: Conversation, delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["Date", "From", "Text"])
    writer.writerows(["2020-12-31", name, text] for name, text in messages)
    return text.getvalue()


FORMATS: dict[str, Callable[[Conversation], str]] = {
    function.__name__: function
    for function in (whatsapp, line, kakao, telegram_copied, telegram, discord, facebook, json_array, json_lines, table)
}
FORMATS["semicolons"] = lambda messages: table(messages, ";")
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Source]:
    def read(content: str) -> Source:
        path = tmp_path / "file.txt"
        path.write_text(content, "utf-8", newline="")
        return read_source(path)

    return read


@pytest.mark.parametrize("name", FORMATS)
def test_each_author_gets_exactly_their_own_messages(read: Callable[[str], Source], name: str) -> None:
    @QUICK
    @given(conversations())
    def check(messages: Conversation) -> None:
        source = read(FORMATS[name](messages))
        assert dict(source.messages) == by_author(messages)
        assert not any(source.doubtful.values())

    check()


@settings(QUICK, max_examples=10)
@given(messages=conversations(), headers=st.lists(LINES, max_size=3), end=st.sampled_from(["\n", "\r\n"]))
def test_a_chat_is_understood_in_every_locale_and_below_header_lines(
    read: Callable[[str], Source], messages: Conversation, headers: list[str], end: str
) -> None:
    for stamp in STAMPS:
        notices = f"{stamp}Messages and calls are encrypted.\n{stamp}{messages[0][0]}: \u200eimage omitted\n"
        content = "".join(f"{header}\n" for header in headers) + whatsapp(messages, stamp) + notices
        assert dict(read(content.replace("\n", end)).messages) == by_author(messages), stamp


@settings(QUICK, max_examples=120)
@given(data=st.data(), stamp=st.sampled_from(STAMPS[:30]))
def test_a_damaged_chat_gives_nobody_the_words_of_another(
    read: Callable[[str], Source], data: st.DataObject, stamp: str
) -> None:
    lines = data.draw(st.lists(st.sampled_from("AB"), min_size=4, max_size=12))
    messages = [("Alice", f"mine {n}") if who == "A" else ("Bob", f"yours {n}") for n, who in enumerate(lines)]
    content = data.draw(
        st.sampled_from(
            [whatsapp(messages, stamp), line(messages), kakao(messages), table(messages), telegram_copied(messages)]
        )
    )
    place = data.draw(st.integers(0, len(content) - 1))
    kept = data.draw(st.sampled_from([place, place + 1]))  # a character is added, replaced or removed
    damaged = content[:place] + data.draw(st.text("x9 :-,\n\t]é", max_size=1)) + content[kept:]
    try:
        source = read(damaged)
    except DataError:
        return
    assert source.kind != TEXT
    assert not any("yours" in text for text in source.messages.get("Alice", []))


@QUICK
@given(st.lists(LINES.map(lambda line: line.replace("'", ": ", 1)), min_size=1, max_size=12))
def test_prose_is_plain_text(read: Callable[[str], Source], lines: list[str]) -> None:
    content = "\n".join(["I said: well, this is mine.", *(f"And so {line}, as they say." for line in lines)])
    assert read(content).kind == TEXT


def test_attachments_and_notices_are_no_messages(read: Callable[[str], Source]) -> None:
    stamp = STAMPS[0]
    left_out = [
        *(
            "\u200e<Media omitted>",
            "<Medien ausgeschlossen>",
            "PTT-2025.opus (archivo adjunto)",
            "IMG-1.jpg (Datei angehängt)",
        ),
        *(
            "\u200eVIDEO-1.mp4 (附件)",
            "my report.docx （添付ファイル）",
            "Report.pdf • \u200e3 pages \u200edocument omitted",
            "null",
        ),
        *("Se eliminó este mensaje", "This message was deleted", "Diese Nachricht wurde gelöscht.", "此消息已被删除"),
        *("location: https://maps.google.com/?q=1,2", "<attached: 0001-PHOTO.jpg>", ""),
    ]
    chat = "".join(f"{stamp}Alice: {text}\n" for text in left_out)
    chat += f'{stamp}Alice changed the subject from "Trip: 1" to "Trip: 2"\n{stamp}Alice left\n'
    chat += f"{stamp}Alice: ok <This message was edited>\n{stamp}Alice: IMG-2.jpg (file attached)\nlook at this\n"
    chat += f"{stamp}Alice: I <3 you\n"
    assert dict(read(chat).messages) == {"Alice": ["ok", "look at this", "I <3 you"]}


@pytest.mark.parametrize(
    ("names", "people"),
    [
        (["Team: Ann", "Team: Bob", "Team: Ann"], {"Team: Ann", "Team: Bob"}),
        (["Alice", "Alice: Work", "Alice: Work"], {"Alice", "Alice: Work"}),
        (["A: B: C", "A: B: C", "Bob"], {"A: B: C", "Bob"}),
    ],
)
def test_names_with_colons(read: Callable[[str], Source], names: list[str], people: set[str]) -> None:
    messages = [(name, f"text {number}") for number, name in enumerate(names)]
    source = read(whatsapp(messages))
    assert set(source.people) == people
    assert dict(source.messages) == by_author(messages)


@pytest.mark.parametrize(
    "pasted",
    [
        "[21:15, 31/12/2020] Bob: secret",
        "12/31/20 9:15 PM x Bob: secret",
        "ok12/31/20, 9:15 PM - Bob: secret",
        "- Bob: secret",
    ],
)
def test_a_message_that_holds_anothers_words_is_left_out(read: Callable[[str], Source], pasted: str) -> None:
    source = read(whatsapp([("Alice", f"look\n{pasted}"), ("Bob", "hi"), ("Alice", "fine")]))
    assert (source.of("Alice"), source.doubtful_of("Alice")) == (["fine"], 1)


def test_two_people_of_one_name_are_told_apart(read: Callable[[str], Source]) -> None:
    items = [{"from": "Ann", "from_id": id_, "text": id_} for id_ in ("user1", "user2")]
    assert read(json.dumps(items)).people == {"Ann (user1)": 1, "Ann (user2)": 1}


SMS = """<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>
<smses count="5">
  <sms address="+15551234" date="3" type="2" body="third &#55357;&#56834;" />
  <sms address="+15551234" date="1" type="1" body="not mine" />
  <sms address="+15551234" date="2" type="2" body={} />
  <mms date="1" msg_box="2"><parts><part ct="text/plain" text="first" /><part ct="image/jpeg" text="null" /></parts></mms>
  <mms date="1" msg_box="1"><parts><part ct="text/plain" text="not mine" /></parts></mms>
</smses>
"""


@QUICK
@given(TEXTS)
def test_of_a_backup_of_text_messages_those_sent_are_read(read: Callable[[str], Source], text: str) -> None:
    source = read(SMS.format(quoteattr(text, {"\n": "&#10;"})))
    assert (source.own, source.of(None)) == ("", ["first", text, "third 😂"])


REFUSED = {
    "Bob, 1 2\n21:15 Alice hello\n21:16 Bob hi\n21:17 Alice ok\n": "looks like a chat or a log",
    "Alice — 12/31/2020 9:15 PM\nhello\nBob — 12/31/2020 9:16 PM\nhi\n": "looks like a chat or a log",
    "<Alice> hello\n<Bob> hi\n": "looks like a chat",
    "Alice: hello there bob\nBob: hi alice\nAlice: fine thanks\nBob: see you\n": "looks like a chat",
    "2020-12-31,Alice,hello\n2020-12-31,Bob,hi\n": "looks like a table",
    "a\tb\nc\td\n": "looks like a table",
    "<!DOCTYPE html>\n<html><body>\n<div>hi</div></body></html>": "looks like markup",
    "From: a@b\nTo: c@d\nSubject: x\n\nhello": "looks like an e-mail",
    '[{"text": "a"}]': "do not say who sent them",
    '["a", "b"]': "do not say who sent them",
    '[\n{"from": "Alice", "text": "a"},\n{"from": "Bob"': "is not JSON",
    '[{"a":' * 100_000: "is not JSON",
    'Date,User,Message\n2020,"Alice","hello\n2020,"Bob","hi"\n': "cannot be read at line 3",
    "date,from,text\n2020,Alice,hello\n2020,Bob\n": "the row that ends in line 3 has 2",
    "<?xml version='1.0'?><feed/>": "XML of another kind",
    "<smses><sms type='2' body='a'": "damaged XML",
    '<smses><sms type="1" date="1" body="no"/></smses>': "holds no message that you sent",
    "\n".join(["a note of mine"] * 60 + ["12/31/20, 9:15 PM - Bob: hi"]): "in some of its lines, such as line 61",
    "12/31/20 21:15 Bob: Alice: come\n12/31/20 21:15 Alice: why\n12/31/20 21:15 Bob: so\n": "looks like a chat",
    '<?xml version="1.0"?><!DOCTYPE smses [<!ENTITY a "aa">]><smses><sms type="2" body="&a;"/></smses>': "document type",
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_not_understood_is_refused(read: Callable[[str], Source], content: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as raised:
        read(content)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("time", ["1" + "0" * 400, "1e999", "NaN"])
def test_a_time_beyond_all_bounds_is_no_error(read: Callable[[str], Source], time: str) -> None:
    messages = f'[{{"from": "Ann", "text": "hi", "date": {time}}}, {{"from": "Bob", "text": "you", "date": 1.5}}]'
    assert read(messages).messages == {"Ann": ["hi"], "Bob": ["you"]}


def test_a_folder_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a file"):
        read_source(tmp_path)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(10**12)  # sparse
    with pytest.raises(DataError, match="larger than 50 MB"):
        read_source(tmp_path / "huge")


SPEAKERS = ["Alice", "Bob Stone", "Zoë"]
# Notations of who speaks that are not read: with two names or more that come up again, a file of them is refused.
DIALOGUES = [
    "{name}: {text}",
    "{name}:{text}",
    "- {name}: {text}",
    "**{name}**: {text}",
    "{name} (12 May): {text}",
    "{name} (31.12.2020 21:15): {text}",
    "1600000000 {name}: {text}",
    "{name} - {text}",
    "{name}> {text}",
    "{name} | {text}",
    "{name},{text}",
    "{name}, {text}",
    "2020^{name}^{text}",
    "{name}: {text}\nand more\nand still more",
    "{name}\n{text}",
    "{name} says:\n{text}",
    "{name}\n2020-12-31 21:15\n{text}",
    "Dec 31, 2020  9:15:01 PM\n{name}\n{text}",
    "[12/31/2020 9:15 PM] {name}\n{text}\nand more\nand still more\nand so on",
    "1\n00:00:01,000 --> 00:00:02,000\n{text}",
    "- from: {name}\n  text: {text}",
]


@pytest.mark.parametrize("notation", DIALOGUES)
def test_texts_of_several_people_are_no_plain_text(read: Callable[[str], Source], notation: str) -> None:
    messages = [(SPEAKERS[n % 3], f"this is number {n}") for n in range(9)]
    content = "\n".join(notation.format(name=name, text=text) for name, text in messages)
    with pytest.raises(DataError, match="format is not understood"):
        read(content)


@pytest.mark.parametrize(
    "text",
    [
        "Buy milk\nBuy bread\nCall mum at 9:15\nOk\nLol\nOk\nthanks\nsee you\nNo\nfine\n",
        "My notes:\nthe first thing\nthe second thing\nand a last one\n",
        "well, I think so\nno, not me\nwell, maybe\nI like it\nso do I\n",
        "x = 3\nlook at https://a.org\nhttps://b.org is better\n",
    ],
)
def test_notes_of_ones_own_are_plain_text(read: Callable[[str], Source], text: str) -> None:
    assert read(text).kind == TEXT


def test_quotations_are_no_words_of_ones_own(read: Callable[[str], Source]) -> None:
    chat = "[2020-12-31 21:15] Me: > not mine\n> nor this\nmine >:(\n[2020-12-31 21:16] Bob: not mine\n"
    items = [
        {"from": "Me", "text": "> not mine\nmine"},
        {"from": "Me", "text": '<quote author="bob">not mine</quote>ok'},
    ]
    assert dict(read(chat).messages)["Me"] == ["mine >:("]
    assert dict(read(json.dumps(items)).messages) == {"Me": ["mine"]}


def test_notices_of_other_apps_are_no_messages(read: Callable[[str], Source]) -> None:
    irc = (
        "21:15 <Alice> hi\n21:16 -!- Bob has joined\n21:17 * Bob waves\n21:18 <Bob> hello\n21:19 --> Carl has joined\n"
    )
    assert dict(read(irc).messages) == {"Alice": ["hi"], "Bob": ["hello"]}
    written = ["Reacted 😢 to your message ", "Liked a message", "Alice sent an attachment.", "Liked it a lot"]
    facebook_items = [{"sender_name": "Alice", "timestamp_ms": 1, "content": text} for text in written]
    facebook_items.append(
        {"sender_name": "Alice", "timestamp_ms": 2, "content": "You missed a call.", "call_duration": 0}
    )
    assert dict(read(json.dumps({"messages": facebook_items})).messages) == {"Alice": ["Liked it a lot"]}
    others = [
        {"from": "Alice", "text": "not mine", "via_bot": "@gif"},
        {"from": "Alice", "text": "not mine", "isUnsent": True},
        {"from": "Alice", "text": "not mine", "messagetype": "Event/Call"},
        {"from": "Alice", "text": "mine", "messagetype": "RichText"},
    ]
    assert dict(read(json.dumps(others)).messages) == {"Alice": ["mine"]}
