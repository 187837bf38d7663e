"""Makes a page when it is first opened. The modules and rules of the pages would otherwise take a sixth of every start."""

from functools import cache
from pathlib import Path

from kivy.lang import Builder

from keyboard_app.window.pages.page import Page, PageHost

LEARNED, DATA, FEDERATION, SETTINGS = PAGES = ("learned", "data", "federation", "settings")


@cache
def load_page_rules() -> None:
    """Loads the `.kv` rules of the pages, once in a process."""
    for name in ("pages", "federation"):
        Builder.load_file(str(Path(__file__).parent / f"{name}.kv"))


def make_page(name: str, screen: PageHost) -> Page:
    """Returns the page of `PAGES` with this name, for a screen."""
    load_page_rules()
    if name == LEARNED:
        from keyboard_app.window.pages.learned_page import LearnedPage

        return LearnedPage(screen)
    if name == DATA:
        from keyboard_app.window.pages.data_page import DataPage

        return DataPage(screen)
    if name == FEDERATION:
        from keyboard_app.window.pages.federation_page import FederationPage

        return FederationPage(screen)
    from keyboard_app.window.pages.settings_page import SettingsPage

    return SettingsPage(screen)
