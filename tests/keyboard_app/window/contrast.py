"""The contrast of two colours, by the Web Content Accessibility Guidelines 2.2 (section 1.4.3), and where text needs it."""

CLEAR = 4.5  # the lowest contrast allowed for text

# Pairs of ink and paper that occur in the window.
WRITTEN = (
    *((ink, paper) for ink in ("text", "muted", "accent") for paper in ("background", "surface", "board")),
    *(("text", paper) for paper in ("key", "key_special", "key_pressed", "selection")),
    *(("muted", paper) for paper in ("key", "key_special")),
    *((ink, paper) for ink in ("warm", "danger") for paper in ("background", "surface")),
    ("accent", "key"),
    ("over_accent", "accent"),
    ("over_bubble", "bubble"),
    ("over_danger", "danger"),
)


def contrast(one: str, other: str) -> float:
    """Returns the contrast of two colours `#rrggbb`, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    def linear(share: float) -> float:
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(color[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
