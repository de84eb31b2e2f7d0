"""`torchquiz content preview`: an item as a surface will show it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.adapters.terminal import card
from bot.bank.load import examine
from bot.core.errors import NotFound
from bot.core.ids import ItemId
from bot.core.views import Heading, Note, View


def preview_item(folder: Path, id: str, surface: str) -> str:
    """All sides of an item, one after the other. Raises NotFound for an unknown item or surface."""
    bank, _ = examine(folder)
    item = bank.items.get(ItemId(id))
    if item is None:
        raise NotFound(f"There is no item {id!r} in {folder}.")
    if surface not in SURFACES:
        raise NotFound(f"There is no surface {surface!r}; there are {', '.join(SURFACES)}.")
    views = [
        View((Heading(f"{item.id} · {side.label}"), *side.blocks, Note(item.sources())), fallback=item.title())
        for side in item.sides()
    ]
    return "\n".join(SURFACES[surface](view) for view in views)


def _text(view: View) -> str:
    return "\n".join(card(view, []))


def _web(view: View) -> str:
    from bot.adapters.web.render import card as web_card

    return json.dumps(web_card(view, str, lambda file: file.name), ensure_ascii=False, indent=1)


SURFACES: Mapping[str, Callable[[View], str]] = {"text": _text, "web": _web}
