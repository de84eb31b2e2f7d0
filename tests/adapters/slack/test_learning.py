"""Drilling cards and seeing one's progress on Slack, over the wire."""

from __future__ import annotations

from tests.adapters.slack.fake_slack import FakeSlack, labels
from tests.adapters.slack.serving import bot


async def test_a_card_is_drilled_in_one_whisper_and_a_rating_delivered_twice_counts_once(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.command("/flashcards", "autograd 3")
        card = await slack.see("Flashcards · Autograd · 1 of 3", to="U1")
        await slack.press(card, "Show")
        await slack.see("How well did you know it?", to="U1")
        rating = slack.press_payload(card, "4 Well · 2 d")
        await slack.deliver("interactive", rating)
        await slack.deliver("interactive", rating, retry=1)
        following = await slack.see("2 of 3", to="U1")
        assert labels(following.body["blocks"]) == ["Show", "Undo"]

        await slack.press(following, "Undo")
        await slack.see("That rating is taken back", to="U1")

    assert slack.shown(to="U1") == [card]
    assert slack.shown() == []


async def test_progress_is_whispered_with_its_words_and_the_picture_goes_to_the_reader_alone(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.command("/stats")
        progress = await slack.see("Your progress", to="U1")
        await slack.until(lambda: slack.called("files.completeUploadExternal"), "the picture")

    assert "A calendar of the last 8 weeks, still empty." in str(progress.body)
    assert slack.shown(channel="C1") == []


async def test_the_home_shows_progress_and_what_is_due(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.open_home()
        home = await slack.until(lambda: slack.called("views.publish"), "a home")

    shown = str(home[-1])
    assert "Your progress" in shown
    assert "Nothing is due." in shown
