"""A preview shows every card that a learner can meet, from the very payload that a platform is sent."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bot.bank.load import FOLDER
from bot.cli.preview import SURFACES, preview_item
from bot.core.errors import NotFound
from bot.core.kinds import KINDS
from bot.core.kinds.choosing import Choosable
from bot.core.questions import Item
from bot.core.text import visible
from bot.core.views import text_of
from tests.app.building import BANK

FIRST = {
    kind: next(item for item in BANK.items.values() if item.kind == kind) for kind in KINDS if kind != "true_false"
}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("item", FIRST.values(), ids=FIRST)
async def test_every_side_of_every_kind_is_shown_on_every_surface(item: Item, surface: str) -> None:
    shown = await preview_item(FOLDER, item.id, surface)

    labels = [line.rpartition(" · ")[2] for line in shown.splitlines() if line.startswith(f"━━ {item.id} · ")]
    if not isinstance(item, Choosable):
        assert labels == [side.label for side in item.sides()]
    assert "Run the proof" in shown
    assert "Read on" in shown


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_question_is_shown_with_the_verdict_on_each_option_and_all_reasons(surface: str) -> None:
    question = BANK.quizzes[3].questions[4]

    cards = json.loads(await preview_item(FOLDER, question.id, surface, as_json=True))
    shown = visible(await preview_item(FOLDER, question.id, surface)).replace("\\", "")

    assert list(cards) == ["question", "A chosen", "B chosen", "C chosen", "D chosen", "why not the others"]
    assert shown.count("Right. +1 point") == 1
    assert shown.count("Not quite. It is ") == 3
    assert shown.count("(your answer)") == 4  # three verdicts and the reasons after the last
    plain = shown.replace("`", "").replace("*", "")
    assert all(text_of(option.line()) in plain for option in question.options)


@pytest.mark.parametrize(
    ("surface", "proof"),
    [
        ("discord", "attachment://formula-01-mse.png"),
        ("slack", "`formula-01-mse.png`"),
        ("web", "[picture formula-01-mse.png"),
        ("text", "[formula-01-mse.png, "),
    ],
)
async def test_a_picture_is_named_with_its_words(surface: str, proof: str) -> None:
    shown = await preview_item(FOLDER, "formula-01-mse", surface)

    assert proof in shown
    assert "Mean squared error equals one over n" in shown


@pytest.mark.parametrize(
    ("surface", "label", "title"),
    [
        ("discord", "**Myth\\:** `no_grad`", "**As text**"),
        ("slack", "*Myth:* `no_grad`", "*As text*"),
        ("web", "**Myth:** `no_grad`", "**As text**"),
        ("text", "Myth: `no_grad`", "As text:"),
    ],
)
async def test_marks_stand_close_to_their_words_and_code_has_its_title(surface: str, label: str, title: str) -> None:
    assert label in await preview_item(FOLDER, "concept-05", surface)
    assert title in (await preview_item(FOLDER, "formula-01-mse", surface)).splitlines()


async def test_of_a_follow_up_its_own_two_sides_are_shown() -> None:
    cards = json.loads(await preview_item(FOLDER, "interview-03-f2", "web", as_json=True))

    assert list(cards) == ["Follow-up 2", "Answer 2"]


@pytest.mark.parametrize(("id", "surface", "words"), [("x", "text", "no item 'x'"), ("card-01", "irc", "no surface")])
async def test_an_unknown_item_or_surface_is_named(id: str, surface: str, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        await preview_item(FOLDER, id, surface)


def test_no_library_of_a_platform_is_needed() -> None:
    block = (
        "import sys; [sys.modules.__setitem__(name, None) for name in ('discord', 'slack_bolt', 'slack_sdk', 'torch')]"
    )
    call = "from bot.__main__ import cli; cli(['content', 'preview', 'quiz-11-q03', '--as', {!r}])"

    for surface in ("discord", "slack"):
        done = subprocess.run(
            [sys.executable, "-c", f"{block}; {call.format(surface)}"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "Not quite. It is " in done.stdout
