"""Every view fits Slack, whatever stands in it, and nothing in it is ever markup or a mention."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.slack import render, rich
from bot.adapters.slack.place import Place
from bot.app import daily_views
from bot.core.actions import Action, AskQuiz, OpenRun, SubmitRun
from bot.core.daily import Post, PostState
from bot.core.ids import ChannelId, Tenant, UserId
from bot.core.kinds.choosing import Choosable
from bot.core.runs import RunId
from bot.core.schedule import Mode, PostId, ScheduleId
from bot.core.text import line
from bot.core.views import (
    Board,
    Button,
    Choice,
    Choices,
    Code,
    Field,
    Files,
    Form,
    Mark,
    Ranking,
    Span,
    Table,
    Text,
    View,
    plain,
)
from tests.adapters import views
from tests.adapters.slack.limits import message_violations, view_violations
from tests.app.building import BANK


def seal(action: Action) -> str:
    return "r1.x." + "a" * 80


def place(**changes: Any) -> Place:
    return Place("C1", UserId("U1"), url="https://hooks.slack.com/x", until=10, **changes)


@settings(deadline=None, max_examples=100)
@given(views.views)
def test_every_view_fits_into_a_message(view: View) -> None:
    assert message_violations(render.message(view, seal, shared=["F0123456789"] * 8, note="x").body) == []


@settings(deadline=None, max_examples=40)
@given(st.lists(views.views, max_size=4))
def test_every_app_home_fits(shown: list[View]) -> None:
    assert view_violations(render.home([(view, seal) for view in shown], "D1")) == []


@settings(deadline=None, max_examples=100)
@given(views.forms)
def test_every_form_fits_into_a_dialog(form: Form) -> None:
    assert view_violations(render.modal(form, seal, place())) == []


@pytest.mark.parametrize("item", BANK.items.values(), ids=lambda item: item.id)
def test_every_item_of_the_bank_is_shown_whole(item: Any) -> None:
    for side in item.sides():
        sent = render.message(View(side.blocks, item.title()), seal)

        assert message_violations(sent.body) == []
        pictures = [file for block in side.blocks if isinstance(block, Files) for file in block.files]
        assert list(sent.files) == pictures


@pytest.mark.parametrize("text", views.HOSTILE)
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


def test_the_cells_of_a_table_are_kept_apart_from_the_products_in_them() -> None:
    view = View((Table(("Optimiser", "First step"), (("SGD", "−lr · g"),)),), "x")

    shown = render.message(view, seal).body["blocks"][0]["elements"]

    assert [rich.words(each) for each in shown] == ["Optimiser | First step", "SGD | −lr · g"]


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


def test_a_channel_and_a_moment_are_told_by_slack_itself() -> None:
    at = datetime(2031, 3, 4, 8, 30, tzinfo=UTC)
    view = View((Text((Span("C1", channel=ChannelId("C1")), Span(" until "), Span("9:30", at=at))),), "x")

    (line_,) = render.message(view, seal).body["blocks"][0]["elements"]

    assert line_["elements"] == [
        {"type": "channel", "channel_id": "C1"},
        {"type": "text", "text": " until "},
        {"type": "date", "timestamp": 1930379400, "format": rich.DATE, "fallback": "9:30"},
    ]


@pytest.mark.parametrize(
    "item", [item for item in BANK.items.values() if isinstance(item, Choosable)], ids=lambda item: item.id
)
def test_every_question_fits_a_posted_message_without_a_file(item: Choosable) -> None:
    order = item.option_ids()
    chosen = dict.fromkeys(order, 1)
    at = datetime(2031, 3, 4, 8, 30, tzinfo=UTC)
    post = Post(
        PostId("C1-20310304-1"), Tenant("sT1"), ChannelId("C1"), ScheduleId("1"), item.id, item.right(), order, "t",
        Mode.INSTANT, "Europe/Berlin", at.date(), at, at, PostState.CLOSED, 1, "m", "", 3, chosen, "",
    )  # fmt: skip

    for view in (daily_views.question(post, item), daily_views.reveal(post, item), daily_views.digest(post, item, [])):
        sent = render.message(view, seal)

        assert message_violations(sent.body) == []
        assert sent.files == ()
