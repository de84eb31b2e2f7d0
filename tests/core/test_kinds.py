"""Grading, order and the cards of the kinds that are answered by choosing."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bot.bank.load import examine
from bot.core.bank import Bank
from bot.core.ids import ItemId, OptionId
from bot.core.kinds import KINDS
from bot.core.kinds.choosing import Choosable
from bot.core.kinds.concept import KeyPoint
from bot.core.questions import TORCH_DOCS, Item, Prose, Reference, one_line
from bot.core.views import Block, Choices, Code, Mark


@pytest.fixture(scope="module")
def bank() -> Bank:
    return examine()[0]


def question(bank: Bank, id: str = "quiz-11-q04") -> Choosable:
    item = bank.items[ItemId(id)]
    assert isinstance(item, Choosable)
    return item


def marks(item: Choosable, chosen: OptionId | None) -> Counter[Mark]:
    (choices,) = [block for block in item.revealed(item.option_ids(), chosen) if isinstance(block, Choices)]
    return Counter(choice.mark for choice in choices.choices)


def blocks_of(item: Item) -> list[Block]:
    return [block for side in item.sides() for block in side.blocks]


def test_the_same_seed_gives_the_same_order_and_others_give_others(bank: Bank) -> None:
    item = question(bank)

    assert item.order("ada") == item.order("ada")
    assert len({item.order(str(seed)) for seed in range(200)}) == 24


def test_every_place_is_equally_likely_for_the_right_option(bank: Bank) -> None:
    item = question(bank)
    places = Counter(item.order(str(seed)).index(item.right()) for seed in range(4000))

    assert all(900 < count < 1100 for count in places.values())


def test_a_true_false_question_keeps_its_usual_order(bank: Bank) -> None:
    item = question(bank, "quiz-05-q02")

    assert {item.order(str(seed)) for seed in range(20)} == {("a", "b")}


def test_a_question_shows_no_mark_before_it_is_answered(bank: Bank) -> None:
    item = question(bank)
    (choices,) = [block for block in item.asked(item.option_ids()) if isinstance(block, Choices)]

    assert {choice.mark for choice in choices.choices} == {Mark.NONE}


def test_a_wrong_answer_is_marked_beside_the_right_one(bank: Bank) -> None:
    item = question(bank)
    wrong = next(id for id in item.option_ids() if id != item.right())

    assert marks(item, wrong) == {Mark.RIGHT: 1, Mark.WRONG: 1, Mark.NONE: 2}
    assert marks(item, item.right()) == {Mark.RIGHT: 1, Mark.NONE: 3}


def test_a_wrong_answer_is_told_why_it_is_wrong_and_each_answer_why_the_right_one_is_right(bank: Bank) -> None:
    item = question(bank)
    wrong = next(id for id in item.option_ids() if id != item.right())

    def told(chosen: OptionId) -> list[OptionId]:
        shown = repr(item.revealed(item.option_ids(), chosen))
        reasons = ((id, item.option(id)) for id in item.option_ids())
        return [id for id, option in reasons if option and ", ".join(map(repr, one_line(option.reason))) in shown]

    assert set(told(wrong)) == {wrong, item.right()}
    assert told(item.right()) == [item.right()]


def test_among_the_reasons_of_all_options_that_of_a_wrong_answer_stands_once(bank: Bank) -> None:
    item = question(bank)
    wrong = next(id for id in item.option_ids() if id != item.right())
    shown = repr(item.accounted(item.option_ids(), wrong))

    assert [shown.count(", ".join(map(repr, one_line(option.reason)))) for option in item.options] == [1] * 4
    assert shown.count("'your answer'") == 1


def test_code_on_a_card_ends_with_its_last_line(bank: Bank) -> None:
    shown = [block.source for item in bank.items.values() for block in blocks_of(item) if isinstance(block, Code)]

    assert len(shown) > 40
    assert [source for source in shown if source != source.rstrip()] == []


def test_an_unknown_option_is_none(bank: Bank) -> None:
    assert question(bank).option(OptionId("f")) is None


def test_every_item_of_the_bank_has_sides_and_a_title(bank: Bank) -> None:
    for item in bank.items.values():
        assert item.title()
        assert all(side.label and side.blocks for side in item.sides()), item.id


def test_every_kind_is_an_item() -> None:
    assert all(issubclass(kind, Item) for kind in KINDS.values())


@pytest.mark.parametrize(
    ("references", "words"),
    [
        ((Reference("MSELoss", "torch.nn.MSELoss"),), "torch.nn.MSELoss (torch 2.13 docs)"),
        ((Reference("Autograd mechanics", "torch.autograd"),), "Autograd mechanics (torch 2.13 docs)"),
        (
            (
                Reference(paper="He et al. 2016"),
                Reference("Conv2d", "torch.nn.Conv2d"),
                Reference("Module", "torch.nn.Module.to"),
            ),
            "torch.nn.Conv2d, torch.nn.Module.to (torch 2.13 docs); He et al. 2016",
        ),
        ((Reference("Models", "torchvision.models.ResNet50_Weights"),), "Models (torchvision.models.ResNet50_Weights)"),
        (
            (Reference("Mixed precision", "torch.autocast"), Reference("Mixed precision", "torch.amp.GradScaler")),
            "Mixed precision (torch 2.13 docs)",
        ),
    ],
)
def test_references_to_torch_say_which_version_is_meant(
    bank: Bank, references: tuple[Reference, ...], words: str
) -> None:
    assert replace(question(bank), references=references).sources() == f"Read on: {words}"


def test_the_documentation_is_that_of_the_pinned_torch() -> None:
    pin = re.search(r'"torch==([\d.]+)"', Path("pyproject.toml").read_text())

    assert pin is not None
    assert f"torch {pin[1].rpartition('.')[0]} docs" == TORCH_DOCS


@pytest.mark.parametrize(
    ("answer", "made"),
    [
        ("It SHARES   the\nstorage.", True),
        ("`a` has the `same` memory", True),
        ("It copies the data.", False),
        ("", False),
    ],
)
def test_a_key_point_is_made_in_any_of_its_wordings(answer: str, made: bool) -> None:
    point = KeyPoint(Prose("x", ()), any_of=("shares the storage", "Same memory"))

    assert point.made_in(answer) is made
