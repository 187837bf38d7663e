"""Pixels as a texture."""

import numpy as np
from kivy.graphics.texture import Texture

__all__ = ("texture_of",)


def texture_of(pixels: np.ndarray) -> Texture:
    """A texture of [height, width, 4] bytes, the lowest row first; drawn again where the system has taken the pictures away."""
    height, width, _ = pixels.shape
    texture = Texture.create(size=(width, height), colorfmt="rgba")

    def fill(texture: Texture) -> None:
        texture.blit_buffer(pixels.tobytes(), colorfmt="rgba", bufferfmt="ubyte")

    fill(texture)
    texture.add_reload_observer(fill)
    return texture
