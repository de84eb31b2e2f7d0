"""Drilling cards and seeing one's progress on Discord, over the wire."""

from __future__ import annotations

from tests.adapters.discord.fake_discord import FakeDiscord, Message, Someone
from tests.adapters.discord.living import bot_on_discord
from tests.adapters.views import PNG


async def shows(fake: FakeDiscord, message: Message, words: str) -> None:
    """Wait until the message does."""
    await fake.until(lambda: not message.loading and message.versions and words in message.text)


async def test_a_card_is_drilled_in_one_private_message() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        card = (await ada.command("flashcards", what="autograd 3")).message
        assert card.to == ada.id
        await shows(bot.fake, card, "Flashcards · Autograd · 1 of 3")

        await ada.press(card, "Show")
        await shows(bot.fake, card, "How well did you know it?")
        assert list(card.buttons)[:5] == [
            "1 Not at all · now",
            "2 Barely · 10 min",
            "3 With effort · 1 d",
            "4 Well · 2 d",
            "5 Perfectly · 8 d",
        ]
        await ada.press(card, "4 Well · 2 d")
        await shows(bot.fake, card, "2 of 3")
        await ada.press(card, "Undo")
        await shows(bot.fake, card, "That rating is taken back")


async def test_progress_is_private_and_has_a_picture_with_alt_text() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        progress = (await ada.command("stats")).message

        assert progress.to == ada.id
        await shows(bot.fake, progress, "Your progress")
        (picture,) = progress.files.values()
        assert picture.startswith(PNG)
        assert "A calendar of the last 8 weeks, still empty." in str(progress.body)


async def test_a_puzzle_is_answered_in_place_and_another_is_asked() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        card = (await ada.command("puzzle", subject="dtype")).message
        assert card.to == ada.id
        await shows(bot.fake, card, "Puzzle · dtype")

        await ada.press(card, "A")
        await shows(bot.fake, card, "Why:")
        another = (await ada.press(card, "Another one")).message
        await shows(bot.fake, another, "Puzzle · dtype")
        assert another is not card
        assert another.to == ada.id
