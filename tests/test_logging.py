"""What the log shows of an error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from bot.config import configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_the_log_of_an_error_shows_where_and_why_and_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    try:
        source = "print(" + "'code of a person')"
        raise RuntimeError(f"failed on {len(source)} characters")
    except RuntimeError:
        structlog.get_logger().exception("run.failed", run="r1")

    printed = capsys.readouterr().err
    assert "RuntimeError: failed on 25 characters" in printed
    assert "test_logging.py" in printed
    assert "print('code of a person')" not in printed
