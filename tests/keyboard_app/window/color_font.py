"""Makes a small colour emoji font like those of operating systems: pictures without outlines (OpenType's CBDT and CBLC)."""

import io
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib import newTable
from fontTools.ttLib.tables._g_l_y_f import Glyph
from fontTools.ttLib.tables.BitmapGlyphMetrics import SmallGlyphMetrics
from fontTools.ttLib.tables.C_B_D_T_ import cbdt_bitmap_format_17
from fontTools.ttLib.tables.E_B_L_C_ import BitmapSizeTable, SbitLineMetrics, Strike, eblc_index_sub_table_1
from PIL import Image

SIZE = 64  # side of a picture, in pixels
_BELOW = 8  # part of it below the baseline, in pixels
_UNITS = 1024  # font units per em


def save_color_font(file: Path, character: str, color: tuple[int, int, int]) -> None:
    """Saves a font with a single character, drawn as a square of one colour."""
    builder = FontBuilder(_UNITS, isTTF=True)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(character): "square"})
    builder.setupGlyf({".notdef": Glyph(), "square": Glyph()})
    builder.setupHorizontalMetrics({".notdef": (_UNITS, 0), "square": (_UNITS, 0)})
    builder.setupHorizontalHeader(ascent=_UNITS * (SIZE - _BELOW) // SIZE, descent=-_UNITS * _BELOW // SIZE)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    font = builder.font

    picture = io.BytesIO()
    Image.new("RGBA", (SIZE, SIZE), (*color, 255)).save(picture, "png")
    bitmap = cbdt_bitmap_format_17(b"", font)
    bitmap.imageData, bitmap.metrics = picture.getvalue(), SmallGlyphMetrics()
    bitmap.metrics.height = bitmap.metrics.width = bitmap.metrics.Advance = SIZE
    bitmap.metrics.BearingX, bitmap.metrics.BearingY = 0, SIZE - _BELOW
    font["CBDT"] = newTable("CBDT")
    font["CBDT"].version, font["CBDT"].strikeData = 3.0, [{"square": bitmap}]

    index = eblc_index_sub_table_1(b"", font)
    index.names, index.indexFormat, index.imageFormat = ["square"], 1, 17
    index.firstGlyphIndex = index.lastGlyphIndex = 1
    sizes = BitmapSizeTable()
    sizes.hori = sizes.vert = _line_metrics()
    sizes.ppemX = sizes.ppemY = SIZE
    sizes.startGlyphIndex = sizes.endGlyphIndex = sizes.flags = 1
    sizes.colorRef, sizes.bitDepth = 0, 32
    strike = Strike()
    strike.bitmapSizeTable, strike.indexSubTables = sizes, [index]
    font["CBLC"] = newTable("CBLC")
    font["CBLC"].version, font["CBLC"].strikes = 3.0, [strike]

    del font["glyf"], font["loca"]
    font["maxp"].numGlyphs = 2
    font.save(file)


def _line_metrics() -> SbitLineMetrics:
    line = SbitLineMetrics()
    carets = ("caretSlopeNumerator", "caretSlopeDenominator", "caretOffset")
    for name in (*carets, "minOriginSB", "minAdvanceSB", "maxBeforeBL", "minAfterBL", "pad1", "pad2"):
        setattr(line, name, 0)
    line.ascender, line.descender, line.widthMax = SIZE - _BELOW, -_BELOW, SIZE
    return line
