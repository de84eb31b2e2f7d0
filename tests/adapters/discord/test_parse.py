"""What Discord sends, as who did what."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.discord import parse
from bot.adapters.discord.parse import Asked, Attached, Did, Event, Expect, Odd, Pressed, Sent, Typed
from bot.adapters.discord.places import Place
from bot.core.actions import VERBS

USER = {"id": "1200000000000000002", "username": "ada", "global_name": "Ada L."}


def payload(kind: int, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "1300000000000000000",
        "token": "tok.en-1",
        "type": kind,
        "guild_id": "1200000000000000001",
        "channel_id": "1200000000000000777",
        "member": {"user": USER, "nick": None, "permissions": "0"},
        "app_permissions": "52224",
        "data": data,
        **more,
    }


def done(kind: int, data: dict[str, Any]) -> Did:
    return parse.from_payload(payload(kind, data)).did


def command(name: str, **options: Any) -> Did:
    return done(2, {"name": name, "type": 1, "options": [{"name": n, "value": v} for n, v in options.items()]})


def test_every_verb_says_where_its_answer_is_expected() -> None:
    assert set(parse.EXPECTED) == set(VERBS)


def test_who_and_where() -> None:
    event = parse.from_payload(payload(2, {"name": "help"}))

    assert event.caller.tenant == "d1200000000000000001"
    assert event.caller.channel == "1200000000000000777"
    assert (event.caller.user, event.caller.name) == ("1200000000000000002", "Ada L.")
    assert event.caller.event == "1300000000000000000"
    assert event.caller.group == "discord"
    assert not event.caller.is_admin


def test_the_nickname_goes_before_the_name() -> None:
    event = parse.from_payload(
        payload(2, {"name": "help"}, member={"user": USER, "nick": "Countess", "permissions": "8"})
    )

    assert event.caller.name == "Countess"
    assert event.caller.is_admin


def test_a_private_channel_is_a_tenant_of_its_own() -> None:
    event = parse.from_payload(payload(2, {"name": "help"}, guild_id=None, member=None, user=USER))

    assert event.caller.tenant == "dc1200000000000000777"


def test_arguments_are_joined_in_the_order_of_the_table() -> None:
    assert command("leaderboard", scope="workspace", period="week") == Typed("/leaderboard week workspace")
    assert command("leaderboard", scope="workspace") == Typed("/leaderboard workspace")
    assert command("quiz") == Typed("/quiz")


def test_code_keeps_its_lines_and_indentation() -> None:
    assert command("run", code="print(1)") == Typed("/run print(1)")
    assert command("run", code="  x\n  y") == Typed("/run\n  x\n  y")


def attached(size: int = 10) -> dict[str, Any]:
    return {"id": "5", "url": "https://cdn/x.py", "filename": "x.py", "size": size}


def test_a_file_comes_along() -> None:
    data = {"name": "run", "options": [{"name": "file", "value": "5"}], "resolved": {"attachments": {"5": attached()}}}

    assert done(2, data) == Typed("/run", Attached("https://cdn/x.py", "x.py", 10))


def test_a_file_beyond_the_limit_is_refused_before_it_is_fetched() -> None:
    data = {"name": "run", "options": [{"name": "file", "value": "5"}]}

    refused = done(2, data | {"resolved": {"attachments": {"5": attached(200_000)}}})

    assert refused == Odd("That file has 195 KiB; I run at most 64 KiB.")


def message_command(**message: Any) -> Did:
    return done(2, {"name": "Run this code", "type": 3, "target_id": "9", "resolved": {"messages": {"9": message}}})


def test_the_code_of_a_message_is_its_block_or_its_file() -> None:
    fenced = "look:\n```py\nprint(1)\n```"
    assert message_command(content=fenced, attachments=[]) == Typed("/run\n" + fenced)
    assert message_command(content="`x+1`") == Typed("/run `x+1`")
    assert message_command(content="see file", attachments=[attached()]) == Typed(
        "/run", Attached("https://cdn/x.py", "x.py", 10)
    )
    assert isinstance(message_command(content="hello"), Odd)


def test_buttons_menus_and_repeated_ids() -> None:
    assert done(3, {"component_type": 2, "custom_id": "r1.a.x#2"}) == Pressed("r1.a.x")
    assert done(3, {"component_type": 3, "custom_id": "menu0", "values": ["r1.q.11"]}) == Pressed("r1.q.11")


@pytest.mark.parametrize(
    "components",
    [
        [{"type": 18, "component": {"type": 4, "custom_id": "code", "value": "x"}}],
        [{"type": 1, "components": [{"type": 4, "custom_id": "code", "value": "x"}]}],
    ],
)
def test_the_boxes_of_a_form(components: list[dict[str, Any]]) -> None:
    assert done(5, {"custom_id": "r1.rs", "components": components}) == Sent("r1.rs", {"code": "x"})


def test_what_is_being_typed() -> None:
    data = {"name": "quiz", "options": [{"name": "what", "value": "tr", "focused": True}]}

    assert done(4, data) == Asked("quiz", "what", "tr")


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (2, {"name": "quiz"}, Expect.PRIVATE),
        (2, {"name": "run"}, Expect.FORM),
        (2, {"name": "run", "options": [{"name": "code", "value": "x"}]}, Expect.PUBLIC),
        (3, {"custom_id": "r1.a.i.o.1.x.t"}, Expect.IN_PLACE),
        (3, {"custom_id": "r1.ro.i.x.t"}, Expect.FORM),
        (3, {"custom_id": "r1.p.i.x.t"}, Expect.PRIVATE),
        (3, {"custom_id": "junk"}, Expect.PRIVATE),
        (3, {"custom_id": "r9.a.i"}, Expect.PRIVATE),
        (5, {"custom_id": "r1.rs.x.t"}, Expect.PUBLIC),
    ],
)
def test_the_answer_that_usually_follows(kind: int, data: dict[str, Any], expected: Expect) -> None:
    assert parse.from_payload(payload(kind, data)).expect is expected


def test_who_sees_the_pressed_message() -> None:
    event = parse.from_payload(payload(3, {"custom_id": "x"}, message={"id": "7", "flags": 64}))

    assert (event.message, event.message_private) == ("7", True)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "options", "x"]), inner, max_size=3)
    ),
)


@given(st.dictionaries(st.sampled_from([*payload(2, {}), "user", "message"]), json))
def test_what_is_no_interaction_raises_one_of_the_named_errors(junk: dict[str, Any]) -> None:
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        assert isinstance(parse.from_payload(junk), Event)


def test_a_place_travels_as_text_and_hides_its_token() -> None:
    place = Place("1300000000000000000", "tok.en-1", "777", 52224)

    assert Place.decode(place.encode()) == place
    assert "tok" not in repr(place)


def test_a_place_is_open_for_a_quarter_of_an_hour() -> None:
    place = Place(str((1_700_000_000_000 - 1420070400000) << 22), "t", "7")

    assert place.open(1_700_000_000 + 870)
    assert not place.open(1_700_000_000 + 901)
