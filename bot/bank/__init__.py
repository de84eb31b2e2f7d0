"""Content to questions: a strict YAML reader, a small Markdown, and schemas; a wrong file is named with line and
item."""
