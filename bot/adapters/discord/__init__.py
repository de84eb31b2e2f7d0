"""Discord, by discord.py. Only `client` knows the library; `parse`, `markup` and `render` are pure."""
