"""Small pictures, by Pillow. The only file that imports it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from bot.core.activity import Week

_CELL, _GAP, _LEFT, _TOP, _MARGIN = 44, 8, 64, 56, 24
_SHADES = ("#e9edf2", "#fbd0c2", "#f59a7f", "#e0603e", "#a83414")
"""None, then a quarter of the busiest day each. They differ in lightness, so that they can be told apart without
colour."""
_INK, _PAPER = "#1f2933", "#ffffff"
_FUTURE = "#f7f8fa"
_DAYS = ("Mon", "", "Wed", "", "Fri", "", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def weeks_picture(weeks: Sequence[Week], days_left: int) -> bytes:
    """A calendar as PNG: a column for each week, a square for each day, the darker the more was done. The last
    `days_left` days of the last week are still to come. Some milliseconds."""
    step = _CELL + _GAP
    size = (_LEFT + len(weeks) * step - _GAP + _MARGIN, _TOP + 7 * step - _GAP + _MARGIN)
    picture = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(18)
    for row, name in enumerate(_DAYS):
        draw.text((_LEFT - 12, _TOP + row * step + _CELL / 2), name, _INK, font, anchor="rm")
    busiest = max((count for week in weeks for count in week.counts), default=0)
    for column, week in enumerate(weeks):
        x = _LEFT + column * step
        if column == 0 or week.start.month != weeks[column - 1].start.month:
            draw.text((x, _TOP - 14), _MONTHS[week.start.month - 1], _INK, font, anchor="ls")
        for row, count in enumerate(week.counts):
            to_come = column == len(weeks) - 1 and row >= 7 - days_left
            y = _TOP + row * step
            shade = _FUTURE if to_come else _SHADES[_level(count, busiest)]
            draw.rounded_rectangle((x, y, x + _CELL, y + _CELL), 8, shade)
            if count:
                ink = _PAPER if _level(count, busiest) > 2 else _INK
                draw.text((x + _CELL / 2, y + _CELL / 2), str(count), ink, font, anchor="mm")
    out = BytesIO()
    picture.save(out, "PNG", compress_level=4)
    return out.getvalue()


def _level(count: int, busiest: int) -> int:
    return 0 if not count else min(4, 1 + 4 * (count - 1) // max(busiest, 4))
