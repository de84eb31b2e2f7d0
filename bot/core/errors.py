"""The errors of the product, on one screen.

TorchquizError
├── UserError            the message is for the person who typed or clicked, word for word
│   ├── NotFound             no such quiz, question, command, period
│   ├── BadInput             understood, but not usable: `/quiz abc`, an empty `/run`
│   ├── StaleButton          a button of an older version, or one that has expired
│   └── ForeignButton        a button that was never ours, or belongs to someone else
├── Unavailable          a part we need is away: "try again in a moment", nothing is lost
├── ContentError         a bank file is wrong: file, line, item, hint
└── ConfigError          a setting or the server behind it is wrong: what to do
"""

from __future__ import annotations


class TorchquizError(Exception):
    """Anything the product itself raises."""


class UserError(TorchquizError):
    """Bad input; `str(error)` is a kind sentence that says what to do, in the small Markdown of the bank."""


class NotFound(UserError):
    """What was named does not exist."""


class BadInput(UserError):
    """What was typed cannot be used."""


class StaleButton(UserError):
    """This button is too old."""

    def __init__(self, message: str = "That button is too old to use. Type the command again for a fresh one.") -> None:
        super().__init__(message)


class ForeignButton(UserError):
    """This button is not the caller's."""

    def __init__(self, message: str = "That button is not yours to press. Type the command to get your own.") -> None:
        super().__init__(message)


class Unavailable(TorchquizError):
    """The store or the queue did not answer; whether a write happened is unknown until it is asked again."""


class ContentError(TorchquizError):
    """The bank is wrong. `str(error)` starts with ``file:line:column``."""


class ConfigError(TorchquizError):
    """The set-up is wrong. `str(error)` says what to change."""
