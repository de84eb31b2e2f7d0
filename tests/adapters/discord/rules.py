"""Discord's documented limits as the other side checks them; written without a look at our own constants."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]
EPHEMERAL, V2 = 1 << 6, 1 << 15
COMMAND_NAME = re.compile(r"[a-z0-9_-]{1,32}")


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def message_problems(message: Json, files: Mapping[str, int] | None = None) -> Iterator[str]:
    """What Discord would refuse in a message; `files` are names and sizes of what is uploaded with it."""
    files = files or {}
    if message.get("allowed_mentions") != {"parse": []}:
        yield "mentions are allowed"
    if not int(message.get("flags") or 0) & V2:
        yield "not a message of Components V2"
    if message.get("content") or message.get("embeds"):
        yield "content or embeds beside Components V2"
    yield from components_problems(message.get("components") or [])
    yield from _files_problems(message, files)


def components_problems(components: Sequence[Json]) -> Iterator[str]:
    """What Discord would refuse in the components of a message."""
    everything = list(walk(components))
    if not everything:
        yield "an empty message"
    if len(everything) > 40:
        yield f"{len(everything)} components"
    text = sum(utf16(part["content"]) for part in everything if part["type"] == 10)
    if text > 4000:
        yield f"{text} characters of text"
    ids = [part["custom_id"] for part in everything if "custom_id" in part]
    if len(ids) != len(set(ids)):
        yield "the same custom_id twice"
    numbers = [part["id"] for part in everything if part.get("id")]
    if len(numbers) != len(set(numbers)) or not all(0 < number < 2**31 for number in numbers):
        yield f"component ids {numbers}"
    for part in everything:
        yield from _PROBLEMS[part["type"]](part)


def walk(components: Sequence[Json]) -> Iterator[Json]:
    for part in components:
        yield part
        yield from walk(part.get("components") or [])


def _container(part: Json) -> Iterator[str]:
    if not part["components"]:
        yield "an empty container"
    for inner in part["components"]:
        if inner["type"] not in (1, 10, 12, 13, 14):
            yield f"component {inner['type']} in a container"


def _row(part: Json) -> Iterator[str]:
    kinds = [inner["type"] for inner in part["components"]]
    if kinds != [3] and not (kinds and set(kinds) == {2} and len(kinds) <= 5):
        yield f"a row of {kinds}"


def _button(part: Json) -> Iterator[str]:
    yield from _between("a button's label", part["label"], 1, 80)
    yield from _between("a custom_id", part["custom_id"], 1, 100)
    if part["style"] not in (1, 2, 3, 4):
        yield "a style that buttons do not have"


def _select(part: Json) -> Iterator[str]:
    yield from _between("a custom_id", part["custom_id"], 1, 100)
    yield from _between("a placeholder", part.get("placeholder", "x"), 1, 150)
    options = part["options"]
    if not 1 <= len(options) <= 25:
        yield f"a select of {len(options)} options"
    values = [option["value"] for option in options]
    if len(values) != len(set(values)):
        yield "the same value twice in a select"
    for option in options:
        for key in ("label", "value", "description"):
            if key in option:
                yield from _between(f"an option's {key}", option[key], 1, 100)


def _text(part: Json) -> Iterator[str]:
    if not part["content"].strip():
        yield "an empty text"
    yield from _between("a text", part["content"], 1, 4000)


def _gallery(part: Json) -> Iterator[str]:
    if not 1 <= len(part["items"]) <= 10:
        yield f"a gallery of {len(part['items'])}"
    for item in part["items"]:
        if not item["media"]["url"].startswith("attachment://"):
            yield "a picture from elsewhere"
        yield from _between("alt text", item.get("description", ""), 1, 1024)


def _file(part: Json) -> Iterator[str]:
    if not part["file"]["url"].startswith("attachment://"):
        yield "a file from elsewhere"


def _nothing(part: Json) -> Iterator[str]:
    yield from ()


_PROBLEMS = {17: _container, 1: _row, 2: _button, 3: _select, 10: _text, 12: _gallery, 13: _file, 14: _nothing}


def _files_problems(message: Json, files: Mapping[str, int]) -> Iterator[str]:
    described = {entry["filename"]: entry for entry in message.get("attachments") or [] if "filename" in entry}
    if len(files) > 10:
        yield f"{len(files)} files"
    if any(size > 10 * 2**20 for size in files.values()) or sum(files.values()) > 25 * 2**20:
        yield "files too large"
    for name in files:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            yield f"a file name that Discord changes: {name!r}"
        if name not in described or not 1 <= len(described[name].get("description") or "") <= 1024:
            yield f"no alt text for {name}"
    named = []
    for part in walk(message.get("components") or []):
        named += [item["media"]["url"] for item in part.get("items", [])]
        named += [part["file"]["url"]] if "file" in part else []
    for url in named:
        if url.removeprefix("attachment://") not in files:
            yield f"{url} is not uploaded"
    if "attachments" in message and sorted(files) != sorted(url.removeprefix("attachment://") for url in named):
        yield "a file that no component shows"


def modal_problems(modal: Json) -> Iterator[str]:
    """What Discord would refuse in a modal."""
    yield from _between("a modal's custom_id", modal["custom_id"], 1, 100)
    yield from _between("a modal's title", modal["title"], 1, 45)
    if not 1 <= len(modal["components"]) <= 5:
        yield f"a modal of {len(modal['components'])} components"
    ids = []
    for label in modal["components"]:
        if label["type"] != 18:
            yield "a component of a modal that is no label"
        yield from _between("a field's label", label["label"], 1, 45)
        box = label["component"]
        ids.append(box["custom_id"])
        yield from _between("a field's custom_id", box["custom_id"], 1, 100)
        yield from _between("a field's value", box.get("value", ""), 0, box.get("max_length", 4000))
        if not 1 <= box.get("max_length", 4000) <= 4000:
            yield "a field's max_length"
    if len(ids) != len(set(ids)):
        yield "the same field twice"


def thread_problems(thread: Json) -> Iterator[str]:
    """What Discord would refuse in a thread that is begun from a message."""
    yield from _between("a thread's name", thread["name"], 1, 100)
    if thread.get("auto_archive_duration") not in (None, 60, 1440, 4320, 10080):
        yield "a thread's auto_archive_duration"


def commands_problems(commands: Sequence[Json]) -> Iterator[str]:
    """What Discord would refuse in the commands of an app."""
    for kind, most in ((1, 100), (2, 15), (3, 15)):
        if sum(command.get("type", 1) == kind for command in commands) > most:
            yield f"more than {most} commands of type {kind}"
    for command in commands:
        if command.get("type", 1) != 1:
            yield from _between("a name", command["name"], 1, 32)
            if "description" in command or "options" in command:
                yield "a description of a command in a menu"
            continue
        if not COMMAND_NAME.fullmatch(command["name"]):
            yield f"a command named {command['name']!r}"
        yield from _between("a description", command["description"], 1, 100)
        options = command.get("options") or []
        if len(options) > 25:
            yield "too many options"
        total = len(command["name"]) + len(command["description"])
        for option in options:
            if not COMMAND_NAME.fullmatch(option["name"]):
                yield f"an option named {option['name']!r}"
            yield from _between("a description", option["description"], 1, 100)
            choices = option.get("choices") or []
            if len(choices) > 25 or (choices and option.get("autocomplete")):
                yield "choices"
            for choice in choices:
                yield from _between("a choice", choice["name"], 1, 100)
            total += len(option["name"]) + len(option["description"])
            total += sum(len(choice["name"]) + len(choice["value"]) for choice in choices)
        if total > 8000:
            yield f"a command of {total} characters"


def _between(what: str, text: str, least: int, most: int) -> Iterator[str]:
    if not least <= utf16(text) <= most:
        yield f"{what} of {utf16(text)} characters"
