"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Speed is measured by `make bench`, never by a test: a busy machine must not fail one.
settings.register_profile("torchquiz", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("torchquiz")
