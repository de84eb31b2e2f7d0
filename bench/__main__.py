"""`make bench`: prints every ratio beside its target; `--json PATH` also writes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import click

from bench import (
    answer_path,
    clone,
    content,
    daily,
    discord_acks,
    discord_flood,
    memory,
    queue,
    run,
    sandbox,
    slack_acks,
)

MEASURES: Mapping[str, Callable[[], Coroutine[Any, Any, dict[str, float]]]] = {
    "answer_path": answer_path.measure,
    "daily": daily.measure,
    "memory": memory.measure,
    "queue": queue.measure,
    "sandbox": sandbox.measure,
    "run": run.measure,
    "content": content.measure,
    "discord_acks": discord_acks.measure,
    "discord_flood": discord_flood.measure,
    "slack_acks": slack_acks.measure,
    "clone": clone.measure,
}

TARGETS: Mapping[str, str] = {
    "answer_path_ratio": ">= 0.85",
    "answer_path_round_trips": "= 1",
    "daily_fanout_ratio": "<= 1.1",
    "daily_redis_us_per_post": "<= 100",
    "daily_bytes_per_answer": "<= 25",
    "daily_fanout_doubled": "= 0",
    "daily_clicks_unanswered": "= 0",
    "daily_clicks_lost": "= 0",
    "daily_clicks_doubled": "= 0",
    "daily_board_cpu_ratio_1m": "<= 1.25",
    "memory_answer_ratio": ">= 0.95",
    "memory_bytes_per_card": "<= 60",
    "content_read_seconds": "<= 1.0",
    "content_check_speedup": ">= 15",
    "queue_round_trip_p50_ratio": "<= 1.5",
    "queue_round_trip_to_pydocket": "<= 0.35",
    "queue_everysec_round_trip_p50_ratio": "<= 1.5",
    "queue_everysec_round_trip_to_pydocket": "<= 0.35",
    "sandbox_first_output_p50_speedup": ">= 500",
    "sandbox_first_output_p95_speedup": ">= 250",
    "sandbox_result_with_files_speedup": ">= 100",
    "sandbox_burst_no_spare_speedup": ">= 25",
    "sandbox_runs_per_second_speedup": ">= 15",
    "sandbox_fork_bomb_reaped_p50_ms": "<= 300",
    "sandbox_idle_spare_private_mib": "<= 10",
    "run_speedup": ">= 25",
    "run_added_by_redis_p50_ms": "<= 30",
    "run_worker_family_pss_mib": "<= 320",
    "discord_ack_cpu_ratio": "<= 1.25",
    "discord_unacknowledged": "= 0",
    "discord_ack_p99_flooded_ratio": "<= 1.5",
    "slack_socket_ack_cpu_ratio": "<= 1.25",
    "slack_http_ack_cpu_ratio": "<= 1.25",
    "slack_socket_ack_p50_ms": "<= 1.0",
    "slack_http_ack_p50_ms": "<= 1.0",
    "slack_unacknowledged": "= 0",
    "clone_to_page_seconds": "<= 30",
    "clone_to_run_seconds": "<= 120",
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(MEASURES)))
@click.option("--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures there.")
def main(names: tuple[str, ...], path: Path | None) -> None:
    """Measure NAMES (all by default)."""
    figures: dict[str, float] = {}
    for name in names or MEASURES:
        print(f"== {name}", flush=True)
        measured = asyncio.run(MEASURES[name]())
        for key, value in measured.items():
            print(f"  {key:34} {value:>14,.3f}   {TARGETS.get(key, '')}", flush=True)
        figures |= measured
    if path:
        path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
