"""Which date it is for someone: by the zone of their channel's question of the day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.core.ids import Caller, ChannelId, Tenant
from bot.ports import Clock, Schedules

FRESH = timedelta(minutes=1)
"""A zone that was changed holds after this; a click need not ask the store."""
_TENANTS = 4096


class LocalDays:
    """Dates. A channel without a schedule follows the first one of its team, and a team without any the bot's zone."""

    def __init__(self, clock: Clock, zone: ZoneInfo, schedules: Schedules | None = None) -> None:
        self.clock = clock
        self.zone_name = zone.key
        self._zone = zone
        self._schedules = schedules
        self._known: dict[Tenant, tuple[datetime, Mapping[ChannelId, ZoneInfo]]] = {}

    async def today(self, caller: Caller) -> date:
        """The date where the caller is. Raises Unavailable."""
        now = self.clock.now()
        zones = await self._zones(caller.tenant, now)
        first = next(iter(zones.values()), self._zone)
        return now.astimezone(zones.get(caller.channel, first)).date()

    async def team_zone(self, tenant: Tenant) -> ZoneInfo:
        """One zone for whatever belongs to a person and not to a channel. Raises Unavailable."""
        return next(iter((await self._zones(tenant, self.clock.now())).values()), self._zone)

    async def _zones(self, tenant: Tenant, now: datetime) -> Mapping[ChannelId, ZoneInfo]:
        if self._schedules is None:
            return {}
        if (known := self._known.get(tenant)) and timedelta(0) <= now - known[0] < FRESH:
            return known[1]
        zones: dict[ChannelId, ZoneInfo] = {}
        for each in await self._schedules.of_tenant(tenant):
            zones.setdefault(each.channel, ZoneInfo(each.zone))
        if len(self._known) >= _TENANTS:
            self._known.clear()
        self._known[tenant] = now, zones
        return zones
