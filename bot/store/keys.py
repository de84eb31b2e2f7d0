"""Every Redis key and lifetime.

Prefix ``q1`` is schema 1. All keys of a tenant carry its hash tag ``{tenant}``, so that they share one cluster slot and
one script may touch them all. Only the tenant stands before the first closing brace: braces in an id are escaped.
"""

from __future__ import annotations

import hashlib
import re

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


def of(tenant: str, *parts: str) -> str:
    """A key of `tenant`; the parts are joined as they are."""
    return ":".join((PREFIX, "{" + part(tenant) + "}", *parts))


def practice(tenant: str, user: str) -> str:
    """Hash of a person's practice: ``n:<quiz>`` round, ``a:<item>`` answer, ``r:<item>`` once right, ``days``. Kept."""
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


def probe(token: str) -> str:
    """String that the start-up check writes and reads; `PROBE_LIFETIME_MS`."""
    return f"{PREFIX}:probe:{part(token)}"


def once(key: str) -> str:
    """String: a delivery that was handled, by a digest of its name. Lives as long as its platform may repeat it."""
    return f"{PREFIX}:once:{hashlib.blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def rate(bucket: str) -> str:
    """String: when a shared rate allows its next action. Lives a second longer than it matters."""
    return f"{PREFIX}:rate:{{{part(bucket)}}}"
