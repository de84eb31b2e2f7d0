"""What the page sends is checked before anything else sees it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.web import parse
from bot.core.demo import demo_user
from bot.core.errors import BadInput


def body(**payload: object) -> bytes:
    return json.dumps(payload).encode()


def test_a_typed_line_keeps_its_inner_lines_and_loses_spare_ends() -> None:
    said = parse.said(body(player="Ada", text="  /run x = 1\n    print(x)\n"))

    assert said == parse.Said(parse.Player(demo_user("Ada"), "Ada"), "/run x = 1\n    print(x)")


def test_a_press_says_which_button_of_which_card() -> None:
    pressed = parse.pressed(body(player="Ada", wire="r1.q.11.p1.tag", message="m-1"))

    assert (pressed.wire, pressed.message) == ("r1.q.11.p1.tag", "m-1")


def test_a_form_carries_its_values() -> None:
    submitted = parse.submitted(body(player="Ada", wire="w", values={"code": "print(1)"}))

    assert submitted.values == {"code": "print(1)"}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"player": "Ada"}',
        b'{"player": "Ada", "text": 1}',
        b'{"player": "Ada", "text": "  "}',
        b'{"player": null, "text": "x"}',
        b'{"text": "x"}',
        b'{"player": "", "text": "x"}',
    ],
)
def test_a_wrong_payload_is_refused_in_words(payload: bytes) -> None:
    with pytest.raises(BadInput, match=r"\w+ \w+"):
        parse.said(payload)


@pytest.mark.parametrize("values", [None, [], {"code": 1}, {str(n): "" for n in range(11)}])
def test_a_form_with_wrong_boxes_is_refused(values: object) -> None:
    with pytest.raises(BadInput):
        parse.submitted(body(player="Ada", wire="w", values=values))


@pytest.mark.parametrize("name", ["", "   ", "\u200b\u200d", "\u202e", "\x00", "x" * 41, "\ud800", 7, None, ["Ada"]])
def test_a_name_that_nobody_could_read_is_refused(name: object) -> None:
    with pytest.raises(BadInput, match="name of 1 to 40"):
        parse.player(name)


def test_one_name_is_one_player_whatever_its_capitals_and_hidden_characters() -> None:
    assert parse.player("Ada").user == parse.player(" ADA\u200b ").user
    assert parse.player("Ada").user != parse.player("Ada B").user


def test_direction_marks_and_piles_of_accents_leave_a_name() -> None:
    assert parse.player("\u202eadA").name == "adA"
    assert len(parse.player("Z" + "\u0336" * 30).name) <= 3


@given(st.text(max_size=60))
def test_every_text_is_either_a_line_or_refused(text: str) -> None:
    try:
        said = parse.said(json.dumps({"player": "Ada", "text": text}).encode())
    except BadInput:
        assert not text.strip()
    else:
        said.line.encode()


def test_lone_surrogates_become_replacement_characters() -> None:
    assert parse.said(b'{"player": "Ada", "text": "a\\ud800b"}').line == "a\ufffdb"
