"""Slack's part of `torchquiz bot`: which settings mean what, one workspace or every one that installs the app."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from bot.bootstrap import Store, SystemClock
from bot.config import Settings
from bot.core.errors import ConfigError

if TYPE_CHECKING:
    from bot.adapters.slack.workspaces import Distribution

ONE_OR_MANY = "Set SLACK_BOT_TOKEN for one workspace, or SLACK_CLIENT_ID for every one that installs the app, not both."


def is_set_up(settings: Settings) -> bool:
    """Whether Slack is to be served."""
    return bool(settings.slack_bot_token or settings.slack_client_id)


async def distribution(settings: Settings, store: Store) -> Distribution | None:
    """What installing by OAuth needs; None for one workspace by its token. Raises ConfigError with what to change, and
    Unavailable."""
    if not settings.slack_client_id:
        return None
    if settings.slack_bot_token:
        raise ConfigError(ONE_OR_MANY)
    secret, encryption = settings.slack_client_secret, settings.slack_installation_keys
    if secret is None:
        raise ConfigError("SLACK_CLIENT_ID needs SLACK_CLIENT_SECRET: Basic Information, App Credentials.")
    if encryption is None:
        raise ConfigError("SLACK_CLIENT_ID needs SLACK_INSTALLATION_KEYS. Make a key with: torchquiz slack-key")
    from bot.adapters.slack.workspaces import Distribution
    from bot.store.slack_installations import RedisInstallations

    keys = [key.strip() for key in encryption.get_secret_value().split(",") if key.strip()]
    installations = RedisInstallations(store.redis, keys, SystemClock())
    await installations.check()
    state_key = hmac.digest(store.signing_key, b"slack oauth state", "sha256")
    return Distribution(settings.slack_client_id, secret.get_secret_value(), installations, state_key)
