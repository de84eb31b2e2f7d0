"""What someone who meets us for the first time reads."""

from __future__ import annotations

from bot.core.actions import AskQuiz
from bot.core.text import line
from bot.core.views import Button, Heading, Look, Text, View

WELCOME = View(
    blocks=(
        Heading("Hello! I teach PyTorch, one question at a time"),
        Text(line("Answer, then see **why** it is right by running the code that proves it.")),
        Text(line("Your first answer counts; speed never does. What you miss comes back until you know it.")),
        Text(line("`/quiz` plays a quiz, `/run` runs your own code, `/help` shows the rest.")),
    ),
    fallback="Hello! I teach PyTorch, one question at a time. Type /quiz to begin.",
    buttons=(Button("Try now", AskQuiz("1"), Look.MAIN),),
)
"""Three lines and a button. Each platform shows it once to a person."""
