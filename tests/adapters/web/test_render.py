"""Views become plain JSON; nothing of a view is lost on the way."""

from __future__ import annotations

import json
from typing import get_args

from hypothesis import given, settings

from bot.adapters.web import render
from bot.core.actions import Action
from bot.core.runs import RunFile
from bot.core.views import (
    Block,
    Board,
    Bullets,
    Choice,
    Choices,
    Code,
    Files,
    Form,
    Heading,
    Line,
    Mark,
    Note,
    Ranking,
    Span,
    Style,
    Table,
    Text,
    View,
    plain,
)
from tests.adapters import views
from tests.adapters.web.fakes import menu, png, question, result, run_form

LINE: Line = (Span("the "), Span("softmax", Style.CODE))
ONE_OF_EACH: tuple[Block, ...] = (
    Heading("Title"),
    Text(LINE),
    Bullets((LINE, plain("two")), numbered=True),
    Code("x = 1", title="Ada runs"),
    Choices((Choice("A", LINE, Mark.RIGHT), Choice("B", plain("no"), Mark.WRONG), Choice("C", plain("no")))),
    Board((Ranking(1, "Ada", 3, "detail", me=True),)),
    Table(("a", "b"), (("1", "2"),)),
    Files((RunFile("loss.png", png(2, 2), "A curve"), RunFile("evil.html", b"<script>", ""))),
    Note("small print"),
)


def seal(action: Action) -> str:
    return f"sealed:{type(action).__name__}"


def link(file: RunFile) -> str:
    return f"/files/{file.name}"


def drawn(*blocks: Block) -> list[object]:
    card = render.card(View(blocks, "all of it"), seal, link)
    blocks_drawn = card["blocks"]
    assert isinstance(blocks_drawn, list)
    return blocks_drawn


def test_every_kind_of_block_is_drawn() -> None:
    assert {type(block) for block in ONE_OF_EACH} == set(get_args(Block))

    assert drawn(*ONE_OF_EACH) == [
        {"kind": "heading", "text": "Title"},
        {"kind": "text", "line": [{"text": "the "}, {"text": "softmax", "style": "code"}]},
        {
            "kind": "bullets",
            "items": [[{"text": "the "}, {"text": "softmax", "style": "code"}], [{"text": "two"}]],
            "numbered": True,
        },
        {"kind": "code", "source": "x = 1", "language": "py", "title": "Ada runs"},
        {
            "kind": "choices",
            "choices": [
                {"letter": "A", "line": [{"text": "the "}, {"text": "softmax", "style": "code"}], "mark": "right"},
                {"letter": "B", "line": [{"text": "no"}], "mark": "your answer"},
                {"letter": "C", "line": [{"text": "no"}], "mark": ""},
            ],
        },
        {"kind": "board", "rows": [{"rank": 1, "name": "Ada", "points": 3, "detail": "detail", "me": True}]},
        {"kind": "table", "columns": ["a", "b"], "rows": [["1", "2"]]},
        {
            "kind": "files",
            "files": [
                {"name": "loss.png", "alt": "A curve", "picture": True, "address": "/files/loss.png"},
                {"name": "evil.html", "alt": "evil.html", "picture": False, "address": "/files/evil.html"},
            ],
        },
        {"kind": "note", "text": "small print"},
    ]


def test_a_card_is_json() -> None:
    for view in (question(), result(), menu(), View(ONE_OF_EACH, "one of each")):
        card = render.card(view, seal, link)

        assert json.loads(json.dumps(card)) == card


def test_a_button_carries_its_sealed_action_and_never_the_answer() -> None:
    card = render.card(question(), seal, link)

    assert [{"label": letter, "wire": "sealed:Answer", "look": "plain", "enabled": True} for letter in "ABCD"] == card[
        "buttons"
    ]


def test_the_wires_of_a_card_are_those_of_its_buttons_and_its_menu() -> None:
    assert render.wires(question(), seal) == {"sealed:Answer"}
    assert render.wires(menu(), seal) == {"sealed:AskQuiz"}


def test_a_menu_names_its_entries() -> None:
    drawn_menu = render.card(menu(), seal, link)["menu"]

    assert isinstance(drawn_menu, dict)
    assert drawn_menu["placeholder"] == "Choose a quiz"
    assert drawn_menu["entries"][2] == {"label": "11 · Transformers", "wire": "sealed:AskQuiz", "about": "Course 1"}


def test_only_bytes_that_begin_as_a_png_are_shown_as_a_picture() -> None:
    liar = Files((RunFile("plot.png", b"<svg onload=alert(1)>", "A plot"),))

    (block,) = drawn(liar)

    assert isinstance(block, dict)
    assert block["files"][0]["picture"] is False


def test_markup_in_a_text_stays_text() -> None:
    assert drawn(Text(plain("<img src=x> **a** `b`"))) == [
        {"kind": "text", "line": [{"text": "<img src=x> **a** `b`"}]}
    ]


def test_a_form_names_its_boxes_and_their_limits() -> None:
    reply: Form = run_form("print(1)")

    assert render.form(reply, seal) == {
        "title": "Run PyTorch code",
        "wire": "sealed:SubmitRun",
        "submit": "Run",
        "fields": [
            {
                "name": "code",
                "label": "Code",
                "value": "print(1)",
                "multiline": True,
                "optional": False,
                "max_length": 4000,
            }
        ],
    }


@settings(deadline=None, max_examples=100)
@given(views.views, views.forms)
def test_every_view_and_form_is_plain_json_whatever_stands_in_it(view: View, form: Form) -> None:
    card = json.dumps(render.card(view, seal, link))

    assert json.loads(card)["fallback"] == view.fallback
    assert json.loads(json.dumps(render.form(form, seal)))["title"] == form.title
