"""Sandbox backends by name. To add one: a file here that keeps the promise of base.py, and a line below."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.sandbox.base import Sandbox
from workers.sandbox.bubblewrap import BubblewrapSandbox

BACKENDS: Mapping[str, Callable[[], Sandbox]] = {
    "bubblewrap": BubblewrapSandbox,
}
