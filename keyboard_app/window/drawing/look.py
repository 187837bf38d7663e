"""The current look of the window: its colours and the scale of text, as properties that the `.kv` rules observe."""

from dataclasses import asdict
from functools import partial

from kivy.event import EventDispatcher
from kivy.metrics import dp, sp
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, ObjectProperty, OptionProperty

from keyboard_app.window.drawing.theme import THEMES, Theme, palette

PHONE, TABLET, DESKTOP = "phone", "tablet", "desktop"
_TABLET_FROM, _DESKTOP_FROM = 600, 1000  # widths in dp


class Look(EventDispatcher):
    """The colours of `theme.Palette`; `scale` multiplies the size of all text; `kind` is the class of window width."""

    background = ColorProperty()
    surface = ColorProperty()
    board = ColorProperty()
    key = ColorProperty()
    key_special = ColorProperty()
    key_pressed = ColorProperty()
    accent = ColorProperty()
    over_accent = ColorProperty()
    bubble = ColorProperty()
    over_bubble = ColorProperty()
    selection = ColorProperty()
    text = ColorProperty()
    muted = ColorProperty()
    grid = ColorProperty()
    warm = ColorProperty()
    danger = ColorProperty()
    over_danger = ColorProperty()

    theme = OptionProperty("dark", options=THEMES)
    private = BooleanProperty(False)
    scale = NumericProperty(1.0)
    # `look.size(points)` converts a font size in points to pixels at the current scale. It is a property so that the rules that
    # call it are evaluated again when the scale changes.
    size = ObjectProperty()
    kind = OptionProperty(PHONE, options=[PHONE, TABLET, DESKTOP])

    def __init__(self) -> None:
        super().__init__()
        self.bind(theme=self._paint, private=self._paint)
        self.on_scale(self, self.scale)
        self._paint()

    def _paint(self, *_: object) -> None:
        theme: Theme = self.theme
        for role, color in asdict(palette(theme, self.private)).items():
            setattr(self, role, color)

    def fit(self, width: float) -> None:
        """Sets `kind` for a window of this width, in pixels."""
        wide = width / dp(1)
        self.kind = DESKTOP if wide >= _DESKTOP_FROM else TABLET if wide >= _TABLET_FROM else PHONE

    def on_scale(self, _look: "Look", scale: float) -> None:
        """Updates `size` to the new scale."""
        self.size = partial(_sized, scale)


def _sized(scale: float, points: float) -> int:
    return round(float(sp(points)) * scale)


look = Look()
