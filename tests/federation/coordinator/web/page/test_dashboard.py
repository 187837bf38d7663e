"""The dashboard in Chromium: rounds are started, shown and stopped, and a join link is shown."""

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import uvicorn
from nicegui import Client
from nicegui.testing.general import nicegui_reset_globals
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from federation.coordinator.settings.federation_settings import FederationSettings
from federation.coordinator.settings.settings_change import with_values
from federation.coordinator.settings_in_force import SettingsInForce
from federation.coordinator.web.control_api import ControlApi, control_app, control_token
from federation.coordinator.web.device_api import DeviceApi
from federation.coordinator.web.page.dashboard import add_dashboard

SECONDS = 240  # a deadline, generous because of background load
# Returns the series of all charts on the page.
SHOWN_CURVES = """
return [...document.querySelectorAll('.nicegui-echart')].map(e => getElement(e).chart.getOption().series)
"""


def chromium(folder: Path) -> webdriver.Chrome:
    """Starts Debian's Chromium without a window, with its profile in `folder`."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.fail("the dashboard's test needs Chromium: apt-get install chromium chromium-driver", pytrace=False)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
        *("disable-component-update", "disable-sync", f"user-data-dir={folder}", "window-size=1280,1400"),
        "hide-scrollbars",
    ):
        options.add_argument(f"--{flag}")
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    opened = chromium(tmp_path / "browser")
    try:
        yield opened
    finally:
        opened.quit()


@contextmanager
def unstarted_nicegui() -> Iterator[None]:
    """Sets NiceGUI back to its state before any page: a process has one application of it, which is set up before it starts."""
    with nicegui_reset_globals():
        try:
            yield
        finally:
            Client.page_routes.clear()  # otherwise the modules of the pages would be imported a second time


class Served(threading.Thread):
    """A coordinator's page, and devices that take part in every scheduled round, in a thread of their own."""

    def __init__(self, new_world: Callable, devices: int = 6) -> None:
        super().__init__(daemon=True)
        self._new_world, self._devices, self._stopped = new_world, devices, threading.Event()
        self._error: BaseException | None = None
        self.started, self.address, self.token = threading.Event(), "", ""

    def run(self) -> None:
        try:
            with unstarted_nicegui():
                asyncio.run(self._serve())
        except BaseException as error:  # the test's thread re-raises it
            self._error = error
            raise

    async def _serve(self) -> None:
        world = self._new_world()
        self.model = lambda: world.coordinator.rounds.model
        world.now = time.time()
        world.enrol(self._devices)
        api = DeviceApi(world.coordinator)
        self.token = control_token(world.folder)
        with_values(FederationSettings(), {"target": 4}).save(world.folder)
        stored = FederationSettings.load(world.folder)
        settings = SettingsInForce(world.folder, stored, world.coordinator.rounds, world.coordinator.store)
        control = ControlApi(world.coordinator, api, "127.0.0.1", 8470, "ab" * 32, settings)
        app = control_app(control, self.token)
        add_dashboard(app, control, self.token)
        server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="error", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.02)
        self.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        self.started.set()
        while not self._stopped.is_set():
            for device in world.devices:
                world.step(device)
            world.work()
            settings.apply()
            world.now = time.time()
            await asyncio.sleep(0.05)
        server.should_exit = True
        await serving
        world.close()

    def stop(self) -> None:
        self._stopped.set()
        self.join(SECONDS)
        if self._error is not None:
            raise self._error


@pytest.fixture
def served(new_world: Callable) -> Iterator[Served]:
    thread = Served(new_world)
    thread.start()
    assert thread.started.wait(SECONDS)
    yield thread
    thread.stop()


def test_rounds_are_started_shown_and_stopped(served: Served, browser: webdriver.Chrome, tmp_path: Path) -> None:
    def text() -> str:
        return browser.find_element(By.TAG_NAME, "body").text

    def see(*parts: str) -> None:
        WebDriverWait(browser, SECONDS).until(lambda _: all(part in text() for part in parts), str(parts))

    def press(label: str, within: str = "body") -> None:
        """Presses the first button with a label in the last element that a selector finds."""

        def pressed(_: object) -> bool:
            place = browser.find_elements(By.CSS_SELECTOR, within)[-1]
            found = [b for b in place.find_elements(By.TAG_NAME, "button") if label.upper() in b.text.upper()]
            if found:
                found[0].click()
            return bool(found)

        fleeting = (StaleElementReferenceException, ElementClickInterceptedException)  # tables and dialogs change
        WebDriverWait(browser, SECONDS, ignored_exceptions=fleeting).until(pressed, f"no button {label}")

    with httpx.Client(base_url=served.address, trust_env=False) as http:
        built = len(Client.instances)
        for path in ("/", "/?token=", "/?token=wrong", f"/?token={served.token}x", "/nowhere", "/%00", "/control"):
            assert http.get(path).status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND), path
        assert len(Client.instances) == built, "without the token no page is built, which would be kept for a minute"

    browser.get(f"{served.address}/")
    see("Open this page with the address")
    assert "Global model" not in text()

    browser.get(f"{served.address}/?token={served.token}")
    see("Round 0", "No round is open", "0 more rounds scheduled", "Secure sums", "no round yet", "no errors")
    count = browser.find_element(By.CSS_SELECTOR, "input[type=number]")
    count.send_keys("\b\b3")
    press("start")
    see("Round 3", "committed", "0 more rounds scheduled", "20.0% → 40.0%", "60.0% → 80.0%", "40.0% after training")
    see("round 3 made a new model from 4 devices", "round 3: unmasking ended with 4 devices")
    curves = browser.execute_script(SHOWN_CURVES)
    before_and_after, norms = [[curve["data"] for curve in chart] for chart in curves[:2]], curves[2]
    assert before_and_after == [[[20] * 3, [40] * 3], [[60] * 3, [80] * 3]]
    assert len(norms) == 2 and all(value > 0 for curve in norms for value in curve["data"])

    press("invite a device")
    see("federated-keyboard://127.0.0.1:8470/join?code=", "For one device.")
    assert browser.find_elements(By.CSS_SELECTOR, "svg path[stroke]"), "the link's QR code"
    press("close")
    see("1 unused join link")
    WebDriverWait(browser, SECONDS).until_not(lambda _: "For one device." in text())

    see("not used yet")
    press("rename")
    see("Name of ")
    browser.find_element(By.CSS_SELECTOR, "input[maxlength='60']").send_keys("Anna's phone\n")
    see("Anna's phone")
    press("remove")
    see("Remove Anna's phone?", "cannot come back without a new link")
    press("remove", ".q-dialog")
    see("removed")
    press("revoke")
    see("Nobody can join with this link any more.")
    press("revoke", ".q-dialog")
    see("revoked")
    WebDriverWait(browser, SECONDS).until_not(lambda _: "Nobody can join" in text())

    press("pause")
    see("paused")
    count.send_keys("\b\b9999")
    press("start")
    see("more rounds scheduled")
    press("stop")
    see("Stop the rounds?")
    press("cancel")
    WebDriverWait(browser, SECONDS).until_not(lambda _: "Stop the rounds?" in text())
    see("more rounds scheduled")
    press("stop")
    see("Stop the rounds?")
    browser.find_element(By.CSS_SELECTOR, ".q-dialog button.text-negative").click()
    see("0 more rounds scheduled", "No round is open", "no errors")

    press("start now")
    see("begins as soon as 3 devices are present, since a sum over fewer would show", "0 of them are here")
    press("change settings")
    target = WebDriverWait(browser, SECONDS).until(
        lambda _: browser.find_element(By.CSS_SELECTOR, ".q-dialog input[aria-label=target]")
    )
    target.send_keys("\b2")
    press("save", ".q-dialog")
    see("the minimum of 3 devices is above the target of 2")
    target.send_keys("\b4")
    target.send_keys("\b5")
    press("save", ".q-dialog")
    see("target 4 devices → 5")
    theme = browser.find_element(By.CSS_SELECTOR, "button[aria-label^=theme]")
    assert not browser.find_elements(By.CSS_SELECTOR, "body.body--dark")
    while "dark" not in str(theme.get_attribute("aria-label")):
        theme.click()
        time.sleep(0.1)
    WebDriverWait(browser, SECONDS).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "body.body--dark"))
    browser.set_window_size(412, 892)
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    WebDriverWait(browser, SECONDS).until(
        lambda _: browser.execute_script(wide) == 0, "on a phone the page scrolls vertically only"
    )
    picture = Path(os.environ.get("SCREENSHOTS", tmp_path)) / "dashboard.png"
    assert browser.save_screenshot(str(picture))
    addresses = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert addresses and all(address.startswith(served.address) for address in addresses)
