"""The times and bounds of a conversation on Discord."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Times in seconds and bounds; the defaults are what Discord's rules and people's patience ask for."""

    patience: float = 0.08
    """An answer that takes longer is announced first ("thinking…"), so that the event is acknowledged."""
    busy_patience: float = 1.0
    """The same while more than `busy` events are in hand: announcing costs a second request, which is the last thing
    that a busy process needs, and Discord waits for three seconds."""
    form_patience: float = 2.2
    """A form cannot be announced: Discord takes it as the first answer or not at all."""
    busy: int = 16
    answer: float = 2.8
    """The first answer is given up then; Discord drops the event after 3."""
    most: int = 512
    """Events answered at once; more are told to try again."""
    reply: float = 900.0
    """No reply takes longer; a run waits in line and then runs well within it."""
    between_edits: float = 1.0
    edit: float = 6.0
    """A later form of a reply is given up then. While it is tried the run behind it is not followed, and whoever shows
    the result waits for ten seconds."""
    delivery: float = 45.0
    """A result is given back to the queue then."""
    elsewhere: float = 0.3
    """Before showing the result of a run that another process may still follow: its last edit must not come after."""
    retry: float = 2.0
    """Between two attempts to reach the queue of results."""
    deliveries: int = 4
    """Results shown at once: one busy channel does not hold up the others."""
    double_tap: float = 2.0
    silence: float = 60.0
    """A gateway that says nothing for so long is given up and connected to anew."""
    close: float = 5.0


DEFAULT = Tuning()
