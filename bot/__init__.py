"""Torchquiz: a chat bot that teaches PyTorch on Slack, Discord, a web page and the terminal."""
