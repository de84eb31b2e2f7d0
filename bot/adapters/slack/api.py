"""What the adapter asks of Slack, and how Slack refuses; `client.py` does it with slack_sdk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bot.core.errors import Unavailable
from bot.core.ids import Tenant
from bot.core.runs import RunFile

Json = dict[str, Any]


class RefusedError(Exception):
    """Slack answered and said no; asking again changes nothing. `code` is Slack's own word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotDoneError(Unavailable):
    """Slack did nothing, which is certain: it asks to wait `seconds`, or it was not reached at all."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(what)
        self.seconds = seconds


class Api(Protocol):
    """Slack's Web API. Every method raises RefusedError, or Unavailable when Slack does not answer in time."""

    async def post(
        self, tenant: Tenant, channel: str, message: Json, thread: str = "", *, patient: bool = True
    ) -> tuple[str, str]:
        """Post a message; returns its channel and its ts. A person's id as `channel` opens the conversation with
        them. When not `patient` there is one try; NotDoneError then tells the cases where Slack did nothing."""
        ...

    async def update(self, tenant: Tenant, channel: str, ts: str, message: Json, *, patient: bool = True) -> None:
        """Replace a message of ours. When not `patient` there is one try, of at most a second."""
        ...

    async def delete(self, tenant: Tenant, channel: str, ts: str) -> None:
        """Take a message of ours away."""
        ...

    async def whisper(self, tenant: Tenant, channel: str, user: str, message: Json, thread: str = "") -> None:
        """Post a message that only one person sees."""
        ...

    async def respond(self, tenant: Tenant, url: str, message: Json) -> None:
        """Answer an event by its response_url."""
        ...

    async def open(self, tenant: Tenant, trigger: str, view: Json) -> None:
        """Open a dialog; Slack allows it for 3 s after the event, once."""
        ...

    async def publish(self, tenant: Tenant, user: str, view: Json) -> None:
        """Show someone's App Home."""
        ...

    async def history(self, tenant: Tenant, channel: str, since: float, thread: str = "") -> Sequence[Json]:
        """The messages of a channel, or of a thread, since then (seconds since 1970), with their metadata."""
        ...

    async def person(self, tenant: Tenant, user: str) -> Json:
        """Who someone is. There is one try, of at most two seconds."""
        ...

    async def upload(self, tenant: Tenant, channel: str, thread: str, files: Sequence[RunFile]) -> Sequence[str]:
        """Share files in a thread; returns their ids."""
        ...

    async def fetch(self, tenant: Tenant, url: str, limit: int) -> bytes:
        """What stands in a file that people shared; the rest beyond `limit` bytes is left."""
        ...

    async def forget(self, tenant: Tenant, file: str) -> None:
        """Delete a file of ours."""
        ...


Errors = Mapping[str, str]
