"""Every view becomes a message that Discord takes, in which nobody's text is markup."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bot.adapters.discord import markup, render
from bot.adapters.discord.chat import carries, marked
from bot.adapters.discord.registry import registered
from bot.adapters.discord.render import Card
from bot.app.commands import COMMANDS
from bot.cli.bot import suggestions
from bot.core.actions import Action, AskQuiz, Codec, OpenRun
from bot.core.ids import ChannelId, Tenant, UserId
from bot.core.questions import Item
from bot.core.runs import RunFile, RunId
from bot.core.views import (
    Board,
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
from tests.adapters import views
from tests.adapters.discord import rules
from tests.app.building import BANK, House, Person
from tests.app.fakes import FakeClock

CODEC = Codec(b"0123456789abcdef")
NOW = FakeClock().now()


def seal(action: Action) -> str:
    return CODEC.encode(action, Tenant("d1200000000000000001"), NOW, UserId("1200000000000000002"))


def problems(card: Card) -> list[str]:
    """What Discord would refuse in a card."""
    message = {
        "flags": rules.V2,
        "components": card.components,
        "allowed_mentions": {"parse": []},
        "attachments": [
            {"id": number, "filename": each.name, "description": each.alt} for number, each in enumerate(card.uploads)
        ],
    }
    return list(rules.message_problems(message, {each.name: len(each.content) for each in card.uploads}))


def drawn(*blocks: Any, **fields: Any) -> Card:
    card = render.card(View(tuple(blocks), "all of it", **fields), seal)
    assert problems(card) == []
    return card


def text(card: Card) -> str:
    return "\n".join(part["content"] for part in rules.walk(card.components) if part["type"] == 10)


def test_the_fullest_card_has_no_more_components_than_discord_takes() -> None:
    files = Files(tuple(RunFile(f"{number}.csv", b"1", "") for number in range(12)))
    buttons = tuple(Button(str(number), OpenRun(RunId(f"{number:020}"))) for number in range(27))
    menu = Menu("More", (Entry("a", OpenRun(RunId("r" * 20))),))
    view = View((Text((Span("before"),)), files, Text((Span("after"),))), "", buttons, menu)

    card = render.card(view, lambda action: str(action)[-60:])

    assert list(rules.components_problems(card.components)) == []
    assert len(card.uploads) == 9


@given(views.views)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_view_is_within_the_limits(view: View) -> None:
    card = render.card(view, seal)

    assert problems(card) == []
    assert problems(card.bare("I may not attach files here.")) == []
    posted = marked(card, "1200000000000000777-20261122-1")
    assert problems(posted) == []
    assert carries({"components": posted.components}, "1200000000000000777-20261122-1")
    assert not carries({"components": posted.components}, "1200000000000000777-20261122-2")
    assert not re.search(r"<[@#:/]|@everyone|@here", outside_code(text(card)))


def outside_code(text: str) -> str:
    """What is neither in code nor escaped."""
    return re.sub(r"\\.|```.*?```|``.*?``|`[^`]*`", "", text, flags=re.DOTALL)


@given(views.forms)
@settings(max_examples=100, deadline=None)
def test_every_form_is_within_the_limits_or_not_shown_at_all(form: Form) -> None:
    modal = render.modal(form, seal)

    assert modal is None or list(rules.modal_problems(modal)) == []


@pytest.mark.parametrize("item", BANK.items.values(), ids=lambda item: item.id)
def test_every_item_of_the_bank_is_within_the_limits(item: Item) -> None:
    for side in item.sides():
        card = render.card(View((Heading(item.title()), *side.blocks), item.title()), seal)
        assert problems(card) == []


def test_the_sides_of_quiz_questions_need_no_file() -> None:
    for quiz in BANK.quizzes.values():
        for question in quiz.questions:
            for side in question.sides():
                assert render.card(View(side.blocks, ""), seal).uploads == ()


@pytest.mark.parametrize("name", [each for each in views.HOSTILE if each.strip()])
def test_a_hostile_name_stands_for_itself(name: str) -> None:
    card = drawn(Board((Ranking(1, name, 3, me=True),)), Text(plain(name)), Note(name))

    assert not re.search(r"(?<!\\)[<*_`~|\[\]]", text(card).replace("**1.**", "").replace("**(you)**", ""))
    assert "@everyone" not in text(card)


def test_code_cannot_leave_its_block() -> None:
    shown = text(drawn(Code("```\n@everyone\n```` `` `", title="A**b")))

    assert shown.count("```") == 2
    assert shown.startswith("**A\\*\\*b**\n```py\n")


def test_inline_code_may_hold_backticks() -> None:
    assert markup.inline_code("a`b``c") == "`` a`b`\u200b`c ``"


def test_styles_hug_their_words() -> None:
    assert (
        text(drawn(Text((Span("so "), Span(" right ", Style.STRONG), Span("x", Style.EMPHASIS)))))
        == "so  **right** *x*"
    )


def test_a_choice_says_its_mark_in_words() -> None:
    shown = text(drawn(Choices((Choice("A", plain("one"), Mark.RIGHT), Choice("B", plain("two"), Mark.WRONG)))))

    assert shown == "✓ **A.** one *(right)*\n✗ **B.** two *(your answer)*"


def test_the_cells_of_a_table_are_kept_apart_from_the_products_in_them() -> None:
    shown = text(drawn(Table(("Optimiser", "First step"), (("SGD", "−lr · g"),))))

    assert shown == "**Optimiser \\| First step**\nSGD \\| −lr · g"


def test_long_output_is_shown_in_part_and_comes_whole_as_a_file() -> None:
    output = "".join(f"line {number}\n" for number in range(5000))

    card = drawn(Code("print()", title="Ada runs"), Code(output, "text", "Output"), Note("ok · 0.1 s"))

    assert "line 0\n" in text(card)
    assert f"all {len(output):,} characters are in output.txt" in text(card)
    assert text(card).endswith("-# ok · 0.1 s")
    assert [(each.name, each.content) for each in card.uploads] == [("output.txt", output.encode())]


@pytest.mark.parametrize("length", [0, 2001, 4001, 65_536, 100_000])
def test_output_of_every_length_is_whole_somewhere(length: int) -> None:
    output = "`" * length

    card = drawn(Code("x"), Code(output, "text", "Output"), Code("E" * length, "text", "Error"))

    assert length < 3000 or [len(each.content) for each in card.uploads] == [length, length]


def test_a_card_of_too_many_words_is_whole_in_a_file() -> None:
    card = drawn(*(Text(plain(f"{number} " + "word " * 100)) for number in range(30)))

    assert "all of it is in card.txt" in text(card)
    assert b"29 word" in card.uploads[0].content


def test_pictures_have_alt_text_and_other_files_are_files() -> None:
    card = drawn(
        Files((RunFile("loss.png", views.PNG, "A falling curve"), RunFile("evil.html", b"<script>"))), Note("end")
    )

    kinds = [part["type"] for part in card.components[0]["components"]]
    gallery = card.components[0]["components"][0]
    assert kinds == [12, 13, 10]
    assert gallery["items"] == [{"media": {"url": "attachment://loss.png"}, "description": "A falling curve"}]


def test_a_file_beyond_the_limit_is_named() -> None:
    card = drawn(Text(plain("x")), Files((RunFile("big.bin", b"x" * (11 * 2**20)), RunFile("none.txt", b""))))

    assert card.uploads == ()
    assert "big.bin \\(11.0 MiB\\) is more than Discord takes" in text(card)
    assert "none.txt is empty" in text(card)


def test_buttons_carry_letters_looks_and_state() -> None:
    card = drawn(
        Text(plain("x")),
        buttons=(
            Button("A", AskQuiz("1"), Look.MAIN),
            Button("B", AskQuiz("2"), Look.DANGER, enabled=False),
            Button("C", AskQuiz("1")),
        ),
    )

    row = card.components[0]["components"][-1]["components"]
    assert [(each["label"], each["style"], each.get("disabled", False)) for each in row] == [
        ("A", 1, False),
        ("B", 4, True),
        ("C", 2, False),
    ]
    assert row[2]["custom_id"] == row[0]["custom_id"] + "#2"


def test_a_menu_longer_than_discord_allows_says_so() -> None:
    card = drawn(menu=Menu("Choose", tuple(Entry(f"Quiz {n}", AskQuiz(str(n)), "about") for n in range(30))))

    assert "5 more than fit in the menu" in text(card)


def test_a_form_whose_value_does_not_fit_is_not_shown_cut() -> None:
    form = Form("Run", AskQuiz("1"), (Field("code", "Code", value="x" * 4001, multiline=True),))

    assert render.modal(form, seal) is None


def test_suggestions_are_typed_by_what_stands_before_the_dot() -> None:
    offered = render.choices(["11 · Transformers", "12 · Deployment", *map(str, range(40))])

    assert offered[:2] == [
        {"name": "11 · Transformers", "value": "11"},
        {"name": "12 · Deployment", "value": "12"},
    ]
    assert len(offered) == 25


def test_what_is_offered_while_typing_belongs_to_an_argument_without_choices() -> None:
    offered = suggestions(BANK)
    arguments = {f"{command.name}.{each.name}": each for command in COMMANDS.values() for each in command.arguments}

    assert {name for name in offered if name not in arguments or arguments[name].choices} == set()
    assert offered["leaderboard.topic"]("AUTOG")[0].startswith("autograd · ")
    assert offered["daily.what"]("pa") == ["pause"]


def test_all_commands_are_registered_within_the_limits() -> None:
    commands = registered(COMMANDS, {"quiz.what"}, lambda text: {"de": text[::-1]})

    assert list(rules.commands_problems(commands)) == []
    assert {command["name"] for command in commands} == {*COMMANDS, "Run this code"}
    quiz = next(command for command in commands if command["name"] == "quiz")
    assert quiz["options"][0]["autocomplete"] is True
    assert quiz["description_localizations"] == {"de": "ziuq a yalP"}
    hidden = {command["name"] for command in commands if command.get("default_member_permissions") == "32"}
    assert hidden == {name for name, command in COMMANDS.items() if command.admins} == {"setup", "schedules", "reports"}
    places = {command["name"]: (command["contexts"], command["integration_types"]) for command in commands}
    assert places["quiz"] == places["run"] == places["Run this code"] == ([0, 1, 2], [0, 1])
    assert places["daily"] == places["setup"] == ([0], [0])


async def test_every_card_of_a_whole_quiz_is_within_the_limits() -> None:
    house = House()
    ada = Person(house)
    for line in ("/help", "/quiz", "/leaderboard", "/quiz 11", "/run x", "/quiz 99"):
        for reply in await ada.replies(line):
            assert isinstance(reply, View)
            assert problems(render.card(reply, house.desk.seal(ada.caller(), reply))) == []


def test_a_channel_is_a_link_to_it() -> None:
    spans = (Span("12", channel=ChannelId("12")), Span(" and "), Span("C1", channel=ChannelId("C1")))

    assert text(drawn(Text(spans))) == "<#12> and C1"
