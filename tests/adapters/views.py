"""Arbitrary views and forms, for the properties of every render."""

from __future__ import annotations

import operator
from datetime import UTC, datetime

from hypothesis import strategies as st

from bot.core.actions import Action, Answer, AskQuiz, OpenRun, ShowBoard
from bot.core.ids import ChannelId, ItemId, OptionId
from bot.core.runs import RunFile, RunId
from bot.core.views import (
    Board,
    Bullets,
    Button,
    Choice,
    Choices,
    Code,
    Entry,
    Field,
    Files,
    Form,
    Heading,
    Look,
    Mark,
    Menu,
    Note,
    Ranking,
    Span,
    Style,
    Table,
    Text,
    View,
)

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = (
    "@everyone",
    "<@1200000000000000001>",
    "<@&12>",
    "<#12>",
    "</quiz:12>",
    "<:a:12>",
    "```",
    "``",
    "`",
    "\u202egpj.exe",
    "Z" + "\u0301" * 50,
    "[click](https://evil.example)",
    "https://evil.example",
    "# big",
    "-# small",
    "> quote",
    "1. one",
    "- one",
    "||spoiler||",
    "<!channel> <@U123> <#C1|general> @here",
    "</script>&lt;!everyone&gt; <https://evil|click> & < >",
    "*bold* _it_ ~no~ :tada:",
    "<img src=x onerror=alert(1)>",
    "&<`" * 1000,
    "xy z\n" * 700,
    "~~gone~~",
    "__under__",
    "\\",
    "\ud800",
    "\x00\x1b[31m",
    "😀" * 30,
    "x" * 3000,
    "\n\n\n",
    " ",
    "",
)
texts = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=60),
    st.lists(st.sampled_from(HOSTILE), max_size=4).map(" ".join),
)
moments = st.none() | st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
channels = st.sampled_from([None, None, ChannelId("C0123ABC"), ChannelId("<#12>"), ChannelId("<!channel>")])
lines = st.lists(st.builds(Span, texts, st.sampled_from(Style), moments, channels), max_size=4).map(tuple)
names = st.one_of(st.sampled_from(["a.png", "a.png", "../../etc/passwd", ".hidden", "a b.txt", "", "ß.csv"]), texts)
contents = st.sampled_from([b"", PNG + b"x", b"text", b"x" * (10 * 2**20 + 1), b"x" * (9 * 2**20)])
files = st.builds(RunFile, names, contents, texts)
actions: st.SearchStrategy[Action] = st.one_of(
    st.builds(AskQuiz, st.sampled_from(["1", "11"])),
    st.builds(OpenRun, st.just(RunId("r" * 20))),
    st.builds(
        Answer, st.just(ItemId("quiz-11-q01")), st.sampled_from([OptionId(x) for x in "abcd"]), st.integers(1, 9)
    ),
    st.builds(ShowBoard, st.sampled_from(["day", "week", "month"]), st.sampled_from(["channel", "workspace"])),
)
choices = st.builds(Choice, st.sampled_from("ABCDEF"), lines, st.sampled_from(Mark))
rankings = st.builds(Ranking, st.integers(1, 10**6), texts, st.integers(0, 10**9), texts, st.booleans())
blocks = st.one_of(
    st.builds(Heading, texts),
    st.builds(Text, lines),
    st.builds(Bullets, st.lists(lines, max_size=12).map(tuple), st.booleans()),
    st.builds(
        Code,
        st.one_of(texts, st.integers(0, 90_000).map(lambda n: "print(1) # `x`\n" * (n // 15))),
        st.sampled_from(["py", "text", "", "a b"]),
        st.one_of(texts, st.sampled_from(["Output", "Error", "Ada runs"])),
    ),
    st.builds(Choices, st.lists(choices, max_size=6).map(tuple)),
    st.builds(Board, st.lists(rankings, max_size=12).map(tuple)),
    st.builds(
        Table,
        st.lists(texts, max_size=4).map(tuple),
        st.lists(st.lists(texts, max_size=4).map(tuple), max_size=9).map(tuple),
    ),
    st.builds(Files, st.lists(files, max_size=12).map(tuple)),
    st.builds(Note, texts),
)
buttons = st.builds(Button, texts, actions, st.sampled_from(Look), st.booleans())
menus = st.builds(Menu, texts, st.lists(st.builds(Entry, texts, actions, texts), max_size=40).map(tuple))
views = st.builds(
    View,
    st.builds(operator.mul, st.lists(blocks, max_size=10).map(tuple), st.sampled_from([1, 1, 1, 6])),
    texts,
    st.builds(operator.mul, st.lists(buttons, max_size=10).map(tuple), st.sampled_from([1, 1, 3, 6])),
    st.one_of(st.none(), menus),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
fields = st.builds(
    Field,
    st.sampled_from(["code", "why", "name"]),
    texts,
    st.one_of(texts, st.just("y" * 4000), st.just("y" * 4001)),
    st.booleans(),
    st.booleans(),
    st.integers(1, 9000),
)
forms = st.builds(Form, texts, actions, st.lists(fields, min_size=1, max_size=7, unique_by=lambda f: f.name).map(tuple))
