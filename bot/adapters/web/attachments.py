"""Pictures and files of cards, kept in memory for the page to fetch by an address nobody can guess."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from hashlib import blake2b

from bot.core.runs import RunFile

MAX_BYTES = 64 * 1024 * 1024
"""What all kept files may weigh together; the oldest go first."""
ROOT = "/files/"


class Attachments:
    """Files by address. The same file always has the same address, so a card drawn again changes nothing."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._key = secrets.token_bytes(32)
        self._files: OrderedDict[str, RunFile] = OrderedDict()

    def link(self, file: RunFile) -> str:
        """Keep the file; returns its path on this server."""
        name = file.name.encode("utf-8", "surrogatepass")
        address = blake2b(len(name).to_bytes(4) + name + file.content, key=self._key, digest_size=16).hexdigest()
        if address not in self._files:
            self._files[address] = file
            self._bytes += len(file.content)
        self._files.move_to_end(address)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._files.popitem(last=False)[1].content)
        return ROOT + address

    def get(self, address: str) -> RunFile | None:
        """The file of that address, if it is still kept."""
        return self._files.get(address)
