"""The dashboard's card of new words in Chromium: an owner starts a discovery, chooses words, and a vocabulary grows by them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from federation.growing.counts_files import read_words
from federation.growing.grown_model import Language, grow
from tests.federation.coordinator.web.page.test_dashboard import SECONDS, Served, browser  # noqa: F401 (a fixture)
from tests.federation.coordinator.word_devices import WordDevice, WordWorld

FLEETING = (StaleElementReferenceException, ElementClickInterceptedException)  # the table changes


@pytest.fixture
def served(tmp_path: Path, tiny_model_folder: Path) -> Iterator[Served]:
    def new_world() -> WordWorld:
        world = WordWorld(tmp_path / "coordinator", tiny_model_folder)
        world.add(*[WordDevice(["byu", "provo", "welp", "teh"][: 4 if n else 3]) for n in range(4)])
        return world

    thread = Served(new_world, devices=0)
    thread.start()
    assert thread.started.wait(SECONDS)
    yield thread
    thread.stop()


def test_an_owner_finds_words_chooses_among_them_and_grows_the_vocabulary(
    served: Served,
    browser: webdriver.Chrome,  # noqa: F811
    tmp_path: Path,
) -> None:
    def wait(condition, about: str):
        return WebDriverWait(browser, SECONDS, ignored_exceptions=FLEETING).until(condition, about)

    def card():
        return next(c for c in browser.find_elements(By.CSS_SELECTOR, ".q-card") if c.text.startswith("New words"))

    def see(*parts: str) -> None:
        wait(lambda _: all(part in card().text for part in parts), str(parts))

    def press(label: str) -> None:
        def pressed(_: object) -> bool:
            found = [b for b in card().find_elements(By.TAG_NAME, "button") if label.upper() in b.text.upper()]
            if found:
                found[0].click()
            return bool(found)

        wait(pressed, f"no button {label}")

    def warned(label: str, warning: str) -> None:
        """Presses a button until the page shows a warning, which goes away by itself."""

        def seen(_: object) -> bool:
            press(label)
            time.sleep(0.5)
            return warning in browser.find_element(By.TAG_NAME, "body").text

        wait(seen, f"no warning {warning}")

    def rows() -> dict[str, list[str]]:
        found = (row.find_elements(By.TAG_NAME, "td") for row in card().find_elements(By.CSS_SELECTOR, "tbody tr"))
        return {cells[1].text: [cell.text for cell in cells[2:]] for cells in found if len(cells) > 2}

    def choose(word: str) -> None:
        def chosen(_: object) -> bool:
            for row in card().find_elements(By.CSS_SELECTOR, "tbody tr"):
                if word in row.text.split():
                    row.find_element(By.CSS_SELECTOR, ".q-checkbox").click()
                    return True
            return False

        wait(chosen, f"no row {word}")

    browser.get(f"{served.address}/?token={served.token}")
    wait(lambda _: "New words" in browser.find_element(By.TAG_NAME, "body").text, "no card")
    see("no words yet")
    warned("save the words", "no word discovery has found words")

    press("find new words")
    see("word discovery 1: 4 words of at least 3 of 4 devices")
    assert {word: cells[0] for word, cells in rows().items()} == {"byu": "4", "provo": "4", "welp": "4", "teh": "3"}

    warned("strike out", "choose words in the table first")
    for word, label in (("teh", "strike out"), ("provo", "strike out"), ("provo", "undo"), ("welp", "no typo")):
        choose(word)
        press(label)
        time.sleep(0.5)
    see("3 words of at least 3 of 4 devices, 1 struck out")
    wait(
        lambda _: (rows()["teh"][1:], rows()["welp"][1:], rows()["provo"][1:]) == (["yes", ""], ["", "yes"], ["", ""]),
        "",
    )

    browser.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    press("save the words")
    wait(lambda _: (tmp_path / "words.json").exists(), "nothing was saved")
    saved = json.loads((tmp_path / "words.json").read_text())["words"]
    assert saved == [
        {"word": "byu", "devices": 4},
        {"word": "provo", "devices": 4},
        {"word": "welp", "devices": 4, "no_typo": True},
    ]
    model = served.model()
    grown = grow(model, read_words(tmp_path / "words.json"), Language({}, lambda _: [], frozenset()))
    assert set(grown.model.vocabulary.words) - set(model.vocabulary.words) == {"byu", "provo", "welp"}
