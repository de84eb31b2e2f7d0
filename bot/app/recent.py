"""The questions of the day of late, which practice treats apart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.app.local_days import LocalDays
from bot.core.ids import Caller, ItemId, Tenant
from bot.ports import Dailies

FRESH = timedelta(minutes=1)
"""What came since is seen after this; a click need not ask the store."""
_TENANTS = 4096


class Recent:
    """Remembers for a moment what each team was asked in the last ten days."""

    def __init__(self, days: LocalDays, dailies: Dailies) -> None:
        self._days = days
        self._dailies = dailies
        self._known: dict[Tenant, tuple[datetime, Mapping[ItemId, datetime]]] = {}

    async def items(self, caller: Caller) -> Mapping[ItemId, datetime]:
        """Each question with the moment when the last channel's closes. Raises Unavailable."""
        now = self._days.clock.now()
        if (known := self._known.get(caller.tenant)) and timedelta(0) <= now - known[0] < FRESH:
            return known[1]
        items = await self._dailies.recent_items(caller.tenant, await self._days.today(caller))
        if len(self._known) >= _TENANTS:
            self._known.clear()
        self._known[caller.tenant] = now, items
        return items
