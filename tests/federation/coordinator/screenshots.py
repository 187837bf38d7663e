"""Takes pictures of the coordinator's page in a real round: `python -m tests.federation.coordinator.screenshots FOLDER [--all]`.

Runs `federate demo-words`, opens its page in Chromium, waits until the keyboards train in a late round, after they have found new
words, and saves `dashboard.png`: a light desktop and, on a dark phone, the card of new words side by side. With `--all` it also
saves each size and theme, and the dialog that invites a device.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.federation.coordinator.web.page.test_dashboard import chromium

_SIZES = {"desktop": (1280, 1020), "phone": (412, 1020)}
_README = ("desktop-light", "phone-words")
_SHOWN = re.compile(
    r"Round ([7-9]): reporting"
)  # the first two belong to the word discovery; a few points on the curves
_SECONDS = 1_800.0
_GAP, _GROUND = 24, "#7A8496"
_TO_THE_WORDS = """
[...document.querySelectorAll('.q-card')].find(card => card.innerText.startsWith('New words')).scrollIntoView();
window.scrollBy(0, -document.querySelector('header').offsetHeight - 12)
"""
_WHOLE = "return document.documentElement.scrollHeight"


def _demo(out: Path, ended: ExitStack) -> subprocess.Popen:
    command = [sys.executable, "-m", "federation", "demo-words", "--out", str(out)]
    demo = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    ended.callback(demo.wait)
    ended.callback(demo.kill)
    return demo


def _address(demo: subprocess.Popen) -> str:
    """Returns the page's address, which the demo prints once the keyboards have joined."""
    assert demo.stderr is not None
    for line in demo.stderr:
        sys.stderr.write(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line):
            return found.group()
    raise SystemExit("the demo ended before it printed the page's address")


def _set_theme(browser: webdriver.Chrome, theme: str) -> None:
    button = browser.find_element(By.CSS_SELECTOR, "button[aria-label^=theme]")
    while theme not in str(button.get_attribute("aria-label")):
        button.click()
        time.sleep(0.2)


def _take(browser: webdriver.Chrome, folder: Path) -> dict[str, Path]:
    taken = {}
    for kind, (width, height) in _SIZES.items():
        for theme in ("light", "dark"):
            browser.set_window_size(width, height)
            _set_theme(browser, theme)
            time.sleep(0.6)  # until the charts are redrawn
            taken[f"{kind}-{theme}"] = folder / f"{kind}-{theme}.png"
            browser.save_screenshot(str(taken[f"{kind}-{theme}"]))
    browser.execute_script(_TO_THE_WORDS)
    time.sleep(0.6)
    taken["phone-words"] = folder / "phone-words.png"
    browser.save_screenshot(str(taken["phone-words"]))
    browser.execute_script("window.scrollTo(0, 0)")
    for kind, (width, height) in _SIZES.items():
        browser.set_window_size(width, height)
        browser.set_window_size(width, browser.execute_script(_WHOLE))
        time.sleep(0.6)
        taken[f"{kind}-whole"] = folder / f"{kind}-whole.png"
        browser.save_screenshot(str(taken[f"{kind}-whole"]))
        browser.set_window_size(width, height)
    next(b for b in browser.find_elements(By.TAG_NAME, "button") if "INVITE" in b.text.upper()).click()
    time.sleep(1)
    taken["phone-invitation"] = folder / "phone-invitation.png"
    browser.save_screenshot(str(taken["phone-invitation"]))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--address", help="address of the page of a demo that is already running")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, ExitStack() as ended:
        folder = Path(name)
        address = options.address or _address(_demo(folder / "demo", ended))
        browser = chromium(folder / "browser")
        ended.callback(browser.quit)
        browser.get(address)
        until = time.monotonic() + _SECONDS
        while not _SHOWN.search(browser.find_element(By.TAG_NAME, "body").text):
            if time.monotonic() > until:
                raise SystemExit("the page never showed a late round")
            time.sleep(0.2)
        pictures = {shot: Image.open(path).convert("RGB") for shot, path in _take(browser, folder).items()}
    chosen = [pictures[shot] for shot in _README]
    width = sum(picture.width for picture in chosen) + _GAP * (len(chosen) + 1)
    whole = Image.new("RGB", (width, max(p.height for p in chosen) + 2 * _GAP), _GROUND)
    left = _GAP
    for picture in chosen:
        whole.paste(picture, (left, _GAP))
        left += picture.width + _GAP
    whole.save(options.folder / "dashboard.png", optimize=True)
    if options.all:
        for shot, picture in pictures.items():
            picture.save(options.folder / f"{shot}.png", optimize=True)


if __name__ == "__main__":
    main()
