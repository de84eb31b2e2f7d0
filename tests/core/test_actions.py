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
versions = sittings = st.integers(0, VERSIONS - 1)
actions: st.SearchStrategy[Action] = st.one_of(
    st.builds(DailyAnswer, posts, options),
    st.just(ShowDaily()),
    st.builds(OpenSetup, schedule_ids),
    st.builds(SubmitSetup, schedule_ids),
    st.builds(SaveSchedule, st.from_regex(r"[A-Za-z0-9_-]{16}", fullmatch=True)),
    st.builds(ChangeSchedule, schedule_ids, st.sampled_from(["pause", "skip"]), st.integers(0, 9999)),
    st.builds(OpenReport, posts),
    st.builds(SubmitReport, posts),
    st.builds(JudgeReport, posts, st.sampled_from(["void", "fixed", "reject"])),
    st.builds(OpenDeck, st.sampled_from(["_all", "_review", "3", "activations-init"]), st.integers(1, 30)),
    st.builds(ShowCard, item_ids, sittings),
    st.builds(RateCard, item_ids, st.integers(1, 5), versions, sittings),
    st.builds(AnswerCard, item_ids, options, versions, sittings),
    st.builds(NextCard, sittings),
    st.builds(UndoRating, item_ids, versions, sittings),
    st.just(ShowStats()),
    st.builds(SetAnonymous, st.sampled_from(["on", "off"])),
    st.just(ExportData()),
    st.builds(EraseData, st.sampled_from(["ask", "sure"])),
    st.builds(AskQuiz, quizzes),
    st.builds(RestartQuiz, quizzes),
    st.builds(Answer, item_ids, options, st.integers(1, 99_999)),
    st.builds(NextQuestion, item_ids),
    st.builds(WhyNot, item_ids),
    st.builds(RunProof, item_ids),
    st.builds(RunSample, item_ids),
    st.builds(ShowSide, item_ids, st.integers(0, 30)),
    st.builds(NextItem, item_ids),
    st.builds(ShareResult, quizzes),
    st.builds(ShowBoard, st.sampled_from(["day", "month"]), st.sampled_from(["channel", "workspace"])),
    st.builds(OpenRun, runs, st.sampled_from(["", "gpu"])),
    st.builds(SubmitRun, st.sampled_from(["", "gpu"])),
    st.builds(RunAgain, runs, st.sampled_from(["", "gpu"])),
    st.builds(CancelRun, runs),
    st.builds(DeleteRun, runs),
)


@given(actions, st.booleans())
def test_every_action_survives_the_wire(action: Action, owned: bool) -> None:
    wire = CODEC.encode(action, TENANT, NOW, ADA if owned else None)

    assert len(wire) <= MAX_WIRE
    assert CODEC.decode(wire, TENANT, ADA, NOW) == action


def test_every_verb_has_an_action_in_these_tests() -> None:
    assert len(VERBS) == 35


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
