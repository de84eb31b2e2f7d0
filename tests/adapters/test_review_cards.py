"""Every card of a review, of a drill and of one's progress fits every platform, for every item of the bank."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.adapters import terminal
from bot.adapters.discord import render as discord
from bot.adapters.slack import render as slack
from bot.adapters.web import render as web
from bot.app import review_views
from bot.app.decks import REVIEW, Decks
from bot.app.review_views import Place
from bot.core.actions import MAX_WIRE, Action, Codec, UndoRating
from bot.core.ids import ItemId, Tenant, UserId
from bot.core.kinds.choosing import Choosable
from bot.core.questions import Item
from bot.core.reviews import VERSIONS, Card, Rating
from bot.core.views import Reply, View
from tests.adapters.discord import rules
from tests.adapters.slack.limits import message_violations, view_violations
from tests.app.building import BANK, House, Person, labels, right_letter, wrong_letter
from tests.app.fakes import FakeClock

CODEC = Codec(b"0123456789abcdef")
NOW = FakeClock().now()
LONGEST = Card(VERSIONS - 1)
OFFERS = dict.fromkeys(Rating, "10 min")


def seal(action: Action) -> str:
    wire = CODEC.encode(action, Tenant("d1200000000000000001"), NOW, UserId("1200000000000000002"))
    assert len(wire) <= MAX_WIRE
    return wire


def problems(view: View) -> list[str]:
    """What any platform would refuse."""
    card = discord.card(view, seal)
    message = {
        "flags": rules.V2,
        "components": card.components,
        "allowed_mentions": {"parse": []},
        "attachments": [
            {"id": number, "filename": each.name, "description": each.alt} for number, each in enumerate(card.uploads)
        ],
    }
    shown = slack.message(view, seal)
    found = [*rules.message_problems(message, {each.name: len(each.content) for each in card.uploads})]
    found += message_violations(shown.body)
    found += view_violations(slack.home([(view, seal)], "D1"))
    web.card(view, seal, lambda file: f"/files/{file.name}")
    printed = terminal.card(view, [button.label for button in view.buttons])
    return [
        *found,
        *(f"{button.label!r} is long" for button in view.buttons if len(button.label) > 34),
        *_blank(printed),
    ]


def _blank(printed: Sequence[str]) -> list[str]:
    return [] if any(line.strip() for line in printed) else ["the terminal shows nothing"]


REVIEWABLE = {item.id: item for forms in Decks(BANK).deck(REVIEW).forms.values() for item in forms}  # type: ignore[union-attr]


@pytest.mark.parametrize("id", REVIEWABLE)
def test_every_item_can_be_asked_answered_and_rated_everywhere(id: ItemId) -> None:
    item: Item = REVIEWABLE[id]
    place = Place(
        "Review · Activations and initialisation · 10 of 30", VERSIONS - 1, "x" * 60, UndoRating(id, 65535, 65535)
    )
    views = [review_views.back(item, LONGEST, OFFERS, place), review_views.rated_alone(item, place)]
    order = item.order("seed") if isinstance(item, Choosable) else ()
    views.append(review_views.front(item, LONGEST, place, order))
    if isinstance(item, Choosable):
        views += [review_views.verdict(item, order, option, right=False, place=place) for option in (None, *order)]

    for view in views:
        assert problems(view) == []


async def test_every_card_on_the_way_through_a_day_of_learning_fits_everywhere() -> None:
    ada = Person(House())
    cards: list[Reply] = [await ada.say("/flashcards"), await ada.say("/review"), await ada.say("/stats")]
    question = await ada.say("/quiz 11")
    await ada.press(question, wrong_letter(question))
    review = await ada.say("/review")
    cards += [review, await ada.press(review, right_letter(review)), await ada.say("/stats")]
    card = await ada.say("/flashcards 4")
    while "Show" in labels(card):
        back = await ada.press(card, "Show")
        card = await ada.press(back, labels(back)[len(cards) % 5])
        cards += [back, card]
    cards.append(await ada.press(card, "Undo"))

    for each in cards:
        assert isinstance(each, View)
        assert problems(each) == []
