"""The pages of the real window: the first questions, what it learned, my data, settings, private mode, keyboard focus."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyboard_app.device import Device
from keyboard_app.learning.background import run
from keyboard_app.learning.hindsight import Curves
from keyboard_app.learning.learning import Learning
from keyboard_app.window.drawing.fonts import marked_up
from model.device.folder import PRETRAINED
from tests.keyboard_app.window.contrast import contrast

BACKSPACE, TAB, ENTER, ESCAPE, SPACE, DOWN, F6 = 8, 9, 13, 27, 32, 274, 287
LINES = ["i think you are good", "go to the climbing hall tonight", "meet at the hall at seven"]


@pytest.fixture
def new_device(tmp_path: Path, small_model_folder: Path) -> Iterator[Device]:
    """A device on which the first questions have not been answered."""
    with Device.open(tmp_path / "profile", small_model_folder, use_keyring=False) as device:
        yield device


def test_the_first_start_explains_and_asks_before_it_records(
    open_window: Callable[..., Any], new_device: Device
) -> None:
    person = open_window(new_device)
    person.say("Before")
    person.press_at(200, 180).touch_up()  # a key lies below the questions there
    assert (person.text, person.recorded, new_device.profile.settings.consent) == ("", [], None)
    titles = [person.screen.first_opening.welcome.title]
    for _ in range(2):
        person.touch_control("Next")
        titles.append(person.screen.first_opening.welcome.title)
    assert titles == ["It learns how you write", "Your words stay here", "What is shared, if you join"]
    person.touch_control("back")
    person.touch_control("Next")
    person.touch_control("Yes, learn how I write")
    person.say("After")
    assert (new_device.profile.settings.consent, person.recorded) == (True, ["After"])


def test_a_person_who_declines_can_type_and_nothing_is_recorded(
    open_window: Callable[..., Any], new_device: Device
) -> None:
    person = open_window(new_device)
    for key in (TAB, TAB, ENTER, ENTER):  # by the physical keyboard alone; the back button is not shown yet
        person.press_physically(key)
    while not person.screen.first_opening.welcome.last:
        person.press_physically(ENTER)
    person.touch_control("No, record nothing")
    person.say("Hello")
    assert (new_device.profile.settings.consent, person.recorded, person.sent) == (False, [], ["Hello"])
    person.touch_control("settings")
    person.touch_control("record my messages")
    person.press_physically(ESCAPE)
    person.say("Again")
    assert person.recorded == ["Again"]


def test_private_mode_looks_different_and_records_nothing(person: Any) -> None:
    from keyboard_app.window.drawing.look import look

    before = tuple(look.key), tuple(look.background)
    person.touch_control("private mode")
    assert person.screen.private
    assert (tuple(look.key), tuple(look.background)) != before
    assert person.screen.status.startswith("Private")
    person.say("A secret")
    assert (person.recorded, person.sent) == ([], ["A secret"])
    person.touch_control("private mode")
    person.say("I think")
    assert person.recorded == ["I think"]


def test_a_message_that_looks_like_a_secret_is_sent_but_not_recorded(person: Any) -> None:
    person.say("4111 1111 1111 1111")
    assert (person.recorded, person.sent) == ([], ["4111 1111 1111 1111"])
    assert person.screen.status.startswith("Not recorded: it looks like")


def test_learning_is_shown_and_can_be_undone(open_window: Callable[..., Any], device: Device) -> None:
    for _ in range(12):
        for line in LINES:
            device.keyboard.text = line
            device.keyboard.enter()
    person = open_window(device)
    person.touch_control("what it learned")
    page = person.page()
    assert page.verdict == "It has not learned yet."
    person.touch_control("Learn now")
    person.wait_until(lambda: not person.screen.busy)
    assert device.models.personalized
    assert page.verdict.endswith("so it switched to it.")
    judgement = device.profile.store.history.last_judgement()
    assert judgement is not None and judgement.kept == "new"
    figures = f"The last learning {judgement}."
    assert figures in page.details and marked_up(figures) not in texts(page), "figures are one tap away"
    person.touch_control("details of learning")
    assert marked_up(figures) in texts(page)
    assert page.ids.new_words.texts == []  # all are in the vocabulary
    for span, chart in (("By model", page._bars), ("Word by word", page._plot), ("By week", page._bars)):
        person.touch_control(f"chart: {span}")
        assert page.ids.chart.children == [chart]
    assert [len(shares) for _, shares in page._bars.groups] == [2]
    person.touch_control("Compare with before")
    person.wait_until(lambda: page.ids.rising.texts)
    person.wait_until(lambda: len(page.ids.shipped.words) == 3)
    assert len(page.ids.personal.words) == 3
    person.touch_control("Go back to the previous model")
    person.touch_control("Cancel")
    assert device.models.personalized
    person.touch_control("Go back to the previous model")
    person.touch_control("Go back")
    assert not device.models.personalized
    person.touch_control("Forget what it learned")
    person.touch_control("Forget everything")
    assert page.ids.undone.line.startswith("Everything that was learned is forgotten"), "beside the button"
    assert person.screen.foot == person.screen.usual


def test_three_models_are_compared_in_curves(
    open_window: Callable[..., Any], device: Device, small_model_folder: Path
) -> None:
    for _ in range(12):
        for line in LINES:
            device.keyboard.text = line
            device.keyboard.enter()
    device.catch_up()
    from keyboard_app.window.pages.learned_page import FIRST

    device.public = small_model_folder
    person = open_window(device)
    person.touch_control("what it learned")
    page = person.page()
    assert (page.hindsight, page.ids.three.height) == ("", 0)
    person.touch_control("Compare the models")
    person.wait_until(lambda: page.hindsight and not person.screen.busy)
    assert "as delivered" in page.hindsight and page.has_public
    assert len(page.ids.three.curves) == 3
    found = Curves.read(device.profile, device.models, device.public)
    assert found is not None
    assert [len(shares) for _, shares in page.ids.three.curves] == [len(found.personal) - FIRST + 1] * 3
    device.public = small_model_folder / "missing"
    page.refresh()
    assert "as delivered" not in page.hindsight and not page.has_public
    assert len(page.ids.three.curves) == 2


@pytest.fixture
def slow_device(tmp_path: Path) -> Iterator[Device]:
    """A device with the shipped model and enough words to learn from for some seconds."""
    with Device.open(tmp_path / "profile", PRETRAINED, consenting=True, use_keyring=False) as device:
        for _ in range(500):
            device.profile.store.add_message(f"{' '.join(LINES)} " * 3, [])
        yield device


def test_learning_is_paused_and_stopped(open_window: Callable[..., Any], slow_device: Device) -> None:
    device, person = slow_device, open_window(slow_device)
    person.touch_control("what it learned")
    person.touch_control("Learn now")
    person.touch_control("pause learning")
    assert (device.background.paused, person.page().schedule) == (True, "Paused.")
    person.touch_control("stop learning")
    person.wait_until(lambda: device.background.task is None)
    assert (device.background.task, person.screen.busy, device.models.personalized) == (None, False, False)
    assert device.profile.store.history.last_judgement() is None
    person.touch_control("Learn now")
    person.touch_control("pause learning")
    assert device.background.paused
    person.touch_control("pause learning")
    assert not device.background.paused
    person.wait_until(lambda: device.background.task is None, seconds=240)  # thousands of words, on a slow machine
    assert device.profile.store.history.last_judgement() is not None


def test_my_data_is_read_searched_and_deleted(person: Any) -> None:
    for line in LINES:
        person.say(line.capitalize())
    person.touch_control("my data")
    rows = person.page().ids.messages.children
    assert sorted(row.text for row in rows) == sorted(line.capitalize() for line in LINES)
    person.touch_control("search my messages")
    assert person.screen.composer.searching
    person.touch_keys(["h", "a", "l", "l"])
    person.wait_until(lambda: len(rows) == 2)
    person.touch_control("delete “Meet at the hall at seven”")
    person.touch_control("Cancel")
    assert len(person.recorded) == 3
    person.touch_control("delete “Meet at the hall at seven”")
    person.touch_control("Delete permanently")
    assert person.recorded == ["I think you are good", "Go to the climbing hall tonight"]
    assert [row.text for row in rows] == ["Go to the climbing hall tonight"]
    person.press_physically(ESCAPE)
    person.press_physically(ESCAPE)
    assert (person.screen.page, person.text) == ("", "")  # the searched text is not in the message
    assert person.sent == person.recorded
    person.touch_control("my data")
    person.touch_control("Delete all messages")
    assert len(person.recorded) == 2
    person.touch_control("Delete all permanently")
    assert (person.recorded, person.sent) == ([], [])


def test_messages_are_exported_and_imported(person: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "Texts").mkdir(parents=True)
    (tmp_path / "home" / "Texts" / "mine.txt").write_text("rope rope chalk\nsnacks\n")
    (tmp_path / "home" / "Texts" / "broken.txt").write_bytes(b"\xff\xfe\x00")
    person.say("Hello")
    person.touch_control("my data")
    for answer, count in (("cancel", 1), ("Yes, import my text", 3)):
        person.touch_control("Import a file")
        person.touch_control("Texts")
        person.touch_control("mine.txt")
        person.wait_until(lambda: any(c.name == "Yes, import my text" for c in person.screen.controls()))
        assert [w.lines for w in person.screen.children if hasattr(w, "lines")] == ["rope rope chalk\nsnacks"]
        person.touch_control(answer)
        person.wait_until(lambda: not person.screen.busy)
        assert len(person.recorded) == count
    assert person.screen.status.startswith("Imported 2 messages")
    person.touch_control("Import a file")
    person.touch_control("Texts")
    person.touch_control("broken.txt")
    person.wait_until(lambda: "is not UTF-8 text" in person.screen.status)
    assert sorted(person.recorded) == ["Hello", "rope rope chalk", "snacks"]
    chat = "31.12.20, 21:15 - Ann: are you there?\n31.12.20, 21:16 - Bob: chalk\n31.12.20, 21:17 - Ann: snacks here\n"
    (tmp_path / "home" / "Texts" / "chat.txt").write_text(chat)
    for answer, count in (("cancel", 3), ("Bob", 4)):
        person.touch_control("Import a file")
        person.touch_control("Texts")
        person.touch_control("chat.txt")
        person.wait_until(lambda: any(c.name == "Bob" for c in person.screen.controls()))
        assert [c.text for c in person.screen.controls() if c.name in ("Ann", "Bob")] == [
            "Ann: 2 messages",
            "Bob: 1 message",
        ]
        person.touch_control(answer)
        person.wait_until(lambda: not person.screen.busy)
        assert len(person.recorded) == count
    person.touch_control("delete “chalk”")
    person.touch_control("Delete permanently")
    person.touch_control("Export all")
    person.touch_control("Export to this folder")
    assert (tmp_path / "home" / "my messages.jsonl").read_text().count("\n") == 3


def test_settings_apply_at_once_and_are_saved(person: Any) -> None:
    from keyboard_app.window.drawing.look import look

    person.touch_control("settings")
    for theme in ("Light", "Dark"):
        person.touch_control(f"colours: {theme}")
        assert look.theme == theme.lower()
        assert contrast(_hex(look.text), _hex(look.background)) > 7
    size = look.size(20)
    person.touch_control("text size: more")
    assert look.size(20) > size
    person.touch_control("text size: less")
    person.touch_control("layout: Dvorak")
    person.touch_control("learn until this hour: less")
    person.touch_control("suggest offensive words")
    person.touch_control("correct typos")
    person.touch_control("automatic capitals")
    settings = person.device.profile.settings
    assert (settings.theme, settings.text_scale, settings.layout) == ("dark", 1.0, "dvorak")
    assert (settings.learn_until, settings.offensive_words, settings.autocorrect) == (23, True, False)
    assert not person.device.keyboard.capitalizes
    assert person.device.models.word_preferences.offensive
    person.press_physically(ESCAPE)
    assert person.screen.composer.ids.keypad.shown_keys()[3].label == "p"


def in_view(widget: Any) -> bool:
    """Returns whether a widget lies in the window and in every scroll view around it."""
    from kivy.core.window import Window
    from kivy.uix.scrollview import ScrollView

    x, y = widget.to_window(*widget.center)
    around = [(0.0, 0.0, *map(float, Window.size))]
    parent = widget.parent
    while parent is not None and parent is not parent.get_parent_window():
        if isinstance(parent, ScrollView):
            left, bottom = parent.to_window(parent.x, parent.y)
            around.append((left, bottom, left + parent.width, bottom + parent.height))
        parent = parent.parent
    return all(left <= x <= right and bottom <= y <= top for left, bottom, right, top in around)


HEADER = ("private mode", "what it learned", "my data", "federation", "settings")


@pytest.mark.parametrize(
    ("width", "height"), [(320, 480), (640, 360), (360, 640), (412, 892), (820, 1180), (1280, 800), (892, 412)]
)
def test_at_every_size_all_controls_are_in_view_named_and_reachable(
    open_window: Callable[..., Any], device: Device, width: int, height: int
) -> None:
    device.choose(text_scale=1.3)
    person = open_window(device, width, height)
    for page in ("", "learned", "data", "federation", "settings"):
        person.screen.page = page if page or not person.screen.beside else "learned"
        person.wait()
        controls = person.screen.controls()
        names = [control.name for control in controls]
        assert all(names)
        assert len(set(names)) == len(names) or page == "data", sorted(n for n in names if names.count(n) > 1)
        focused = set()
        for _ in controls:
            person.press_physically(F6)
            control = person.screen.focus.focused
            focused.add(control)
            assert in_view(control), control.name
            assert control.focused
        assert focused == set(controls)
        for name in HEADER:
            icon = person.control(name)
            assert icon.x >= 0 and icon.right <= width and icon.y >= 0 and icon.top <= height, name
        title = person.page().title if page else "Keyboard"
        (shown,) = [w for w in person.screen.walk() if getattr(w, "text", "") == title and w.opacity and w.height > 1]
        assert not shown.is_shortened and shown.texture_size[0] <= shown.width, title
        person.press_physically(ESCAPE)
        assert person.screen.focus.focused is None


@pytest.mark.parametrize(("width", "height"), [(320, 480), (640, 360)])
def test_results_of_a_search_stand_above_the_keys_and_a_page_opens_clean(
    open_window: Callable[..., Any], device: Device, width: int, height: int
) -> None:
    person = open_window(device, width, height)
    for line in LINES * 5:
        person.say(line)
    person.touch_control("my data")
    page, composer = person.page(), person.screen.composer
    page.ids.scroll.scroll_y = 0.5
    person.touch_control("search my messages")
    person.touch_keys(["c", "l", "i", "m"])
    rows = page.ids.messages.children
    person.wait_until(lambda: len(rows) == 5)
    person.wait(3)
    assert page.ids.search.text == "clim", "no capital"
    newest = rows[-1].ids.words
    _, bottom = newest.to_window(newest.x, newest.y)
    assert bottom >= composer.top and in_view(newest)
    person.touch_keys(["space", "space"])
    assert page.ids.search.text == "clim  ", "no full stop"
    person.touch_keys(["backspace", "backspace", "enter"])
    assert not composer.searching and composer.parent is not None
    person.wait_until(lambda: len(rows) == 5)  # on a slow machine, the search for two spaces was shown in between
    assert page.ids.search.text == "clim", "Enter shows the results without the keys"
    person.touch_control("settings")
    person.touch_control("my data")
    assert (page.ids.search.text, len(rows), page.ids.scroll.scroll_y) == ("", 15, 1)


def test_a_join_link_is_typed_as_it_is_and_enter_submits_it(open_window: Callable[..., Any], device: Device) -> None:
    person = open_window(device, 640, 360)
    person.type_physically("Go ")
    assert person.offered
    person.touch_control("federation")
    page = person.page()
    person.touch_control("join link")
    offers = [control.name for control in person.screen.controls() if control in person.strip.places]
    assert not offers, "chat words have no place in a link"
    person.touch_keys(["f", "e", "d", "space"])
    field = page._link_card.ids.link
    assert field.text == "fed "
    assert in_view(field)
    person.touch_keys(["enter"])
    assert page.problem and not person.screen.composer.searching
    person.touch_control("settings")
    person.touch_control("federation")
    assert (field.text, page.problem, page.ids.scroll.scroll_y) == ("", "", 1)
    assert person.device.keyboard.text == "Go "


def test_icons_show_their_names_and_a_held_one_does_not_act(person: Any) -> None:
    from kivy.core.window import Window

    tip = person.screen.tooltips.shown
    icon = person.control("my data")
    touch = person.press(icon)
    person.wait_until(lambda: tip.parent is not None)
    touch.touch_up()
    person.wait(2)
    assert (tip.text, person.screen.page) == ("My data", "")
    person.touch_control("settings")
    assert (tip.parent, person.screen.page) == (None, "settings")
    Window.mouse_pos = person.control("private mode").center
    person.wait_until(lambda: tip.parent is not None)
    assert tip.text == "Private mode"
    Window.mouse_pos = (5, 5)
    person.wait_until(lambda: tip.parent is None)


def test_a_window_that_becomes_narrow_shows_the_messages_in_all_of_its_width(
    open_window: Callable[..., Any], device: Device
) -> None:
    person = open_window(device, 1280, 800)
    person.resize(360, 640)
    assert person.screen.ids.main.width == 360


def test_a_page_of_a_closed_window_follows_no_change_of_colours(
    open_window: Callable[..., Any], tmp_path: Path, small_model_folder: Path
) -> None:
    from keyboard_app.window.drawing.look import look

    with Device.open(tmp_path / "profile", small_model_folder, consenting=True, use_keyring=False) as device:
        person = open_window(device)
        person.screen.page = "learned"
        person.wait(3)
        person.leave()
    look.theme = "light" if look.theme == "dark" else "dark"  # the page still exists, and its store is closed


def test_the_empty_chat_says_what_it_is(person: Any) -> None:
    def explained() -> bool:
        return any("your keyboard learns from it" in getattr(w, "text", "") for w in person.screen.walk())

    assert explained()
    person.say("Hello")
    person.wait(2)
    assert not explained()


_LAB_WORDS = ("perplexity", "recall", "loss", "Errno", "global model", "held-out", "unmask", "delta", "digest")


def test_pages_speak_plainly(open_window: Callable[..., Any], device: Device) -> None:
    for line in LINES * 12:
        device.keyboard.text = line
        device.keyboard.enter()
    run(Learning(device.profile, device.models))
    person = open_window(device)
    for page in ("learned", "data", "federation", "settings"):
        person.screen.page = page
        person.wait(3)
        shown = texts(person.page())
        assert not [word for word in _LAB_WORDS if word in shown], page


def test_controls_are_operated_by_the_physical_keyboard(person: Any) -> None:
    while person.screen.focus.focused is None or person.screen.focus.focused.name != "what it learned":
        person.press_physically(F6)
    person.press_physically(SPACE)
    person._window.dispatch("on_textinput", " ")
    assert (person.screen.page, person.text) == ("learned", "")
    person.press_physically(DOWN)
    assert person.screen.focus.focused.name != "what it learned"
    person.press_physically(ESCAPE)
    person.press_physically(ESCAPE)
    person.type_physically("x")
    assert (person.screen.page, person.text) == ("", "x")


def texts(page: Any) -> str:
    """Returns all text that a page shows."""
    return " ".join(getattr(widget, "text", "") for widget in page.walk())


def _hex(color: Any) -> str:
    return "#" + "".join(f"{round(share * 255):02X}" for share in color[:3])
