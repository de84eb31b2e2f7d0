"""Schedules as JSON, and the names of work in a shard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from bot.core.daily import Task
from bot.core.ids import ChannelId, Tenant, UserId
from bot.core.schedule import Content, Mode, Schedule, ScheduleId

SEPARATOR = "\x1f"
"""Stands in no id: `keys.part` refuses control characters."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def document(schedule: Schedule) -> str:
    """A schedule as JSON, without its version."""
    content = schedule.content
    return json.dumps(
        {
            "id": schedule.id,
            "tenant": schedule.tenant,
            "channel": schedule.channel,
            "zone": schedule.zone,
            "at": f"{schedule.at:%H:%M}",
            "closes": f"{schedule.closes:%H:%M}",
            "weekdays": schedule.weekdays,
            "content": {
                "quizzes": content.quizzes,
                "courses": content.courses,
                "topics": content.topics,
                "kinds": content.kinds,
                "in_order": content.in_order,
                "together": content.together,
            },
            "mode": schedule.mode.value,
            "holidays": sorted(map(date.isoformat, schedule.holidays)),
            "skipped": sorted(map(date.isoformat, schedule.skipped)),
            "paused": schedule.paused,
            "resumes": schedule.resumes.isoformat() if schedule.resumes else None,
            "early": schedule.early.isoformat() if schedule.early else None,
            "since": schedule.since.isoformat(),
            "planner": schedule.planner,
        },
        ensure_ascii=True,
        separators=(",", ":"),
    )


def schedule_of(text: str, version: int) -> Schedule:
    """A schedule from JSON."""
    read: Mapping[str, Any] = json.loads(text)
    content: Mapping[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in read["content"].items()
    }
    return Schedule(
        id=ScheduleId(read["id"]),
        tenant=Tenant(read["tenant"]),
        channel=ChannelId(read["channel"]),
        zone=read["zone"],
        at=time.fromisoformat(read["at"]),
        closes=time.fromisoformat(read["closes"]),
        weekdays=tuple(read["weekdays"]),
        content=Content(**content),
        mode=Mode(read["mode"]),
        holidays=frozenset(map(date.fromisoformat, read["holidays"])),
        skipped=frozenset(map(date.fromisoformat, read["skipped"])),
        paused=read["paused"],
        resumes=date.fromisoformat(read["resumes"]) if read["resumes"] else None,
        early=date.fromisoformat(read["early"]) if read["early"] else None,
        since=datetime.fromisoformat(read["since"]),
        version=version,
        planner=UserId(read.get("planner", "")),
    )


def held(value: bytes) -> Schedule:
    """A schedule as the store holds it: version and JSON."""
    version, _, text = value.decode().partition(SEPARATOR)
    return schedule_of(text, int(version))


def member(tenant: Tenant, channel: ChannelId, schedule: ScheduleId, task: Task, day: date | None) -> str:
    """The name of an item of work. A post is named without its day: there is one in hand at a time."""
    named = "" if task is Task.POST or day is None else compact(day)
    return SEPARATOR.join((tenant, channel, schedule, task.value + named))


def compact(day: date) -> str:
    """``20261122``."""
    return f"{day:%Y%m%d}"


def day_of(text: str) -> date | None:
    """A compact date; None for ``-`` and for nothing."""
    return date.fromisoformat(text) if text not in ("", "-") else None


def ms(moment: datetime | None) -> str:
    """Milliseconds since 1970; empty for None."""
    return "" if moment is None else str((moment - _EPOCH) // timedelta(milliseconds=1))


def moment(ms: str | float | bytes) -> datetime:
    """The moment of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=int(ms))
