"""What a button means, and its wire form.

``r1.<verb>.<arguments>.<owner><expiry>.<tag>``: a version, the verb and its arguments, who may press it, until when,
and a tag over all of it, the tenant and the owner. The wire form is at most 100 characters (Discord's limit), carries
no secret and no right answer, and is never trusted for more than it says: the store checks again that a question is
open and unanswered.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from bot.core.errors import ForeignButton, StaleButton
from bot.core.ids import ItemId, OptionId, Tenant, UserId
from bot.core.runs import RunId
from bot.core.schedule import PostId, ScheduleId

VERSION = "r1"
MAX_WIRE = 100
LIFETIME = timedelta(days=30)
_EPOCH_HOUR = 3600
_TAG_BYTES = 9  # 72 bits: 12 base64 characters; a forger would need 2^71 clicks on average
_TOKEN = re.compile(r"[A-Za-z0-9_-]{0,48}")


@dataclass(frozen=True, slots=True)
class AskQuiz:
    """Start or resume a quiz."""

    quiz: str


@dataclass(frozen=True, slots=True)
class RestartQuiz:
    """Begin a quiz again from its first question; repeated answers give no points."""

    quiz: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Choose an option of a question. `round` is the practice round that the card belongs to."""

    item: ItemId
    option: OptionId
    round: int


@dataclass(frozen=True, slots=True)
class NextQuestion:
    """Go on after a verdict."""

    item: ItemId


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Show the reason of every option of a question already answered."""

    item: ItemId


@dataclass(frozen=True, slots=True)
class RunProof:
    """Run the snippet that proves an item."""

    item: ItemId


@dataclass(frozen=True, slots=True)
class RunSample:
    """Run the code sample of an item as it is shown."""

    item: ItemId


@dataclass(frozen=True, slots=True)
class ShowSide:
    """Show one side of a card, an interview question, a concept, a formula or a pattern; 0 is what is asked."""

    item: ItemId
    side: int


@dataclass(frozen=True, slots=True)
class NextItem:
    """Go on to the item after this one, in the same section."""

    item: ItemId


@dataclass(frozen=True, slots=True)
class ShareResult:
    """Post one line with the score of a finished quiz, without answers."""

    quiz: str


@dataclass(frozen=True, slots=True)
class ShowBoard:
    """Show a leaderboard."""

    period: str
    scope: str


@dataclass(frozen=True, slots=True)
class OpenRun:
    """Open the box for code; with a run's id, filled with its code."""

    run: RunId
    on: str = ""


@dataclass(frozen=True, slots=True)
class SubmitRun:
    """The box for code was sent. `on`: gpu, or empty for the CPU."""

    on: str = ""


@dataclass(frozen=True, slots=True)
class RunAgain:
    """Run the same code once more."""

    run: RunId
    on: str = ""


@dataclass(frozen=True, slots=True)
class CancelRun:
    """Stop a run that waits or runs."""

    run: RunId


@dataclass(frozen=True, slots=True)
class DeleteRun:
    """Take a result out of the channel."""

    run: RunId


@dataclass(frozen=True, slots=True)
class DailyAnswer:
    """Choose an option of a question of the day."""

    post: PostId
    option: OptionId


@dataclass(frozen=True, slots=True)
class ShowDaily:
    """Show the question of the day of this channel."""


@dataclass(frozen=True, slots=True)
class OpenSetup:
    """Open the form for a schedule of this channel; with an id, filled with that schedule."""

    schedule: ScheduleId


@dataclass(frozen=True, slots=True)
class SubmitSetup:
    """The form for a schedule was sent."""

    schedule: ScheduleId


@dataclass(frozen=True, slots=True)
class SaveSchedule:
    """Save the schedule that was shown."""

    draft: str


@dataclass(frozen=True, slots=True)
class ChangeSchedule:
    """Pause, resume, skip, or remove a schedule of this channel, as of the version that was shown."""

    schedule: ScheduleId
    verb: str
    version: int


@dataclass(frozen=True, slots=True)
class OpenReport:
    """Open the form to report a question of the day."""

    post: PostId


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """A report was sent."""

    post: PostId


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """An admin decides over a reported question of the day: void, fixed or reject."""

    post: PostId
    verdict: str


@dataclass(frozen=True, slots=True)
class OpenDeck:
    """Review a deck of cards, at most `size` of them in one sitting."""

    deck: str
    size: int


@dataclass(frozen=True, slots=True)
class ShowCard:
    """Turn a card over, to be rated in a sitting; sitting 0 is none."""

    item: ItemId
    sitting: int


@dataclass(frozen=True, slots=True)
class RateCard:
    """Say from 1 to 5 how well it was known. `version` is that of the card as it was shown."""

    item: ItemId
    rating: int
    version: int
    sitting: int


@dataclass(frozen=True, slots=True)
class AnswerCard:
    """Choose an option of a question in a review."""

    item: ItemId
    option: OptionId
    version: int
    sitting: int


@dataclass(frozen=True, slots=True)
class NextCard:
    """Go on in a sitting."""

    sitting: int


@dataclass(frozen=True, slots=True)
class UndoRating:
    """Take back the newest rating, which made `version` of its card."""

    item: ItemId
    version: int
    sitting: int


@dataclass(frozen=True, slots=True)
class ShowStats:
    """Show one's own progress."""


@dataclass(frozen=True, slots=True)
class SetAnonymous:
    """Hide one's name from others on boards (`on`), or show it (`off`)."""

    state: str


@dataclass(frozen=True, slots=True)
class ExportData:
    """Get everything that is kept of oneself."""


@dataclass(frozen=True, slots=True)
class EraseData:
    """Remove everything that is kept of oneself: `ask` shows what that means, `sure` does it."""

    step: str


@dataclass(frozen=True, slots=True)
class AskPuzzle:
    """Ask a fresh puzzle on a subject, or on `any`."""

    subject: str


@dataclass(frozen=True, slots=True)
class AnswerPuzzle:
    """Choose a guess of a puzzle by its place. `mark` tells a puzzle that another version of the bot made."""

    subject: str
    seed: int
    place: int
    mark: str


@dataclass(frozen=True, slots=True)
class RunPuzzle:
    """Run the code of a puzzle."""

    subject: str
    seed: int
    mark: str


Action = (
    AskQuiz
    | RestartQuiz
    | Answer
    | NextQuestion
    | WhyNot
    | RunProof
    | RunSample
    | ShowSide
    | NextItem
    | ShareResult
    | ShowBoard
    | OpenRun
    | SubmitRun
    | RunAgain
    | CancelRun
    | DeleteRun
    | DailyAnswer
    | ShowDaily
    | OpenSetup
    | SubmitSetup
    | SaveSchedule
    | ChangeSchedule
    | OpenReport
    | SubmitReport
    | JudgeReport
    | OpenDeck
    | ShowCard
    | RateCard
    | AnswerCard
    | NextCard
    | UndoRating
    | ShowStats
    | SetAnonymous
    | ExportData
    | EraseData
    | AskPuzzle
    | AnswerPuzzle
    | RunPuzzle
)

VERBS: Mapping[str, Callable[..., Action]] = {
    "q": AskQuiz,
    "qr": RestartQuiz,
    "a": Answer,
    "n": NextQuestion,
    "w": WhyNot,
    "p": RunProof,
    "c": RunSample,
    "i": ShowSide,
    "ni": NextItem,
    "sh": ShareResult,
    "b": ShowBoard,
    "ro": OpenRun,
    "rs": SubmitRun,
    "ra": RunAgain,
    "rc": CancelRun,
    "rd": DeleteRun,
    "d": DailyAnswer,
    "sd": ShowDaily,
    "so": OpenSetup,
    "su": SubmitSetup,
    "ss": SaveSchedule,
    "sc": ChangeSchedule,
    "fo": OpenReport,
    "fs": SubmitReport,
    "fj": JudgeReport,
    "ko": OpenDeck,
    "ks": ShowCard,
    "kr": RateCard,
    "ka": AnswerCard,
    "kn": NextCard,
    "ku": UndoRating,
    "kt": ShowStats,
    "pa": SetAnonymous,
    "px": ExportData,
    "pe": EraseData,
    "zo": AskPuzzle,
    "za": AnswerPuzzle,
    "zr": RunPuzzle,
}
"""One line a verb. Two or fewer letters; a verb is never reused for another meaning."""

PERSONAL: tuple[type, ...] = (
    Answer,
    NextQuestion,
    WhyNot,
    RestartQuiz,
    CancelRun,
    DeleteRun,
    ShowCard,
    RateCard,
    AnswerCard,
    NextCard,
    UndoRating,
    AnswerPuzzle,
)
"""Actions that belong to the person the card was made for, even where others can see the card."""

FOR_ADMINS: tuple[type, ...] = (OpenSetup, SubmitSetup, SaveSchedule, ChangeSchedule, JudgeReport)
"""Actions that only admins may do: platforms that have to ask who is one ask before these."""

_VERB_OF = {kind: verb for verb, kind in VERBS.items()}


def _answer(item: str, option: str, round_: str) -> Answer:
    return Answer(ItemId(item), OptionId(option), int(round_))


def _show_side(item: str, side: str) -> ShowSide:
    return ShowSide(ItemId(item), int(side))


def _open_deck(deck: str, size: str) -> OpenDeck:
    return OpenDeck(deck, int(size))


def _show_card(item: str, sitting: str) -> ShowCard:
    return ShowCard(ItemId(item), int(sitting))


def _rate_card(item: str, rating: str, version: str, sitting: str) -> RateCard:
    return RateCard(ItemId(item), int(rating), int(version), int(sitting))


def _answer_card(item: str, option: str, version: str, sitting: str) -> AnswerCard:
    return AnswerCard(ItemId(item), OptionId(option), int(version), int(sitting))


def _next_card(sitting: str) -> NextCard:
    return NextCard(int(sitting))


def _undo_rating(item: str, version: str, sitting: str) -> UndoRating:
    return UndoRating(ItemId(item), int(version), int(sitting))


def _change_schedule(schedule: str, verb: str, version: str) -> ChangeSchedule:
    return ChangeSchedule(ScheduleId(schedule), verb, int(version))


def _answer_puzzle(subject: str, seed: str, place: str, mark: str) -> AnswerPuzzle:
    return AnswerPuzzle(subject, int(seed), int(place), mark)


def _run_puzzle(subject: str, seed: str, mark: str) -> RunPuzzle:
    return RunPuzzle(subject, int(seed), mark)


_ARGUMENTS: Mapping[str, Callable[..., Action]] = {
    "a": _answer,
    "i": _show_side,
    "sc": _change_schedule,
    "ko": _open_deck,
    "ks": _show_card,
    "kr": _rate_card,
    "ka": _answer_card,
    "kn": _next_card,
    "ku": _undo_rating,
    "za": _answer_puzzle,
    "zr": _run_puzzle,
}
"""Verbs whose arguments are not all text."""


@dataclass(frozen=True, slots=True)
class Codec:
    """Turns actions into wire forms for one tenant, and back. `key` stays in the process; at least 16 bytes."""

    key: bytes

    def encode(self, action: Action, tenant: Tenant, now: datetime, owner: UserId | None = None) -> str:
        """The wire form. With an `owner`, only that person may press it. Raises ValueError for arguments that do not
        fit."""
        arguments = [str(getattr(action, name)) for name in action.__slots__]  # astuple copies: ten times slower
        if not all(_TOKEN.fullmatch(argument) for argument in arguments):
            raise ValueError(f"not representable in a button: {arguments}")
        expiry = _base36(int((now + LIFETIME).timestamp()) // _EPOCH_HOUR)
        body = ".".join((VERSION, _VERB_OF[type(action)], *arguments, ("o" if owner else "p") + expiry))
        wire = f"{body}.{self._tag(body, tenant, owner)}"
        if len(wire) > MAX_WIRE:
            raise ValueError(f"button id of {len(wire)} characters: {body}")
        return wire

    def decode(self, wire: str, tenant: Tenant, user: UserId, now: datetime) -> Action:
        """The action. Raises StaleButton for another version or an expired one, ForeignButton for everything that we
        did not make for this tenant and this person."""
        body, _, tag = wire.rpartition(".")
        version, *rest = body.split(".")
        if version != VERSION:
            raise StaleButton if re.fullmatch(r"r\d{1,3}", version) else ForeignButton
        if len(wire) > MAX_WIRE or len(rest) < 2:
            raise ForeignButton
        verb, *arguments, audience = rest
        owner = user if audience.startswith("o") else None
        expected = self._tag(body, tenant, owner).encode()
        if not hmac.compare_digest(tag.encode("utf-8", "surrogatepass"), expected):
            raise ForeignButton
        if int(audience[1:], 36) * _EPOCH_HOUR < now.timestamp():
            raise StaleButton
        return _ARGUMENTS.get(verb, VERBS[verb])(*arguments)

    def _tag(self, body: str, tenant: Tenant, owner: UserId | None) -> str:
        message = "\0".join((tenant, owner or "", body)).encode("utf-8", "surrogatepass")
        digest = hmac.new(self.key, message, sha256).digest()[:_TAG_BYTES]
        return base64.urlsafe_b64encode(digest).decode()


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"
