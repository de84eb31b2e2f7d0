"""discord.py imports `audioop`, which Python 3.11 and 3.12 call deprecated; here every warning is an error."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord  # noqa: F401
