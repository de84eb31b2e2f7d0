"""Every setting, its default and its meaning. Built once, at the edge of a process; values are passed on, not the
whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

import structlog
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.core.errors import ConfigError


def _state_home() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "torchquiz"


class Settings(BaseSettings):
    """Read from the environment. Names are as people type them: `PORT=8001 make demo`."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    redis_url: SecretStr | None = Field(default=None, validation_alias="REDIS_URL")
    """The Redis to use; without it the product starts one of its own."""
    home: Path = Field(default_factory=_state_home, validation_alias="TORCHQUIZ_HOME")
    """Where the embedded Redis keeps its data."""
    content: Path | None = Field(default=None, validation_alias="TORCHQUIZ_CONTENT")
    """A folder with a question bank of your own, in the form of `content/`; by default the one that comes along."""
    log: Literal["debug", "info", "warning", "error"] = Field(default="info", validation_alias="TORCHQUIZ_LOG")
    """The least that is logged, to standard error."""
    discord_token: SecretStr | None = Field(default=None, validation_alias="DISCORD_TOKEN")
    """The bot token of the Discord application; with it `torchquiz bot` talks on Discord."""
    discord_public_key: str | None = Field(default=None, validation_alias="DISCORD_PUBLIC_KEY")
    """With it, interactions come by HTTP to `port` instead of the gateway, for replicas behind a load balancer."""
    discord_api_base: str | None = Field(default=None, validation_alias="DISCORD_API_BASE")
    """Instead of Discord's own address, for people behind a proxy."""
    discord_gateway_url: str | None = Field(default=None, validation_alias="DISCORD_GATEWAY_URL")
    """Instead of Discord's own gateway."""
    discord_shards: str | None = Field(default=None, validation_alias="DISCORD_SHARDS")
    """The part of this process where several share the gateway, such as 0-3/8: the first four of eight shards."""
    slack_bot_token: SecretStr | None = Field(default=None, validation_alias="SLACK_BOT_TOKEN")
    """The bot token (xoxb-) of the Slack app; with it `torchquiz bot` talks on Slack."""
    slack_app_token: SecretStr | None = Field(default=None, validation_alias="SLACK_APP_TOKEN")
    """The app token (xapp-) for Socket Mode, which needs no public address."""
    slack_signing_secret: SecretStr | None = Field(default=None, validation_alias="SLACK_SIGNING_SECRET")
    """For HTTP instead of Socket Mode: Slack's requests come to `slack_port`."""
    slack_client_id: str | None = Field(default=None, validation_alias="SLACK_CLIENT_ID")
    """With it, any workspace can install the app by OAuth, at /slack/install on `slack_port`."""
    slack_client_secret: SecretStr | None = Field(default=None, validation_alias="SLACK_CLIENT_SECRET")
    """Goes with the client id."""
    slack_installation_keys: SecretStr | None = Field(default=None, validation_alias="SLACK_INSTALLATION_KEYS")
    """Encrypts the tokens of those workspaces where they rest: Fernet keys, the newest first, with commas between."""
    slack_port: int = Field(default=3000, ge=0, le=65535, validation_alias="SLACK_PORT")
    """The port for Slack's requests by HTTP."""
    slack_api_base: str | None = Field(default=None, validation_alias="SLACK_API_BASE")
    """Instead of Slack's own address, for people behind a proxy."""
    host: str = Field(default="127.0.0.1", validation_alias="HOST")
    """The address of the demo page. Anyone who reaches it can play as anyone."""
    port: int = Field(default=8000, ge=0, le=65535, validation_alias="PORT")
    """The port of the demo page; 0 takes a free one."""
    zone: str = Field(default="UTC", validation_alias=AliasChoices("TORCHQUIZ_ZONE", "TZ"))
    """The IANA zone whose midnight starts a new day on the boards, until a channel sets its own."""
    signing_key: SecretStr | None = Field(default=None, validation_alias="TORCHQUIZ_SIGNING_KEY", min_length=16)
    """Signs buttons. Without it one is made and kept in Redis, so that all replicas share it."""
    spares: int = Field(default=2, ge=1, le=3, validation_alias="TORCHQUIZ_SPARES")
    """Ready sandboxes a worker keeps; also how many runs it takes at once."""
    device: str = Field(default="cpu", validation_alias="TORCHQUIZ_DEVICE")
    """What a worker runs on: cpu, or a GPU as cuda:0, GPU-<uuid> or MIG-<uuid>. One GPU worker a GPU."""
    gpu_for: str = Field(default="", validation_alias="TORCHQUIZ_GPU_FOR")
    """Who may use GPU workers, separated by commas: d<server> or s<workspace>, or one person of it, d<server>/<user>.
    Empty: everyone."""
    allow_no_memory_cgroup: bool = Field(default=False, validation_alias="TORCHQUIZ_ALLOW_NO_MEMORY_CGROUP")
    """Run code although memory cannot be limited. Every result then says so."""

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        name = zone.lstrip(":")
        if name not in available_timezones():
            raise ValueError(f"{zone!r} is not an IANA zone; use a name such as Europe/Berlin")
        return name

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    def gpu_users(self) -> frozenset[str]:
        """Who may use GPU workers; empty for everyone."""
        return frozenset(filter(None, (each.strip() for each in self.gpu_for.split(","))))

    def zone_info(self) -> ZoneInfo:
        """The zone as an object."""
        return ZoneInfo(self.zone)


def configure_logging(level: str) -> None:
    """Log events with fields to standard error."""
    # Where rich is installed, structlog would print the variables of every frame: people's code, and secrets.
    render = structlog.dev.ConsoleRenderer(sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[*structlog.get_config()["processors"][:-1], render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def settings() -> Settings:
    """The settings of this process. Raises ConfigError that names each wrong variable, without its value if secret."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"{detail['loc'][0]}: {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_input=False)
        ]
        raise ConfigError("A setting is wrong.\n" + "\n".join(lines)) from None
