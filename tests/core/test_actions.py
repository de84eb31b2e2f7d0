"""What a button means survives the wire; what we did not make is refused."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.actions import (
    LIFETIME,
    MAX_WIRE,
    VERBS,
    Action,
    Answer,
    AnswerCard,
    AnswerPuzzle,
    AskPuzzle,
    AskQuiz,
    CancelRun,
    ChangeSchedule,
    Codec,
    DailyAnswer,
    DeleteRun,
    EraseData,
    ExportData,
    JudgeReport,
    NextCard,
    NextItem,
    NextQuestion,
    OpenDeck,
    OpenReport,
    OpenRun,
    OpenSetup,
    RateCard,
    RestartQuiz,
    RunAgain,
    RunProof,
    RunPuzzle,
    RunSample,
    SaveSchedule,
    SetAnonymous,
    ShareResult,
    ShowBoard,
    ShowCard,
    ShowDaily,
    ShowSide,
    ShowStats,
    SubmitReport,
    SubmitRun,
    SubmitSetup,
    UndoRating,
    WhyNot,
)
from bot.core.errors import ForeignButton, StaleButton
from bot.core.ids import ItemId, OptionId, Tenant, UserId
from bot.core.puzzles import MAX_SEED, SUBJECTS
from bot.core.reviews import VERSIONS
from bot.core.runs import RunId
from bot.core.schedule import PostId, ScheduleId

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
TENANT = Tenant("d1200000000000000123")
ADA = UserId("1200000000000000124")
BOB = UserId("1200000000000000125")
CODEC = Codec(b"a key of sixteen bytes or more")

item_ids = st.from_regex(r"[a-z0-9]{1,10}(-[a-z0-9]{1,8}){0,3}", fullmatch=True).map(ItemId)
options = st.sampled_from("abcdef").map(OptionId)
runs = st.text("0123456789abcdef", min_size=20, max_size=20).map(RunId)
quizzes = st.integers(1, 9999).map(str)
posts = st.tuples(st.from_regex(r"[0-9]{19}|C[0-9A-Z]{8,10}", fullmatch=True), st.integers(1, 99)).map(
    lambda made: PostId(f"{made[0]}-20261122-{made[1]}")
)
schedule_ids = st.integers(1, 999).map(lambda number: ScheduleId(str(number)))
seeds, marks = st.integers(0, MAX_SEED - 1), st.text("0123456789abcdef", min_size=4, max_size=4)
versions = sittings = st.integers(0, VERSIONS - 1)
KINDS: tuple[tuple[type[Action], tuple[st.SearchStrategy[object], ...]], ...] = (
    (
        DailyAnswer,
        (
            posts,
            options,
        ),
    ),
    (ShowDaily, ()),
    (OpenSetup, (schedule_ids,)),
    (SubmitSetup, (schedule_ids,)),
    (SaveSchedule, (st.from_regex(r"[A-Za-z0-9_-]{16}", fullmatch=True),)),
    (
        ChangeSchedule,
        (
            schedule_ids,
            st.sampled_from(["pause", "skip"]),
            st.integers(0, 9999),
        ),
    ),
    (OpenReport, (posts,)),
    (SubmitReport, (posts,)),
    (
        JudgeReport,
        (
            posts,
            st.sampled_from(["void", "fixed", "reject"]),
        ),
    ),
    (
        OpenDeck,
        (
            st.sampled_from(["_all", "_review", "3", "activations-init"]),
            st.integers(1, 30),
        ),
    ),
    (
        ShowCard,
        (
            item_ids,
            sittings,
        ),
    ),
    (
        RateCard,
        (
            item_ids,
            st.integers(1, 5),
            versions,
            sittings,
        ),
    ),
    (
        AnswerCard,
        (
            item_ids,
            options,
            versions,
            sittings,
        ),
    ),
    (NextCard, (sittings,)),
    (
        UndoRating,
        (
            item_ids,
            versions,
            sittings,
        ),
    ),
    (ShowStats, ()),
    (SetAnonymous, (st.sampled_from(["on", "off"]),)),
    (ExportData, ()),
    (EraseData, (st.sampled_from(["ask", "sure"]),)),
    (AskQuiz, (quizzes,)),
    (RestartQuiz, (quizzes,)),
    (
        Answer,
        (
            item_ids,
            options,
            st.integers(1, 99_999),
        ),
    ),
    (NextQuestion, (item_ids,)),
    (WhyNot, (item_ids,)),
    (RunProof, (item_ids,)),
    (RunSample, (item_ids,)),
    (
        ShowSide,
        (
            item_ids,
            st.integers(0, 30),
        ),
    ),
    (NextItem, (item_ids,)),
    (ShareResult, (quizzes,)),
    (
        ShowBoard,
        (
            st.sampled_from(["day", "month"]),
            st.sampled_from(["channel", "workspace"]),
        ),
    ),
    (
        OpenRun,
        (
            runs,
            st.sampled_from(["", "gpu"]),
        ),
    ),
    (SubmitRun, (st.sampled_from(["", "gpu"]),)),
    (
        RunAgain,
        (
            runs,
            st.sampled_from(["", "gpu"]),
        ),
    ),
    (CancelRun, (runs,)),
    (DeleteRun, (runs,)),
    (AskPuzzle, (st.sampled_from([*SUBJECTS, "any"]),)),
    (AnswerPuzzle, (st.sampled_from([*SUBJECTS]), seeds, st.integers(0, 3), marks)),
    (RunPuzzle, (st.sampled_from([*SUBJECTS]), seeds, marks)),
)
"""Each kind of action, and what its arguments may be."""
actions: st.SearchStrategy[Action] = st.one_of(*(st.builds(kind, *arguments) for kind, arguments in KINDS))


@given(actions, st.booleans())
def test_every_action_survives_the_wire(action: Action, owned: bool) -> None:
    wire = CODEC.encode(action, TENANT, NOW, ADA if owned else None)

    assert len(wire) <= MAX_WIRE
    assert CODEC.decode(wire, TENANT, ADA, NOW) == action


def test_every_verb_has_an_action_in_these_tests() -> None:
    assert {kind for kind, _ in KINDS} == {*VERBS.values()}


@given(actions, st.data())
def test_a_changed_id_is_never_accepted(action: Action, data: st.DataObject) -> None:
    wire = CODEC.encode(action, TENANT, NOW)
    index = data.draw(st.integers(0, len(wire) - 1))
    letter = data.draw(st.sampled_from(string.ascii_letters + string.digits + ".-_"))
    forged = wire[:index] + letter + wire[index + 1 :]

    if forged != wire:
        with pytest.raises((ForeignButton, StaleButton)):
            CODEC.decode(forged, TENANT, ADA, NOW)


@given(st.text(max_size=130))
def test_any_text_is_answered_with_one_of_two_kind_errors(text: str) -> None:
    with pytest.raises((ForeignButton, StaleButton)):
        CODEC.decode(text, TENANT, ADA, NOW)


def test_a_lone_surrogate_is_refused_like_any_other_forgery() -> None:
    with pytest.raises(ForeignButton):
        CODEC.decode("r1.q.11.p0.\ud800", TENANT, ADA, NOW)


def test_an_id_of_another_tenant_is_foreign() -> None:
    wire = CODEC.encode(AskQuiz("11"), TENANT, NOW)

    with pytest.raises(ForeignButton):
        CODEC.decode(wire, Tenant("d99"), ADA, NOW)


def test_an_id_signed_with_another_key_is_foreign() -> None:
    wire = Codec(b"another key of enough bytes").encode(AskQuiz("11"), TENANT, NOW)

    with pytest.raises(ForeignButton):
        CODEC.decode(wire, TENANT, ADA, NOW)


def test_an_owned_button_is_its_owners_alone() -> None:
    wire = CODEC.encode(AskQuiz("11"), TENANT, NOW, ADA)

    with pytest.raises(ForeignButton):
        CODEC.decode(wire, TENANT, BOB, NOW)


def test_an_unowned_button_is_everybodys() -> None:
    wire = CODEC.encode(AskQuiz("11"), TENANT, NOW)

    assert CODEC.decode(wire, TENANT, BOB, NOW) == AskQuiz("11")


def test_an_id_of_another_version_is_stale() -> None:
    with pytest.raises(StaleButton):
        CODEC.decode("r0.q.11.p0.xxxx", TENANT, ADA, NOW)


def test_an_id_expires() -> None:
    wire = CODEC.encode(AskQuiz("11"), TENANT, NOW)

    assert CODEC.decode(wire, TENANT, ADA, NOW + LIFETIME - timedelta(hours=1))
    with pytest.raises(StaleButton):
        CODEC.decode(wire, TENANT, ADA, NOW + LIFETIME + timedelta(hours=1))


def test_what_does_not_fit_into_an_id_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="not representable"):
        CODEC.encode(AskQuiz("a.b"), TENANT, NOW)
    with pytest.raises(ValueError, match="characters"):
        CODEC.encode(ShowBoard("x" * 48, "y" * 48), TENANT, NOW)


def test_an_id_carries_neither_the_tenant_nor_the_owner_nor_the_key() -> None:
    wire = CODEC.encode(AskQuiz("11"), TENANT, NOW, ADA)

    assert TENANT not in wire
    assert ADA not in wire
