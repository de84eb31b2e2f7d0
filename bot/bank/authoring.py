"""Help for authors: an example of each kind to start from, and a JSON Schema for their editor."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bot.core.kinds import KINDS

_LISTS = {
    "multiple_choice": "questions",
    "true_false": "questions",
    "flashcard": "cards",
    "interview": "questions",
    "concept": "questions",
    "formula": "formulas",
    "pattern": "patterns",
}


def example(kind: str, folder: Path) -> str:
    """The example file of a kind, as it stands in the bank's README. Raises KeyError for an unknown kind."""
    if kind not in KINDS:
        raise KeyError(kind)
    readme = (folder / "README.md").read_text("utf-8")
    section = re.search(rf"^## {kind}\n(.*?)(?=^## |\Z)", readme, re.DOTALL | re.MULTILINE)
    fence = re.search(r"```yaml\n(.*?)```", section[1], re.DOTALL) if section else None
    if fence is None:
        raise KeyError(kind)
    return fence[1]


def schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of a bank file, for editors that complete and check while one types."""
    definitions: dict[str, Any] = {}
    for kind, cls in KINDS.items():
        described = TypeAdapter(cls).json_schema(ref_template="#/$defs/{model}")
        definitions |= described.pop("$defs", {})
        described["properties"].pop("picture", None)  # found beside the file, never written
        described["properties"]["kind"] = {"const": kind}
        described["required"] = [*described.get("required", []), "kind"]
        definitions[kind] = described
    definitions.pop("RunFile", None)
    definitions["Prose"] = {
        "type": "string",
        "description": "Small Markdown: paragraphs, code, strong, emphasis, lists",
    }
    for described in definitions.values():
        if described.get("type") == "object":
            described["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Torchquiz bank file",
        "type": "object",
        "properties": {
            "quiz": {"type": "integer"},
            **{name: {"type": "string"} for name in ("title", "deck", "section")},
            **{
                name: {
                    "type": "array",
                    "items": {"oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in KINDS if _LISTS[kind] == name]},
                }
                for name in dict.fromkeys(_LISTS.values())
            },
        },
        "additionalProperties": False,
        "$defs": definitions,
    }
