"""Every view fits Slack, whatever stands in it, and nothing in it is ever markup or a mention."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.slack import render, rich
from bot.adapters.slack.place import Place
from bot.core.actions import Action, AskQuiz, OpenRun, SubmitRun
from bot.core.ids import UserId
from bot.core.runs import RunFile, RunId
from bot.core.text import line
from bot.core.views import (
    Board,
    Bullets,
    Button,
    Choice,
    Choices,
    Code,
    Entry,
    Field,
    Files,
    Form,
    Heading,
    Look,
    Mark,
    Menu,
    Note,
    Ranking,
    Span,
    Style,
    Table,
    Text,
    View,
    plain,
)
from tests.adapters.slack.limits import message_violations, view_violations
from tests.app.building import BANK

HOSTILE = (
    "<!channel> <@U123> <#C1|general> @here",
    "</script>&lt;!everyone&gt; <https://evil|click>",
    "*bold* _it_ ~no~ `code` ```fence``` :tada: > quote",
    "\u202egnp.exe\u200b\ufeff\x00\x1b[31mred\ud800",
    "z̷̢̛" * 40,
    "",
    " ",
)


def seal(action: Action) -> str:
    return "r1.x." + "a" * 80


def place(**changes: Any) -> Place:
    return Place("C1", UserId("U1"), url="https://hooks.slack.com/x", until=10, **changes)


texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(), max_size=60),
    st.integers(1, 900).map(lambda n: "xy z\n" * n),
    st.sampled_from([1, 24, 25, 50, 1000, 4000]).map(lambda n: "&<`" * n),
)
spans = st.builds(Span, texts, st.sampled_from(Style))
rows = st.lists(spans, max_size=3).map(tuple)
blocks = st.one_of(
    st.builds(Heading, texts),
    st.builds(Text, rows),
    st.builds(Bullets, st.lists(rows, max_size=6).map(tuple), st.booleans()),
    st.builds(Code, texts, st.sampled_from(["py", "text"]), texts),
    st.builds(Choices, st.lists(st.builds(Choice, st.sampled_from("ABCDEF"), rows, st.sampled_from(Mark))).map(tuple)),
    st.builds(Board, st.lists(st.builds(Ranking, st.integers(1, 99), texts, st.integers(0, 99), texts)).map(tuple)),
    st.builds(Table, st.just(("a", "b")), st.lists(st.tuples(texts, texts), max_size=4).map(tuple)),
    st.builds(Files, st.lists(st.builds(RunFile, texts, st.binary(max_size=4), texts), max_size=3).map(tuple)),
    st.builds(Note, texts),
)
buttons = st.builds(Button, texts, st.just(AskQuiz("1")), st.sampled_from(Look), st.booleans())
entries = st.builds(Entry, texts, st.just(AskQuiz("1")), texts)
menus = st.builds(Menu, texts, st.lists(entries, max_size=20).map(lambda some: tuple(some * 6)))
views = st.builds(
    View,
    st.lists(blocks, max_size=12).map(lambda some: tuple(some * 5)),
    texts,
    st.lists(buttons, max_size=10).map(lambda some: tuple(some * 6)),
    st.none() | menus,
)


@settings(deadline=None, max_examples=100)
@given(views)
def test_every_view_fits_into_a_message(view: View) -> None:
    assert message_violations(render.message(view, seal, shared=["F0123456789"] * 8, note="x").body) == []


@settings(deadline=None, max_examples=40)
@given(st.lists(views, max_size=4))
def test_every_app_home_fits(shown: list[View]) -> None:
    assert view_violations(render.home([(view, seal) for view in shown], "D1")) == []


@settings(deadline=None, max_examples=40)
@given(texts, texts, texts, st.booleans(), st.integers(-5, 9000))
def test_every_form_fits_into_a_dialog(title: str, label: str, value: str, multiline: bool, most: int) -> None:
    form = Form(title, SubmitRun(), (Field("code", label, value, multiline, max_length=most),), submit=title)

    assert view_violations(render.modal(form, seal, place())) == []


@pytest.mark.parametrize("item", BANK.items.values(), ids=lambda item: item.id)
def test_every_item_of_the_bank_is_shown_whole(item: Any) -> None:
    for side in item.sides():
        sent = render.message(View(side.blocks, item.title()), seal)

        assert message_violations(sent.body) == []
        pictures = [file for block in side.blocks if isinstance(block, Files) for file in block.files]
        assert list(sent.files) == pictures


@pytest.mark.parametrize("text", HOSTILE)
def test_the_fallback_text_has_no_markup_of_people(text: str) -> None:
    sent = render.message(View((), f"Ada {text}"), seal)

    assert message_violations(sent.body) == []


def test_people_and_programs_are_literal_text() -> None:
    view = View((Board((Ranking(1, "<!channel> *Ada*", 3),)), Code("`print('<@U1>')`", title="_Ada_ runs")), "x")

    shown = json.dumps(render.message(view, seal).body)

    assert '{"type": "text", "text": "<!channel> *Ada*", "style": {"bold": true}}' in shown
    assert '"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "`print(\'<@U1>\')`"}]' in shown
    assert "mrkdwn" not in shown


def test_long_output_is_cut_at_a_line_with_a_notice_and_the_whole_is_a_file() -> None:
    output = "\n".join(f"line {number}" for number in range(2000))

    sent = render.message(View((Code(output, "text", "Output"),), "x"), seal)

    preformatted = sent.body["blocks"][0]["elements"][1]["elements"][0]["text"]
    assert output.startswith(preformatted + "\n")
    assert "the rest is in output.txt" in json.dumps(sent.body)
    assert [("output.txt", output.encode())] == [(file.name, file.content) for file in sent.files]
    assert all(file.alt for file in sent.files)


@pytest.mark.parametrize("length", [0, 1, 2001, 2800, 2801, 4001, 100_000, 12 * 1024 * 1024])
def test_output_of_any_length_fits(length: int) -> None:
    sent = render.message(View((Code("x" * length, "text", "Output"),), "x"), seal)

    assert message_violations(sent.body) == []
    assert (length > render.MAX_CODE) == bool(sent.files)


def test_a_card_that_is_too_long_says_so_and_comes_as_a_file() -> None:
    view = View(tuple(Text(plain(f"paragraph {number} " * 40)) for number in range(80)), "x")

    sent = render.message(view, seal)

    assert message_violations(sent.body) == []
    assert render.REST in json.dumps(sent.body)
    assert b"paragraph 79" in sent.files[0].content


def test_letters_are_read_out_with_their_option() -> None:
    choices = Choices((Choice("A", line("the `sum`")), Choice("B", line("the mean"))))
    view = View((choices,), "x", (Button("A", AskQuiz("1")), Button("B", AskQuiz("1"))))

    elements = render.message(view, seal).body["blocks"][-1]["elements"]

    assert [element["accessibility_label"] for element in elements] == ["Answer A: the sum", "Answer B: the mean"]


def test_marks_are_signs_and_words() -> None:
    view = View((Choices((Choice("A", plain("one"), Mark.RIGHT), Choice("B", plain("two"), Mark.WRONG))),), "x")

    shown = render.message(view, seal).body["blocks"][0]["elements"]

    assert [rich.words(each) for each in shown] == ["A. ✓ one  (right)", "B. ✗ two  (your answer)"]


def test_the_reader_finds_their_own_row() -> None:
    view = View((Board((Ranking(1, "Ada", 1, me=True), Ranking(2, "Grace", 0, "0 of 3"))),), "x")

    shown = render.message(view, seal).body["blocks"][0]["elements"]

    assert [rich.words(each) for each in shown] == ["1. Ada  1 point  (you)", "2. Grace  0 points, 0 of 3"]


def test_code_longer_than_a_box_is_spread_over_several_and_nothing_is_lost() -> None:
    code = "\n".join(f"x{number} = {number}" for number in range(1500))

    dialog = render.modal(Form("Run", SubmitRun(), (Field("code", "Code", code, multiline=True),)), seal, place())

    pieces = [(block["block_id"], block["element"]["initial_value"]) for block in dialog["blocks"]]
    assert len(pieces) > 5
    assert code == "".join(("\n" if name.endswith("n") else "") + text for name, text in pieces)


def test_a_form_carries_all_that_its_submission_needs() -> None:
    dialog = render.modal(Form("Run", OpenRun(RunId("a")), ()), seal, place(thread="1.2"))

    assert dialog["callback_id"] == render.FORM
    carried = json.loads(dialog["private_metadata"])
    assert (seal(OpenRun(RunId("a"))), place(thread="1.2")) == (carried["wire"], Place.decode(carried["place"]))


def test_a_response_url_too_long_for_a_dialog_is_left_out() -> None:
    far = Place("C1", UserId("U1"), url="https://hooks.slack.com/" + "x" * 4000, until=10)

    dialog = render.modal(Form("Run", SubmitRun(), ()), seal, far)

    assert view_violations(dialog) == []
    assert Place.decode(json.loads(dialog["private_metadata"])["place"]).url == ""
