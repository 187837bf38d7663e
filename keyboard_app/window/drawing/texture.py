"""Turns pixels into a texture."""

from kivy.graphics.texture import Texture

from keyboard_app.window.drawing.shapes import Pixels

__all__ = ("texture_of",)


def texture_of(pixels: Pixels) -> Texture:
    """Returns a texture of `pixels`; it fills itself again after the system has discarded the textures."""
    height, width, _ = pixels.shape
    texture = Texture.create(size=(width, height), colorfmt="rgba")

    def fill(texture: Texture) -> None:
        texture.blit_buffer(pixels.tobytes(), colorfmt="rgba", bufferfmt="ubyte")

    fill(texture)
    texture.add_reload_observer(fill)
    return texture
