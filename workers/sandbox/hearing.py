"""What a run tree says while it lives: its output as text, its end and its files as frames of init."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.core.runs import Limits
from workers.inside import wire
from workers.sandbox.frames import receive


class Output(asyncio.Protocol):
    """The run's text as it comes, up to its limit in bytes."""

    def __init__(self, over: asyncio.Event) -> None:
        self.text: list[str] = []
        self.capped = False
        self.ended = asyncio.Event()
        self.listener: Callable[[str], None] | None = None
        self.room = Limits().output_bytes
        self._over = over
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def data_received(self, data: bytes) -> None:
        """Keep what fits; the first byte too many says that the run is over."""
        kept = data[: self.room]
        self.room -= len(kept)
        self._say(self._decoder.decode(kept))
        if len(kept) < len(data):
            self.capped = True
            self._over.set()

    def connection_lost(self, error: Exception | None) -> None:
        """The last process that could print has gone."""
        if not self.capped:  # a character cut by the limit is left out, not shown as broken
            self._say(self._decoder.decode(b"", final=True))
        self.ended.set()

    def _say(self, text: str) -> None:
        if text:
            self.text.append(text)
            if self.listener is not None:
                self.listener(text)


@dataclass(slots=True)
class Story:
    """What init tells of the end: status, the snippet's own words about its error, files."""

    over: asyncio.Event
    facts: dict[str, Any] = field(default_factory=dict)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    dropped: int = 0

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Read frames until the last; returns early when the stream ends."""
        try:
            while True:
                kind, payload = await receive(reader)
                if kind == wire.ENDED:
                    self.facts = json.loads(payload)
                    self.over.set()
                elif kind == wire.FILE:
                    self.files.append(_file(payload))
                elif kind == wire.DONE:
                    self.dropped = json.loads(payload)["dropped"]
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.over.set()


def _file(payload: bytes) -> tuple[str, bytes]:
    length = int.from_bytes(payload[:4], "big")
    return str(json.loads(payload[4 : 4 + length])), payload[4 + length :]
