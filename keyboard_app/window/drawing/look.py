"""What the window looks like now: the colours of the theme in use and the scale of text, as properties that the rules observe."""

from dataclasses import asdict
from functools import partial

from kivy.event import EventDispatcher
from kivy.metrics import dp, sp
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty, ObjectProperty, OptionProperty

from keyboard_app.window.drawing.theme import THEMES, Theme, palette

PHONE, TABLET, DESKTOP = "phone", "tablet", "desktop"
_TABLET_FROM, _DESKTOP_FROM = 600, 1000  # widths in dp


class Look(EventDispatcher):
    """The roles of `theme.Palette` as colours; `scale` multiplies the size of all text; `kind` is how wide the window is."""

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
    # `look.size(points)` is the size of a font in pixels, of so many points at a scale of 1: a property, so that the rules that
    # call it do so again at another scale.
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
        """Finds out the kind of a window of this width, in pixels."""
        wide = width / dp(1)
        self.kind = DESKTOP if wide >= _DESKTOP_FROM else TABLET if wide >= _TABLET_FROM else PHONE

    def on_scale(self, _look: "Look", scale: float) -> None:
        """Text has another size."""
        self.size = partial(_sized, scale)


def _sized(scale: float, points: float) -> int:
    return round(sp(points) * scale)


look = Look()
