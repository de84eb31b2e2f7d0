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
_NOWHERE: Mapping[ChannelId, ZoneInfo] = {}


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
        zones = self._held(caller.tenant, now)
        if zones is None:
            zones = await self._read(caller.tenant, now)
        zone = zones.get(caller.channel) or next(iter(zones.values()), self._zone)
        return now.astimezone(zone).date()

    async def team_zone(self, tenant: Tenant) -> ZoneInfo:
        """One zone for whatever belongs to a person and not to a channel. Raises Unavailable."""
        now = self.clock.now()
        zones = self._held(tenant, now)
        if zones is None:
            zones = await self._read(tenant, now)
        return next(iter(zones.values()), self._zone)

    def _held(self, tenant: Tenant, now: datetime) -> Mapping[ChannelId, ZoneInfo] | None:
        """What was read a moment ago: every answer asks, and most need not wait."""
        if self._schedules is None:
            return _NOWHERE
        known = self._known.get(tenant)
        return known[1] if known and timedelta(0) <= now - known[0] < FRESH else None

    async def _read(self, tenant: Tenant, now: datetime) -> Mapping[ChannelId, ZoneInfo]:
        assert self._schedules is not None
        zones: dict[ChannelId, ZoneInfo] = {}
        for each in await self._schedules.of_tenant(tenant):
            zones.setdefault(each.channel, ZoneInfo(each.zone))
        if len(self._known) >= _TENANTS:
            self._known.clear()
        self._known[tenant] = now, zones
        return zones
