"""When a fact comes back, by FSRS (py-fsrs). The only file that imports it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fsrs import Card, Rating, Scheduler, State

from bot.core.reviews import Grade, Strength

RETENTION = 0.9
"""The chance of recall at which a fact is due."""
MAX_DAYS = 3650

# Steps within a day are ours (`bot.core.reviews`), so there are none here. No fuzz: it can make the interval after a
# success shorter than the one before, and people take that for a fault.
_SCHEDULER = Scheduler(
    desired_retention=RETENTION, learning_steps=(), relearning_steps=(), maximum_interval=MAX_DAYS, enable_fuzzing=False
)
_THEN = datetime(2000, 1, 1, tzinfo=UTC)  # any day: only the days between two reviews matter


def space(strength: Strength | None, grade: Grade, elapsed_days: int) -> tuple[Strength, int]:
    """The strength after a grade, and the days until the next review (at least 1). About 20 microseconds."""
    now = _THEN + timedelta(days=elapsed_days)
    card = Card(card_id=0, due=_THEN)  # without an id it would sleep to make one
    if strength:
        card.state, card.step, card.last_review = State.Review, None, _THEN
        card.stability, card.difficulty = strength.stability, strength.difficulty
    after, _ = _SCHEDULER.review_card(card, Rating(int(grade)), now)
    assert after.stability is not None
    assert after.difficulty is not None
    return Strength(after.stability, after.difficulty), (after.due - now).days
