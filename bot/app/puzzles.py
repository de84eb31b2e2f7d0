"""Puzzles: fresh code, what does it print? Without points and without end; the button says which puzzle it was."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from bot.app.answers import Answers, pressed, typed
from bot.core.actions import AnswerPuzzle, AskPuzzle, RunPuzzle
from bot.core.errors import NotFound, StaleButton
from bot.core.ids import Caller
from bot.core.puzzles import ERROR, MAX_SEED, SUBJECTS, Guess, Puzzle, puzzle
from bot.core.text import clip, display_name, letter, line
from bot.core.views import (
    Block,
    Button,
    Choice,
    Choices,
    Code,
    Heading,
    Line,
    Look,
    Mark,
    Note,
    Span,
    Style,
    Text,
    View,
)

ANY = "any"
QUESTION = "What does this print?"


class Puzzles:
    """Makes puzzles and judges answers. Nothing is kept: the seed is in the buttons."""

    def __init__(self, dice: Callable[[], int] = lambda: secrets.randbelow(MAX_SEED)) -> None:
        """`dice` gives the seed of the next puzzle."""
        self._dice = dice

    def answers(self) -> Answers:
        """Asking and answering puzzles."""
        return Answers(
            {"puzzle": typed(self.typed)}, {AskPuzzle: pressed(self.ask), AnswerPuzzle: pressed(self.answer)}
        )

    async def typed(self, caller: Caller, what: str) -> View:
        """A puzzle on a subject, or on any. Raises NotFound."""
        word = what.strip().lower() or ANY
        if word not in (*SUBJECTS, ANY):
            known = ", ".join(f"`{subject}`" for subject in SUBJECTS)
            raise NotFound(f"I have no puzzles on `{clip(display_name(what), 30)}`. There are {known}.")
        return await self.ask(caller, AskPuzzle(word))

    async def ask(self, _: Caller, action: AskPuzzle) -> View:
        """A fresh puzzle. Raises StaleButton for a subject that is gone."""
        seed, subject = self._dice(), action.subject
        if subject == ANY:
            subject = list(SUBJECTS)[seed % len(SUBJECTS)]
        asked = _made(subject, seed)
        buttons = (
            Button(letter(place), AnswerPuzzle(subject, seed, place, asked.mark)) for place in range(len(asked.guesses))
        )
        return View(
            blocks=(
                *_asked(subject, asked),
                _choices(asked, None),
                Note(f"{ERROR} means that it stops with one. Puzzles give no points. Subjects: {', '.join(SUBJECTS)}."),
            ),
            fallback=f"Puzzle: {QUESTION}",
            buttons=tuple(buttons),
        )

    async def answer(self, _: Caller, action: AnswerPuzzle) -> View:
        """Whether it was right, and why. Raises StaleButton for a puzzle that this version makes differently."""
        asked = _made(action.subject, action.seed)
        if asked.mark != action.mark or not 0 <= action.place < len(asked.guesses):
            raise StaleButton("Puzzles are made differently since. Type `/puzzle` for a fresh one.")
        right, chosen = asked.guesses[asked.right], asked.guesses[action.place]
        verdict = "Right." if chosen is right else f"Not quite. It is {letter(asked.right)}."
        return View(
            blocks=(
                Heading(verdict),
                *_asked(action.subject, asked)[1:],
                _choices(asked, action.place),
                *(() if chosen is right else (_because("Why not", chosen),)),
                _because("Why", right),
            ),
            fallback=f"{verdict} {right.reason}",
            buttons=(
                Button("Another one", AskPuzzle(action.subject), Look.MAIN),
                Button("Run it", RunPuzzle(action.subject, action.seed, action.mark)),
                Button("Another subject", AskPuzzle(ANY)),
            ),
            in_place=True,
        )


def _made(subject: str, seed: int) -> Puzzle:
    if subject not in SUBJECTS:
        raise StaleButton("There are no puzzles on that subject any more. Type `/puzzle` for a fresh one.")
    return puzzle(subject, seed)


def _asked(subject: str, asked: Puzzle) -> tuple[Block, ...]:
    return Heading(f"Puzzle · {subject}"), Text(line(QUESTION)), Code(asked.code)


def _choices(asked: Puzzle, chosen: int | None) -> Choices:
    def mark(place: int) -> Mark:
        if chosen is None:
            return Mark.NONE
        return Mark.RIGHT if place == asked.right else Mark.WRONG if place == chosen else Mark.NONE

    return Choices(
        tuple(
            Choice(letter(place), (Span(guess.text, Style.CODE),), mark(place))
            for place, guess in enumerate(asked.guesses)
        )
    )


def _because(label: str, guess: Guess) -> Text:
    words: Line = line(guess.reason)
    return Text((Span(f"{label}: ", Style.STRONG), *words))
