"""Payloads become what a person did; nothing that arrives can raise."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.slack import parse, render
from bot.adapters.slack.parse import HomeOpened, Left, Pressed, Said, Submitted
from bot.adapters.slack.place import Place
from bot.core.ids import UserId

NOW = 1_000_000.0

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = ("type", "event", "view", "state", "values", "actions", "container", "channel", "user", "team", "message",
        "command", "text", "private_metadata", "callback_id", "blocks", "value", "selected_option")  # fmt: skip
TYPES = ("block_actions", "view_submission", "message_action", "event_callback", "app_mention", "app_home_opened")
nearly: st.SearchStrategy[Any] = st.recursive(
    json_values | st.sampled_from((*TYPES, parse.SHORTCUT, render.FORM, "\ud800")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)


def command(name: str, text: str = "", **changes: str) -> dict[str, str]:
    return {
        "command": name,
        "text": text,
        "team_id": "T1",
        "channel_id": "C1",
        "user_id": "U1",
        "user_name": "ada",
        "trigger_id": "1.2.x",
        "response_url": "https://hooks.slack.com/commands/x",
        **changes,
    }


def said(payload: dict[str, Any], bot: str = "UBOT") -> str:
    found = parse.event(payload, NOW, bot)
    assert isinstance(found, Said)
    return found.line


@given(nearly)
def test_nothing_that_arrives_raises(payload: Any) -> None:
    parse.event(payload if isinstance(payload, dict) else {"type": payload}, NOW)


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(KEYS), nearly, max_size=8))
def test_nothing_of_a_known_type_raises(kind: str, payload: dict[str, Any]) -> None:
    found = parse.event({**payload, "type": kind}, NOW)

    if isinstance(found, Said | Pressed | Submitted):
        parse.starts_run(found)


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (command("/quiz", "11"), "/quiz 11"),
        (command("/quiz"), "/quiz"),
        (command("/torch", "quiz 11"), "/quiz 11"),
        (command("/torch", "/quiz 11"), "/quiz 11"),
        (command("/torch"), "/help"),
        (command("/torch", "  "), "/help"),
        (command("/leaderboard", "week workspace"), "/leaderboard week workspace"),
        (command("/run", "print(“a &lt; b”)"), '/run print("a < b")'),
        (command("/torch", "run x = 1\nx"), "/run x = 1\nx"),
        (command("/torch", "run\nx = 1\n  x"), "/run\nx = 1\n  x"),
        (command("/trivia", "11"), "/trivia 11"),
    ],
)
def test_commands_in_every_spelling(payload: dict[str, Any], line: str) -> None:
    assert line == said(payload)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<@UBOT> quiz 11", "/quiz 11"),
        ("<@UBOT|torchquiz>: /quiz 11", "/quiz 11"),
        ("hello <@UBOT>", "/help"),
        ("hey <@UBOT> leaderboard week", "/leaderboard week"),
        ("<@UBOT> run ```\nprint(1 &lt; 2)\n```", "/run ```\nprint(1 < 2)\n```"),
        ("<@UBOT>", "/help"),
    ],
)
def test_mentions_speak_the_same_grammar(text: str, line: str) -> None:
    event = {"type": "app_mention", "user": "U1", "channel": "C1", "text": text, "ts": "1.1"}

    assert line == said({"type": "event_callback", "event_id": "Ev1", "team_id": "T1", "event": event})


def test_a_command_says_who_where_and_which() -> None:
    found = parse.event(command("/quiz"), NOW)

    assert isinstance(found, Said)
    source = found.source
    assert (
        source.tenant, source.channel, source.user, source.name, source.event,
    ) == ("sT1", "C1", "U1", "ada", "1.2.x")  # fmt: skip
    assert source.place.open_url(NOW + 29 * 60 - 1) == "https://hooks.slack.com/commands/x"
    assert source.place.open_url(NOW + 1801) == ""


def test_a_message_of_a_bot_is_not_answered() -> None:
    event = {"type": "app_mention", "user": "U1", "channel": "C1", "text": "<@UBOT> quiz", "bot_id": "B1"}

    assert parse.event({"type": "event_callback", "event": event}, NOW) is None


def press(**changes: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "team": {"id": "T1"},
        "user": {"id": "U1", "username": "ada"},
        "channel": {"id": "C1"},
        "container": {"type": "message", "message_ts": "5.5", "channel_id": "C1", "is_ephemeral": True},
        "trigger_id": "9.9",
        "response_url": "https://hooks.slack.com/actions/x",
        "actions": [{"type": "button", "action_id": "b0", "value": "r1.a.x", "action_ts": "7.7"}],
        **changes,
    }


def test_a_press_knows_its_card() -> None:
    found = parse.event(press(), NOW)

    assert isinstance(found, Pressed)
    assert (found.wire, found.card and found.card.ts, found.card and found.card.ephemeral) == ("r1.a.x", "5.5", True)
    assert not found.source.place.direct


def test_a_choice_of_a_menu_is_a_press() -> None:
    actions = [{"type": "static_select", "action_id": "menu", "selected_option": {"value": "r1.q.11.x"}}]

    found = parse.event(press(actions=actions), NOW)

    assert isinstance(found, Pressed)
    assert found.wire == "r1.q.11.x"


def test_a_press_at_home_is_answered_in_the_conversation_with_its_reader() -> None:
    view = {"type": "home", "private_metadata": '{"channel":"D7"}'}
    payload = press(container={"type": "view", "view_id": "V1"}, view=view, channel=None, response_url=None)

    found = parse.event(payload, NOW)

    assert isinstance(found, Pressed)
    assert (Place("D7", UserId("U1"), direct=True), None) == (found.source.place, found.card)


def test_a_card_carries_the_ids_of_its_files() -> None:
    blocks = [{"type": "actions", "block_id": "buttons0 F1 F2", "elements": []}]

    found = parse.event(press(message={"blocks": blocks}), NOW)

    assert isinstance(found, Pressed)
    assert found.card is not None
    assert found.card.files == ("F1", "F2")


def submission(values: dict[str, Any], blocks: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    metadata = json.dumps({"wire": "r1.rs.x", "place": Place("C1", UserId("U1"), thread="1.1").encode()})
    return {
        "type": "view_submission",
        "team": {"id": "T1"},
        "user": {"id": "U1", "name": "ada"},
        "trigger_id": "3.3",
        "view": {
            "id": "V1",
            "callback_id": render.FORM,
            "private_metadata": metadata,
            "blocks": blocks or [],
            "state": {"values": {name: {"value": {"value": value}} for name, value in values.items()}},
        },
    }


def test_a_submission_carries_its_action_its_place_and_its_text() -> None:
    found = parse.event(submission({"code.1n": "b”", "code.0": "a = “", "code.10": "d", "code.2": "c"}), NOW)

    assert isinstance(found, Submitted)
    assert (found.wire, found.values) == ("r1.rs.x", {"code": 'a = "\nb"cd'})
    assert Place("C1", UserId("U1"), thread="1.1") == found.source.place


def test_a_box_that_must_be_filled_is_named() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "input", "block_id": "code.0"},
        {"type": "input", "block_id": "more.0", "optional": True},
    ]

    found = parse.event(submission({"code.0": "  \n", "more.0": None}, blocks), NOW)

    assert isinstance(found, Submitted)
    assert found.errors == {"code.0": "Write something here first."}


def test_a_dialog_of_someone_else_is_not_ours() -> None:
    payload = submission({})
    payload["view"]["callback_id"] = "other"

    assert parse.event(payload, NOW) is None


def test_the_shortcut_runs_a_message_in_its_thread() -> None:
    payload = {
        "type": "message_action",
        "callback_id": parse.SHORTCUT,
        "team": {"id": "T1"},
        "user": {"id": "U1", "name": "ada"},
        "channel": {"id": "C1"},
        "message": {"ts": "4.4", "text": "try ```print(1 &lt; 2)```"},
        "trigger_id": "3.3",
        "response_url": "https://hooks.slack.com/app/x",
    }

    found = parse.event(payload, NOW)

    assert isinstance(found, Said)
    assert (found.line, found.source.place.thread) == ("/run try ```print(1 < 2)```", "4.4")
    assert parse.starts_run(found)


@pytest.mark.parametrize(("tab", "on_home"), [("home", True), ("messages", False)])
def test_the_home_tab_is_told_from_the_messages_beside_it(tab: str, on_home: bool) -> None:
    event = {"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": tab}

    found = parse.event({"type": "event_callback", "event": event}, NOW)

    assert isinstance(found, HomeOpened)
    assert found.on_home == on_home


@pytest.mark.parametrize(
    "happened", [{"type": "app_uninstalled"}, {"type": "tokens_revoked", "tokens": {"bot": ["B"]}}]
)
def test_a_workspace_that_leaves_is_heard(happened: dict[str, Any]) -> None:
    found = parse.event({"type": "event_callback", "team_id": "T1", "event": happened}, NOW)

    assert isinstance(found, Left)
    assert found.source.tenant == "sT1"


def test_a_revoked_token_of_a_person_is_not_the_end() -> None:
    happened = {"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}}

    assert parse.event({"type": "event_callback", "team_id": "T1", "event": happened}, NOW) is None


@pytest.mark.parametrize("kind", ["view_closed", "block_suggestion", "workflow_step_edit", None])
def test_what_we_do_not_listen_to_is_nothing(kind: str | None) -> None:
    assert parse.event({"type": kind}, NOW) is None


@pytest.mark.parametrize(
    ("line", "starts"),
    [
        ("/run 1", True),
        ("/RUN 1", True),
        ("/run\n1", True),
        ("/run", False),
        ("/run ```  ```", False),
        ("/quiz", False),
    ],
)
def test_which_commands_begin_a_run(line: str, starts: bool) -> None:
    source = parse.event(command("/x"), NOW)
    assert isinstance(source, Said)

    assert starts == parse.starts_run(Said(source.source, line))


@pytest.mark.parametrize("verb", ["p", "c", "zr"])
@pytest.mark.parametrize("direct", [True, False])
def test_code_of_ours_begins_a_run_where_nobody_else_reads(verb: str, direct: bool) -> None:
    found = parse.event(command("/x"), NOW)
    assert isinstance(found, Said)
    source = replace(found.source, place=replace(found.source.place, direct=direct))

    assert parse.starts_run(Pressed(source, f"r1.{verb}.quiz-01-q01.p1.tag")) is direct


def test_a_place_comes_back_from_its_wire_form() -> None:
    place = Place("C1", UserId("U1"), "1.1", True, "https://x", 7, "2.2")

    assert place == Place.decode(place.encode())
