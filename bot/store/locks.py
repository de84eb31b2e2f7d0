"""File locks between processes of one machine; the kernel drops them when their last holder dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.core.errors import ConfigError

NO_EMBEDDED_SERVER_HERE = (
    "This system cannot run the embedded Redis server. Start one yourself, for example with "
    "`docker run -d -p 6379:6379 redis:7 --appendonly yes`, and set REDIS_URL=redis://localhost:6379/0"
)


class FileLock:
    """One open lock file, as a context; `flock` by nature, so a child that inherits `descriptor` holds the lock too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.descriptor = -1

    def __enter__(self) -> Self:
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self.descriptor)
        self.descriptor = -1

    def try_alone(self) -> bool:
        """Hold it alone, if nobody else holds it. When refused, a shared hold of ours is gone as well."""
        return self._try(exclusive=True)

    def try_shared(self) -> bool:
        """Hold it together with others, if nobody holds it alone."""
        return self._try(exclusive=False)

    def _try(self, *, exclusive: bool) -> bool:
        if sys.platform == "win32":
            raise ConfigError(NO_EMBEDDED_SERVER_HERE)
        import fcntl

        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
