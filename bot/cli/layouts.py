"""What the platforms draw from a payload, as lines of text. Reads only the payload, so that nothing is shown here that
is not sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_DISCORD_ROOM = 4000
_SLACK_ROOM = 50


def discord(body: Json) -> str:
    """A message of Components V2: Markdown as it is sent, then pictures, buttons and menus where they stand."""
    parts = body["components"][0]["components"]
    used = sum(len(part["content"]) for part in parts if part["type"] == 10)
    lines = [line for part in parts for line in _component(part)]
    return "\n".join([*lines, f"── {used} of {_DISCORD_ROOM} characters"])


def _component(part: Json) -> Iterator[str]:
    match part["type"]:
        case 10:
            yield part["content"]
        case 12:
            for item in part["items"]:
                yield f"[picture {item['media']['url']}: {item['description']}]"
        case 13:
            yield f"[file {part['file']['url']}]"
        case 1:
            yield "  ".join(_pressable(each) for each in part["components"])


def _pressable(part: Json) -> str:
    if part["type"] == 3:
        return f"[{part['placeholder']} ▾]"
    return f"({part['label']})" if part.get("disabled") else f"[{part['label']}]"


def slack(body: Json) -> str:
    """A message of Block Kit: its words with the marks of their styles, then buttons where they stand."""
    blocks = body["blocks"]
    lines = [line for block in blocks for line in _block(block)]
    return "\n".join([*lines, f"── {len(blocks)} of {_SLACK_ROOM} blocks"])


def _block(block: Json) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield f"# {block['text']['text']}"
        case "context":
            yield from (f"({element['text']})" for element in block["elements"])
        case "actions":
            yield "  ".join(f"[{(each.get('text') or each['placeholder'])['text']}]" for each in block["elements"])
        case "rich_text":
            for element in block["elements"]:
                yield from _rich(element)


def _rich(element: Json) -> Iterator[str]:
    match element["type"]:
        case "rich_text_section":
            yield "".join(map(_styled, element["elements"]))
        case "rich_text_preformatted":
            words = "".join(each["text"] for each in element["elements"])
            yield from (f"    {line}" for line in words.splitlines())
        case "rich_text_list":
            for number, item in enumerate(element["elements"], 1 + element.get("offset", 0)):
                lead = f"{number}." if element["style"] == "ordered" else "•"
                yield f"{lead} {''.join(map(_styled, item['elements']))}"


def _styled(element: Json) -> str:
    style = element.get("style", {})
    mark = "`" if style.get("code") else "*" if style.get("bold") else "_" if style.get("italic") else ""
    return _marked(element["text"], mark)


def web(card: Json) -> str:
    """A card of the page."""
    lines = [line for block in card["blocks"] for line in _drawn(block)]
    buttons = "  ".join(f"[{each['label']}]" if each["enabled"] else f"({each['label']})" for each in card["buttons"])
    return "\n".join([*lines, *([buttons] if buttons else [])])


def _drawn(block: Json) -> Iterator[str]:
    match block["kind"]:
        case "heading":
            yield f"# {block['text']}"
        case "note":
            yield f"({block['text']})"
        case "text":
            yield _line(block["line"])
        case "bullets":
            yield from (
                f"{f'{at}.' if block['numbered'] else '•'} {_line(e)}" for at, e in enumerate(block["items"], 1)
            )
        case "code":
            if block["title"]:
                yield _line([{"text": block["title"], "style": "strong"}])
            yield from (f"    {line}" for line in block["source"].splitlines())
        case "choices":
            for choice in block["choices"]:
                mark = f"  ({choice['mark']})" if choice["mark"] else ""
                yield f"{choice['letter']}. {_line(choice['line'])}{mark}"
        case "table":
            yield from (" | ".join(row) for row in (block["columns"], *block["rows"]))
        case "files":
            yield from (f"[picture {file['name']}: {file['alt']}]" for file in block["files"])


def _line(spans: list[Json]) -> str:
    marks = {"code": "`", "strong": "**", "emphasis": "*"}
    return "".join(_marked(each["text"], marks.get(each.get("style", ""), "")) for each in spans)


def _marked(text: str, mark: str) -> str:
    """The text between marks, a space at its end behind them."""
    words = text.rstrip()
    return f"{mark}{words}{mark}{text[len(words) :]}" if words else text
