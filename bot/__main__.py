"""The command line: parses, configures logging, turns our errors into one line and an exit status."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import shlex
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from bot.config import configure_logging, settings
from bot.core.errors import ConfigError, ContentError, TorchquizError


class RunCommand(click.Command):
    """A command whose help lists the fields of its JSON object."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The fields below the options."""
        from bot.cli.run import FIELDS

        with formatter.section("Fields of --json"):
            formatter.write_dl(list(FIELDS.items()))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="torchquiz")
def cli() -> None:
    """Torchquiz teaches PyTorch where your team already talks: quizzes, leaderboards and sandboxed torch."""
    configure_logging(settings().log)


@cli.command()
@click.option("--install", default="", metavar="COMMAND", help="Install what /run needs by COMMAND, the page being up.")
def demo(install: str) -> None:
    """Play on a local web page: no token, no account.

    PORT chooses the port (8000), TORCHQUIZ_HOME the folder that keeps the scores.
    """
    from bot.cli.demo import run_demo

    _run(run_demo(settings(), lambda line: click.echo(f"  {line}"), shlex.split(install)))


@cli.command()
@click.option("--with-worker", is_flag=True, help="Also run a CPU worker for /run on this machine.")
def bot(with_worker: bool) -> None:
    """Talk on Discord and Slack, whichever has its token set.

    DISCORD_TOKEN for Discord; SLACK_BOT_TOKEN with SLACK_APP_TOKEN (or SLACK_SIGNING_SECRET) for Slack, or
    SLACK_CLIENT_ID for every workspace that installs the app (docs/slack.md). REDIS_URL names the Redis that replicas
    and workers share; without it one of our own is started.

    Behind a proxy: DISCORD_API_BASE, DISCORD_GATEWAY_URL and SLACK_API_BASE replace the platforms' own addresses. For
    many processes: DISCORD_SHARDS (0-3/8 is the first four of eight), or DISCORD_PUBLIC_KEY for interactions by HTTP.
    """
    from bot.cli.bot import run_bot

    _run(run_bot(settings(), lambda line: click.echo(f"  {line}"), with_worker=with_worker))


@cli.command()
@click.option("--json", "as_object", is_flag=True, help="Print one JSON list instead.")
def status(as_object: bool) -> None:
    """See whether everything is there: questions, store, workers, questions of the day.

    Ends with status 1 where something is wrong, and says what to do. Changes nothing.
    """
    from bot.cli.status import as_objects, findings, told

    found = _run(findings(settings()))
    click.echo(json.dumps(as_objects(found), indent=2) if as_object else told(found), nl=as_object)
    sys.exit(0 if all(each.ok for each in found) else 1)


@cli.command("discord-invite")
@click.argument("application_id")
def discord_invite(application_id: str) -> None:
    """Print the link that adds the bot to a Discord server with the few permissions it needs.

    A second link adds its commands to one person, who then has them everywhere; User Install must be ticked at
    discord.com/developers/applications, Installation.
    """
    from bot.adapters.discord.serving import invite_url

    click.echo(invite_url(application_id))
    click.echo(f"for one person: {invite_url(application_id, one_person=True)}")


@cli.command("slack-manifest")
@click.option("--url", default="", help="The public address of the bot, for HTTP instead of Socket Mode.")
@click.option("--distributed", is_flag=True, help="For an app that other workspaces install by OAuth; needs --url.")
def slack_manifest(url: str, distributed: bool) -> None:
    """Print the Slack app manifest, to paste at api.slack.com/apps."""
    from bot.adapters.slack.manifest import manifest
    from bot.app.commands import COMMANDS

    if distributed and not url:
        raise click.UsageError("--distributed needs --url: Slack sends people back there once they have installed.")
    click.echo(manifest(COMMANDS, url, distributed=distributed), nl=False)


@cli.command("slack-key")
def slack_key() -> None:
    """Print a new key for SLACK_INSTALLATION_KEYS, which encrypts the tokens of workspaces where they rest."""
    from cryptography.fernet import Fernet

    click.echo(Fernet.generate_key().decode())


@cli.command()
@click.option("--name", default=None, help="Who you play as; default: your login name.")
def chat(name: str | None) -> None:
    """Play in the terminal, or from a script on standard input.

    One line is one message. /as NAME switches player; a letter or !N presses a button of the last card. Uses the store
    and the worker of a running demo, and starts its own when none runs.
    """
    from bot.cli.chat import run_chat

    _run(run_chat(settings(), name or _login(), lambda line: click.echo(f"  {line}", err=True)))


@cli.command(cls=RunCommand)
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_object", is_flag=True, help="Print the result as one JSON object, whatever the outcome.")
@click.option("--gpu", is_flag=True, help="Run it on a GPU worker of REDIS_URL; none is started for it.")
@click.option("--files", "folder", type=click.Path(file_okay=False, path_type=Path), help="Save returned files there.")
def run(file: Any, as_object: bool, gpu: bool, folder: Path | None) -> None:
    """Run the snippet in FILE (- for standard input) in the sandbox.

    Ctrl-C cancels it. Exit status: 0 the snippet succeeded, 1 it did not, 130 it was cancelled.
    """
    from bot.cli import run as runner
    from bot.core.runs import MAX_SOURCE_BYTES, Capability, Outcome, RunResult

    raw = file.read(MAX_SOURCE_BYTES + 1)
    problem = ""
    if len(raw) > MAX_SOURCE_BYTES:
        problem = f"The snippet is larger than {MAX_SOURCE_BYTES // 1024} KiB, the most a run takes."
    elif not raw.strip():
        problem = "The snippet is empty."
    if problem and not as_object:
        raise click.ClickException(problem)
    if problem:
        result = RunResult(Outcome.REFUSED, error=problem)
    else:
        on = Capability.GPU if gpu else Capability.CPU
        listener = (lambda text: None) if as_object else _echo
        result = _run(runner.run_snippet(settings(), raw.decode("utf-8", "replace"), listener, on))
    if folder:
        for path in runner.save(result, folder):
            click.echo(f"saved {path}", err=True)
    if as_object:
        click.echo(runner.as_json(result))
    else:
        if result.error:
            click.echo(result.error.rstrip(), err=True)
        click.echo(runner.summary(result), err=True)
    sys.exit({Outcome.OK: 0, Outcome.CANCELLED: 130}.get(result.outcome, 1))


@cli.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def worker(arguments: tuple[str, ...]) -> None:
    """Run PyTorch snippets from the queue (see `torchquiz worker --help`)."""
    os.execv(sys.executable, [sys.executable, "-m", "workers", *arguments])  # noqa: S606  the bot never imports workers


@cli.group()
def content() -> None:
    """Work on the question bank."""


_FOLDER = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The bank; default: TORCHQUIZ_CONTENT, else the one that comes along.",
)


@content.command()
@_FOLDER
@click.option("--no-proofs", is_flag=True, help="Only read and lint; run nothing.")
@click.option("--changed", is_flag=True, help="Run only what differs from proved.json.")
@click.option("--record", is_flag=True, help="Write what ran to proved.json when nothing is wrong.")
@click.option("--json", "as_object", is_flag=True, help="Print one JSON object: what is where, and what is wrong.")
def check(folder: Path | None, no_proofs: bool, changed: bool, record: bool, as_object: bool) -> None:
    """Read the bank, lint it, and run every proof and sample in the sandbox.

    Each proof must hold from two seeds, and a new one must fail with any of its asserts negated. Exits with 1 and a
    list of findings when anything is wrong. The JSON object says of each id its file, kind, topic, difficulty, what
    became of its proof (ok, failed, recorded, not run; null where it has none) and on which torch.
    """
    from bot.cli.content import Check, check_bank

    wanted = Check(proofs=not no_proofs, changed=changed, record=record, as_object=as_object)
    sys.exit(_run(check_bank(settings(), _bank_folder(folder), wanted)))


@content.command()
@click.argument("kind")
def new(kind: str) -> None:
    """Print an example of KIND to start from."""
    from bot.bank.authoring import example
    from bot.bank.load import FOLDER
    from bot.core.kinds import KINDS

    if kind not in KINDS:
        raise click.ClickException(f"There is no kind {kind!r}; the kinds are {', '.join(KINDS)}.")
    click.echo(example(kind, FOLDER), nl=False)


@content.command()
def schema() -> None:
    """Print a JSON Schema of bank files, for editors."""
    import json

    from bot.bank.authoring import schema as described

    click.echo(json.dumps(described(), indent=1, ensure_ascii=False))


@content.command()
@_FOLDER
def pictures(folder: Path | None) -> None:
    """Draw the pictures of formulas that are missing or older than their `latex`."""
    from bot.cli.pictures import draw_pictures

    click.echo(_run(draw_pictures(settings(), _bank_folder(folder))))


@content.command()
@_FOLDER
@click.option("--as", "surface", default="text", show_default=True, help="text, web, discord or slack.")
@click.option("--json", "as_object", is_flag=True, help="Print what is sent, as one JSON object by card.")
@click.argument("item")
def preview(folder: Path | None, surface: str, as_object: bool, item: str) -> None:
    """Show every card of ITEM as a surface will show it: all sides, and the verdict on each option."""
    from bot.cli.preview import preview_item

    click.echo(_run(preview_item(_bank_folder(folder), item, surface, as_json=as_object)))


@content.command()
@_FOLDER
@click.option(
    "--to", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="NAME.apkg or NAME.csv"
)
@click.argument("words", nargs=-1)
def export(folder: Path | None, path: Path, words: tuple[str, ...]) -> None:
    """Export what all WORDS name (a kind, a topic, the beginning of an id) to Anki or CSV."""
    from bot.cli.exchange import export_items

    click.echo(export_items(_bank_folder(folder), path, words))


@content.command("import")
@click.option("--quiz", type=click.IntRange(min=1), required=True, help="The number of the new quiz.")
@click.option("--title", required=True, help="Its title.")
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The new YAML file."
)
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(quiz: int, title: str, target: Path, source: Path) -> None:
    """Turn multiple-choice questions from a CSV file into a quiz file, checked like every other."""
    from bot.cli.exchange import import_questions

    click.echo(import_questions(source, target, quiz, title))


def _bank_folder(folder: Path | None) -> Path:
    from bot.bank.load import FOLDER

    return folder or settings().content or FOLDER


def _echo(text: str) -> None:
    click.echo(text, nl=False)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "you"


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def main() -> None:
    """Run the command line. Our own errors become one line and exit status 1."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ConfigError, ContentError, TorchquizError) as error:
        click.echo(f"torchquiz: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)


if __name__ == "__main__":
    main()
