"""`torchquiz content check`: the whole bank read, linted and proved, with a list of what to mend."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from bot.app.proving import Claim, Prover, Ran, snippets, unknown_symbols
from bot.bank.findings import Finding
from bot.bank.lint import counts, lint
from bot.bank.load import examine
from bot.bank.record import Proved, outdated, read_record, write_record
from bot.cli.worker_process import queue_apart
from bot.config import Settings
from bot.core.bank import Bank
from bot.core.ids import ItemId


@dataclass(frozen=True, slots=True)
class Check:
    """What to check and how to tell."""

    proofs: bool = True
    changed: bool = False
    record: bool = False
    as_object: bool = False


async def check_bank(settings: Settings, folder: Path, check: Check) -> int:
    """Check the bank in `folder` and print a summary; returns the exit status."""
    bank, findings = examine(folder)
    findings += lint(bank)
    record = read_record(folder)
    ran, unknown = (await _prove(settings, bank, record, check.changed)) if check.proofs else ([], frozenset[str]())
    findings += [_failed(bank, each) for each in ran if each.problem]
    findings += [
        _at(bank, item.id, f"torch has no `{reference.symbol}`", "look for a typing mistake")
        for item in bank.items.values()
        for reference in item.references
        if reference.symbol in unknown
    ]
    if ran and not findings:
        findings += _recorded(folder, bank, ran, record, check)
    if check.as_object:
        click.echo(json.dumps(_object(bank, findings, ran, record), ensure_ascii=False, indent=1))
    else:
        _summary(bank, findings, ran)
    return 1 if findings else 0


async def _prove(
    settings: Settings, bank: Bank, record: Mapping[str, Proved], changed: bool
) -> tuple[list[Ran], frozenset[str]]:
    """What ran, and the symbols of references that torch does not have."""
    held = {key: proved.code for key, proved in record.items()}
    wanted = [each for each in snippets(bank.items.values()) if not changed or held.get(each.key) != each.digest]
    if not wanted:
        return [], frozenset()
    ran: list[Ran] = []
    async with queue_apart(settings) as queue:
        watched = sys.stderr.isatty()
        with click.progressbar(length=len(wanted), label="proofs", file=sys.stderr, hidden=not watched) as bar:
            async for each in Prover(queue, settings.spares, held.values()).prove(wanted):
                ran.append(each)
                bar.update(1)
                if not watched and len(ran) % 100 == 0:
                    click.echo(f"proofs: {len(ran)} of {len(wanted)}", err=True)
        return ran, await unknown_symbols(queue, bank.items.values())


def _failed(bank: Bank, ran: Ran) -> Finding:
    return _at(bank, ran.snippet.item, f"{ran.snippet.claim.value}: {ran.problem}")


def _at(bank: Bank, item: ItemId, problem: str, hint: str = "") -> Finding:
    file, _, line = bank.files[item].rpartition(":")
    return Finding(file, int(line), 1, item, problem, hint)


def _recorded(folder: Path, bank: Bank, ran: list[Ran], record: dict[str, Proved], check: Check) -> list[Finding]:
    now = {
        each.snippet.key: Proved(each.snippet.digest, _release(each.torch_version), each.output.rstrip())
        for each in ran
    }
    if check.changed:
        known = {each.key for each in snippets(bank.items.values())}
        now = {key: held for key, held in record.items() if key in known} | now
    if check.record:
        write_record(folder, now)
        return []
    samples = [each.snippet.key for each in ran if each.snippet.claim is Claim.SAMPLE]
    hint = "run `torchquiz content check --record`"
    return [
        Finding("proved.json", 0, 0, key, "the record does not match what ran", hint)
        for key in outdated(record, now, samples)
    ]


def _release(version: str) -> str:
    """The version without its build: the CPU and the CUDA build of a release prove the same."""
    return version.partition("+")[0]


def _summary(bank: Bank, findings: list[Finding], ran: list[Ran]) -> None:
    for finding in findings:
        click.echo(str(finding))
    of = counts(bank.items.values())
    questions = sum(len(quiz.questions) for quiz in bank.quizzes.values())
    click.echo(
        f"{questions} quiz questions, {of['flashcard']} cards, "
        f"{of['interview']} interview questions with {of['follow_up']} follow-ups, "
        f"{of['concept']} concepts, {of['formula']} formulas, {of['pattern']} patterns"
    )
    if ran:
        held = [each for each in ran if not each.problem]
        proved = sum(each.snippet.claim is Claim.PROOF for each in held)
        versions = ", ".join(sorted({_release(each.torch_version) for each in held})) or "no torch"
        click.echo(f"{proved} items with a proof that ran, {len(held) - proved} code samples, on torch {versions}")
    click.echo(f"{len(findings)} findings")


def _object(bank: Bank, findings: list[Finding], ran: list[Ran], record: Mapping[str, Proved]) -> dict[str, object]:
    outcomes = {each.snippet.item: each for each in ran if each.snippet.claim is Claim.PROOF}
    digests = {each.item: each.digest for each in snippets(bank.items.values()) if each.claim is Claim.PROOF}

    def proof(item: ItemId) -> tuple[str | None, str | None]:
        """How the proof of an item did, now or when it was recorded, and on which torch."""
        if now := outcomes.get(item):
            return ("failed" if now.problem else "ok"), _release(now.torch_version)
        if (then := record.get(item)) and then.code == digests[item]:
            return "recorded", then.proved_on
        return ("not run" if item in digests else None), None

    items = {}
    for item in bank.items.values():
        outcome, torch = proof(item.id)
        items[item.id] = {
            "file": bank.files[item.id],
            "kind": item.kind or "follow_up",
            "topic": item.topic,
            "difficulty": item.difficulty,
            "proof": outcome,
            "torch": torch,
        }
    return {"items": items, "findings": [str(finding) for finding in findings]}
