from __future__ import annotations

from tests.redis_server import redis, redis_url, tenant

__all__ = ["redis", "redis_url", "tenant"]
