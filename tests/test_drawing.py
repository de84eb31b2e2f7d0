"""The picture of the last weeks says by lightness what the words say."""

from __future__ import annotations

from datetime import date, timedelta
from io import BytesIO

from PIL import Image

from bot.core.activity import WEEKS, Activity, Week
from bot.drawing import weeks_picture

TODAY = date(2026, 11, 25)  # a Wednesday
_LEFT, _TOP, _STEP, _INSIDE = 64, 56, 52, 6


def picture(weeks: tuple[Week, ...], days_left: int = 4) -> Image.Image:
    return Image.open(BytesIO(weeks_picture(weeks, days_left))).convert("L")


def lightness(image: Image.Image, week: int, day: int) -> int:
    """Of the square of a day, beside its number."""
    x, y = _LEFT + week * _STEP + _INSIDE, _TOP + day * _STEP + _INSIDE
    return image.crop((x, y, x + 1, y + 1)).tobytes()[0]


def test_busier_days_are_darker() -> None:
    activity = Activity()
    for back, count in ((0, 1), (1, 5), (2, 12)):
        for _ in range(count):
            activity = activity.counted(TODAY - timedelta(days=back))
    image = picture(activity.weeks(TODAY))

    shades = [lightness(image, WEEKS - 1, day) for day in (2, 1, 0)]
    assert shades == sorted(shades, reverse=True)
    assert len({lightness(image, 0, 0), *shades}) == 4


def test_days_to_come_are_told_from_days_without_an_answer() -> None:
    image = picture(Activity().weeks(TODAY))

    assert lightness(image, WEEKS - 1, 2) < lightness(image, WEEKS - 1, 3)


def test_it_is_a_small_png_that_fits_a_phone() -> None:
    activity = Activity()
    for back in range(60):
        for _ in range(back * 7 % 300):
            activity = activity.counted(TODAY - timedelta(days=back))
    content = weeks_picture(activity.weeks(TODAY), 4)

    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(content) < 40_000
    assert Image.open(BytesIO(content)).size == (496, 436)
