"""What Slack does to text is undone before anyone reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.slack.formatting import escaped, straightened, typed


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("&amp;lt;", "&lt;"),
        ("<http://torch.no|torch.no>_grad()", "torch.no_grad()"),
        ("see <https://pytorch.org/docs>", "see https://pytorch.org/docs"),
        ("<https://a.b/?x=1&amp;y=2>", "https://a.b/?x=1&y=2"),
        ("<mailto:a@b.co|a@b.co>", "a@b.co"),
        ("<@U123> <@U123|ada>", "@U123 @ada"),
        ("<#C1|general> <#C1>", "#general #C1"),
        ("<!here> <!subteam^S1|@team> <!date^1392734382^{date}|Feb 18>", "@here @team Feb 18"),
        ("x < y > z", "x < y > z"),
        ("@torch.compile", "@torch.compile"),
    ],
)
def test_entities_and_wrapping_are_undone(sent: str, meant: str) -> None:
    assert meant == typed(sent)


@given(st.text())
def test_what_is_escaped_comes_back(text: str) -> None:
    assert text == typed(escaped(text))


@pytest.mark.parametrize(
    ("code", "runs"),
    [
        ("print(“hi”)", 'print("hi")'),
        ("print(‘hi’)", "print('hi')"),
        ("x\u00a0=\u00a01", "x = 1"),
        ("```\nprint(“hi”)\n```", '```\nprint("hi")\n```'),
        ('print("“quoted”, it’s fine")', 'print("“quoted”, it’s fine")'),
        ("print(“hi”", 'print("hi"'),
        ("print('plain')", "print('plain')"),
        ("“" + "(" * 500, '"' + "(" * 500),
    ],
)
def test_smart_quotes_are_straightened_unless_they_stand_inside_strings(code: str, runs: str) -> None:
    assert runs == straightened(code)
