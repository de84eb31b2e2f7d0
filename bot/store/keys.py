"""Every Redis key and lifetime.

Prefix ``q1`` is schema 1. All keys of a tenant carry its hash tag ``{tenant}``, so that they share one cluster slot and
one script may touch them all. Only the tenant stands before the first closing brace: braces in an id are escaped.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date, timedelta
from functools import lru_cache

PREFIX = "q1"
META = f"{PREFIX}:meta"
"""Hash: ``schema``, the version of the data. Kept."""
SIGNING_KEY = f"{PREFIX}:signing-key"
"""String: the key that signs button ids, shared by all replicas. Kept."""

LOG_LIFETIME_MS = 30 * 24 * 3600 * 1000
"""How long an answer stays in the tenant's log, in milliseconds (trimmed approximately)."""
PROBE_LIFETIME_MS = 10_000
"""How long the write probe of the start-up check may live, in milliseconds."""

TENANT_SCOPE = "t"
"""The scope of the whole tenant's boards; every other scope is a channel's id."""


def topic_scope(topic: str) -> str:
    """The scope of a topic's boards: no channel has a colon in its id."""
    return f"topic:{topic}"


MAX_ID = 200
"""Longest id in characters; the longest of a platform is about 20."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:@+/=-]{1,200}")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def part(name: str) -> str:
    """`name` as it appears in keys: braces and percent signs escaped. ValueError when it cannot be an id."""
    if _PLAIN.fullmatch(name):
        return name
    if not name or len(name) > MAX_ID or _FORBIDDEN.search(name):
        raise ValueError(f"not an id: {name!r:.80}")
    return name.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")


def whole(part: str) -> str:
    """The name that appears in keys as `part`."""
    return part.replace("%7B", "{").replace("%7D", "}").replace("%25", "%")


def of(tenant: str, *parts: str) -> str:
    """A key of `tenant`; the parts are joined as they are."""
    return _tagged(tenant) + ":".join(parts)


@lru_cache(maxsize=4096)
def _tagged(tenant: str) -> str:
    return f"{PREFIX}:{{{part(tenant)}}}:"


def practice(tenant: str, user: str) -> str:
    """Hash of a person's practice: ``n:<quiz>`` round, ``a:<item>`` answer, ``r:<item>`` once right, ``days``,
    ``m`` answers of this minute. Kept."""
    return of(tenant, "pr", part(user))


def names(tenant: str) -> str:
    """Hash user -> display name as last seen. Kept."""
    return of(tenant, "names")


def log(tenant: str) -> str:
    """Stream of recorded answers, oldest trimmed after `LOG_LIFETIME_MS`."""
    return of(tenant, "log")


def board(tenant: str, scope: str, label: str) -> str:
    """Sorted set user -> score; `scope` is `TENANT_SCOPE` or a channel. EXPIREAT of its bucket."""
    return of(tenant, "lb", part(scope), part(label))


def totals(tenant: str, label: str) -> str:
    """Hash channel -> points that its people earned in a period. EXPIREAT of its bucket."""
    return of(tenant, "tm", part(label))


def probe(token: str) -> str:
    """String that the start-up check writes and reads; `PROBE_LIFETIME_MS`."""
    return f"{PREFIX}:probe:{part(token)}"


def once(key: str) -> str:
    """String: a delivery that was handled, by a digest of its name. Lives as long as its platform may repeat it."""
    return f"{PREFIX}:once:{hashlib.blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def rate(bucket: str) -> str:
    """String: when a shared rate allows its next action. Lives a second longer than it matters."""
    return f"{PREFIX}:rate:{{{part(bucket)}}}"


INSTALLATIONS = f"{PREFIX}:{{slack}}:installations"
"""Hash tenant -> encrypted record of a Slack workspace that installed the app. Kept until it leaves."""
LEFT = f"{PREFIX}:{{slack}}:left"
"""Sorted set of tenants that left, by when they are erased, in seconds since 1970."""
LEFT_LIFETIME = timedelta(days=30)
"""How long the scores of a workspace that left are kept, in case it comes back."""

SHARDS = 16
"""Schedules and work that is due are spread over this many shards for each platform; each is one cluster slot."""
POST_LIFETIME = timedelta(days=400)
"""How long a question of the day and its answers are kept."""
TODAY_LIFETIME = timedelta(days=15)
"""How long it is kept which questions a team had on a date."""
DRAFT_SECONDS = 24 * 3600
"""How long a schedule may wait to be confirmed."""
AUDIT_LENGTH = 1000
"""How many actions of admins are kept for each team, approximately."""


def post(tenant: str, post: str) -> str:
    """Hash of a question of the day, `POST_LIFETIME`: ``what``, ``when`` and ``where`` never change, ``right`` is a key
    that was corrected."""
    return of(tenant, "p", part(post))


def answers(tenant: str, post: str) -> str:
    """Hash user -> packed answer, the record of truth; ``:<n>`` follows where a post has several. `POST_LIFETIME`."""
    return of(tenant, "a", part(post))


def milestones(tenant: str, post: str) -> str:
    """Sorted set user -> streak length reached by answering this question; `POST_LIFETIME`."""
    return of(tenant, "ms", part(post))


def posts(tenant: str) -> str:
    """Sorted set of post ids by the time they opened, in ms. Kept."""
    return of(tenant, "ps")


def person(tenant: str, user: str) -> str:
    """Hash: ``n`` answered, ``r`` right, ``p`` points, ``t:<topic>`` right/answered, ``s:<channel>`` streak, ``m``
    answers of this minute. Kept."""
    return of(tenant, "u", part(user))


def notebook(tenant: str, user: str) -> str:
    """Hash of a person's reviews: fact -> packed card (16 bytes), ``!<n>`` sittings, ``<`` newest rating, ``#``
    activity, ``=`` first tries, ``=<topic>`` right/asked, ``~<post>`` answer to a sealed question. Kept."""
    return of(tenant, "c", part(user))


def taken_in(tenant: str) -> str:
    """Hash: ``at``, the newest entry of the log that all notebooks have taken in. Kept."""
    return of(tenant, "rv")


def channel(tenant: str, channel: str) -> str:
    """Hash: ``seq`` ordinal, ``day`` and its number of posts, ``h:<ordinal>`` holes, ``w:<schedule>`` its newest post,
    ``asked`` questions so far, which is the version of its bag, ``typ`` usual number of answers. Kept."""
    return of(tenant, "ch", part(channel))


def bag(tenant: str, channel: str) -> str:
    """Hash item -> ``round:number`` of a channel. Kept."""
    return of(tenant, "bag", part(channel))


def today(tenant: str, day: date) -> str:
    """Hash item -> when it closes in ms, and ``=<name>`` -> item for questions asked together; `TODAY_LIFETIME`."""
    return of(tenant, "td", f"{day:%Y%m%d}")


def reports(tenant: str) -> str:
    """Hash ``<post> <user>`` -> report, until it is judged. Kept."""
    return of(tenant, "rp")


def opted_out(tenant: str) -> str:
    """Set of people who are not to be recorded. Kept."""
    return of(tenant, "x")


def anonymous(tenant: str) -> str:
    """Set of people whose names others do not see on boards. Kept."""
    return of(tenant, "anon")


def of_person(tenant: str, user: str) -> tuple[str, ...]:
    """Every key that belongs to one person alone."""
    return (practice(tenant, user), person(tenant, user), notebook(tenant, user))


def draft(tenant: str, token: str) -> str:
    """String: a schedule that waits to be confirmed; `DRAFT_SECONDS`."""
    return of(tenant, "draft", part(token))


def clock(tenant: str) -> str:
    """String: by how many milliseconds the demo's clock is ahead of this machine's. Kept."""
    return of(tenant, "clock")


def shards(platform: str) -> tuple[str, ...]:
    """The shards of a platform, by the letter that its tenants begin with."""
    return tuple(f"{platform}{number}" for number in range(SHARDS))


def shard_of(tenant: str) -> str:
    """The shard of a tenant's schedules."""
    number = int.from_bytes(hashlib.blake2b(tenant.encode("utf-8", "surrogatepass"), digest_size=2).digest()) % SHARDS
    return f"{tenant[:1]}{number}"


def in_shard(shard: str, *parts: str) -> str:
    """A key of a shard: ``due`` sorted set of work by its time in ms, ``out`` hash of its state, ``sc:<tenant>`` hash
    of schedules, ``audit:<tenant>`` stream. Kept."""
    return ":".join((PREFIX, f"{{s{shard}}}", *parts))
