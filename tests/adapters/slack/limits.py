"""Slack's documented limits, written down a second time and apart from the code under test: what a message, a dialog
or an App Home violates. Sources: design/platforms.md section 6; slack_sdk 3.47.0 models; Block Kit reference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

TOTAL = 13_200
_BLOCKS = {"header", "rich_text", "context", "actions", "divider", "section", "input"}
_RICH = {"rich_text_section", "rich_text_list", "rich_text_preformatted"}
_MARKUP = re.compile(r"[<>]|&(?!amp;|lt;|gt;)")


def message_violations(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with a message."""
    return list(_message(body))


def view_violations(view: Mapping[str, Any]) -> list[str]:
    """What is wrong with a modal or an App Home."""
    return list(_view(view))


def metadata_violations(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with the metadata of a message: a name, and a flat object of plain values."""
    metadata = body.get("metadata")
    if metadata is None:
        return []
    payload = metadata.get("event_payload")
    if set(metadata) != {"event_type", "event_payload"} or not re.fullmatch(r"\w{1,255}", metadata["event_type"]):
        return [f"metadata {metadata}"]
    if not isinstance(payload, dict) or not all(isinstance(value, str | int | bool) for value in payload.values()):
        return [f"event_payload {payload}"]
    return []


def _message(body: Mapping[str, Any]) -> Iterator[str]:
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        yield "a message needs a fallback text"
    else:
        if len(text) > 4000:
            yield f"text of {len(text)} characters"
        if _MARKUP.search(text):
            yield f"unescaped markup in text: {text[:80]!r}"
    yield from _blocks(body.get("blocks", []), 50)
    if (total := _characters(body.get("blocks", []))) > TOTAL:
        yield f"msg_blocks_too_long: {total}"


def _view(view: Mapping[str, Any]) -> Iterator[str]:
    if view.get("type") == "modal":
        for part in ("title", "submit", "close"):
            yield from _plain(view.get(part), 24, part)
        if not 0 < len(view.get("callback_id", "")) <= 255:
            yield "callback_id"
    if len(view.get("private_metadata", "")) > 3000:
        yield "private_metadata"
    yield from _blocks(view.get("blocks", []), 100)


def _blocks(blocks: Any, most: int) -> Iterator[str]:
    if not isinstance(blocks, list) or len(blocks) > most:
        yield f"{len(blocks)} blocks"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(set(ids)) != len(ids):
        yield f"block_id twice: {ids}"
    if any(not 0 < len(id) <= 255 for id in ids):
        yield "block_id too long"
    for block in blocks:
        if block.get("type") not in _BLOCKS:
            yield f"unknown block {block.get('type')}"
        yield from _block(block)


def _block(block: Mapping[str, Any]) -> Iterator[str]:
    match block.get("type"):
        case "header":
            yield from _plain(block.get("text"), 150, "header")
        case "section":
            yield from _plain(block.get("text"), 3000, "section")
        case "context":
            if not 1 <= len(block["elements"]) <= 10:
                yield f"context of {len(block['elements'])}"
            for element in block["elements"]:
                yield from _plain(element, 2000, "context element")
        case "rich_text":
            if not block["elements"]:
                yield "empty rich_text"
            for element in block["elements"]:
                yield from _rich(element)
        case "actions":
            yield from _actions(block)
        case "input":
            yield from _plain(block.get("label"), 2000, "label")
            element = block["element"]
            most = element.get("max_length", 3000)
            if not 1 <= most <= 3000:
                yield f"max_length {most}"
            if len(element.get("initial_value", "")) > most:
                yield "initial_value is longer than max_length"
            if element.get("type") != "plain_text_input" or not element.get("action_id"):
                yield "input element"


def _rich(element: Mapping[str, Any]) -> Iterator[str]:
    if element.get("type") not in _RICH:
        yield f"unknown rich text {element.get('type')}"
        return
    if not element["elements"]:
        yield f"empty {element['type']}"
    for part in element["elements"]:
        if element["type"] == "rich_text_list":
            yield from _rich(part)
        elif part.get("type") == "date":
            good = isinstance(part["timestamp"], int) and "{" in part["format"] and part["fallback"]
            if not good or set(part) != {"type", "timestamp", "format", "fallback"}:
                yield f"date {part}"
        elif part.get("type") == "channel":
            if not re.fullmatch(r"[CDG]\w+", part.get("channel_id", "")):
                yield f"channel {part}"
        elif part.get("type") != "text":
            yield f"rich text that is no text: {part}"
        elif not isinstance(part.get("text"), str) or not part["text"]:
            yield "empty text"
        elif element["type"] == "rich_text_preformatted" and len(part["text"]) > 3000:
            yield f"preformatted of {len(part['text'])}"
        elif not _clean(part["text"]):
            yield f"invisible characters: {part['text'][:60]!r}"


def _actions(block: Mapping[str, Any]) -> Iterator[str]:
    elements = block["elements"]
    if not 1 <= len(elements) <= 25:
        yield f"{len(elements)} actions"
    ids = [element.get("action_id", "") for element in elements]
    if len(set(ids)) != len(ids) or any(not 0 < len(id) <= 255 for id in ids):
        yield f"action_ids {ids}"
    for element in elements:
        if element["type"] == "button":
            yield from _plain(element.get("text"), 75, "button")
            if not 0 < len(element.get("value", "")) <= 2000:
                yield "button value"
            if element.get("style", "primary") not in {"primary", "danger"}:
                yield "button style"
            if len(element.get("accessibility_label", "x")) > 75:
                yield "accessibility_label"
        elif element["type"] == "static_select":
            yield from _plain(element.get("placeholder"), 150, "placeholder")
            if not 1 <= len(element["options"]) <= 100:
                yield "options"
            for option in element["options"]:
                yield from _plain(option.get("text"), 75, "option")
                if "description" in option:
                    yield from _plain(option["description"], 75, "description")
                if not 0 < len(option.get("value", "")) <= 150:
                    yield "option value"
        else:
            yield f"element {element['type']}"


def _plain(text: Any, most: int, what: str) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") != "plain_text" or text.get("emoji") is not False:
        yield f"{what} is no plain text: {text}"
    elif not 0 < len(text["text"]) <= most:
        yield f"{what} of {len(text['text'])} characters"
    elif not text["text"].strip() or not _clean(text["text"]):
        yield f"{what} of nothing visible: {text['text'][:60]!r}"


def _clean(text: str) -> bool:
    return not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\x00-\x08\x0b-\x1f\x7f]", text)


def _characters(part: Any) -> int:
    if isinstance(part, list):
        return sum(map(_characters, part))
    if isinstance(part, dict):
        own = len(part["text"]) if isinstance(part.get("text"), str) else 0
        return own + sum(_characters(value) for key, value in part.items() if isinstance(value, dict | list))
    return 0
