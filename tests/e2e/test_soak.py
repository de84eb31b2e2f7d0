"""The soak in small: every kind of run, and nothing left of any."""

from __future__ import annotations

import pytest

from tests.e2e.soak import KINDS, soaked


@pytest.mark.timeout(240)
async def test_forty_mixed_runs_end_as_they_must_and_leave_nothing_behind() -> None:
    report = await soaked(40, seconds=4.0)  # so much that a busy machine decides nothing

    assert report.clean, str(report)
    assert report.ended.total() == 40
    assert len(report.ended) >= len(KINDS) - 2
