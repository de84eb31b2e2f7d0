"""Who is an admin of a workspace, asked of Slack only where that decides something."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from bot.adapters.slack.api import Api
from bot.core.ids import Tenant, UserId

KEPT_SECONDS = 300.0
"""How long an answer holds: so long a new admin may have to wait, and one who no longer is may go on."""
MAX_KEPT = 10_000
_ROLES = ("is_admin", "is_owner", "is_primary_owner")


class People:
    """Admins and owners, as Slack says. `now` gives seconds since 1970."""

    def __init__(self, api: Api, now: Callable[[], float]) -> None:
        self._api = api
        self._now = now
        self._kept: OrderedDict[tuple[Tenant, UserId], tuple[bool, float]] = OrderedDict()

    async def is_admin(self, tenant: Tenant, user: UserId) -> bool:
        """Whether someone is an admin or owner of the workspace. Raises RefusedError and Unavailable when Slack does
        not say."""
        known, until = self._kept.get((tenant, user), (False, 0.0))
        if until > self._now():
            return known
        person = await self._api.person(tenant, user)
        known = any(person.get(role) is True for role in _ROLES) and person.get("deleted") is not True
        self._kept[tenant, user] = (known, self._now() + KEPT_SECONDS)
        self._kept.move_to_end((tenant, user))
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return known
