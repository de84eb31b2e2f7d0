"""Calls of Slack's Web API by slack_sdk: how long they take, what is tried again, and how they fail."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient
from yarl import URL

from bot.adapters.slack.api import Json, NotDoneError, RefusedError
from bot.core.errors import Unavailable
from bot.core.ids import Tenant
from bot.core.runs import RunFile
from bot.ports import Log

REQUEST_SECONDS = 10.0
ASK_SECONDS = 30.0
"""One call with its repeats."""
HASTY_SECONDS = 1.0
"""A progress update; a result waits a little longer than this for one that is under way."""
DIALOG_SECONDS = 3.0
PERSON_SECONDS = 2.0
"""Whoever waits for this opened a form with it, for which Slack gives 3 s in all."""
FILE_SECONDS = 10.0
PAGE = 200
MAX_PAGES = 10
"""What is looked for is minutes old; a channel with more messages since then is not read to its end."""
TRIES = 3
_SERVER_CODES = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_SECRET = re.compile(r"(?<=code: )\S+|x(?:ox[a-z]|app)[-.][\w.-]+|((?:ws|http)s?://[^/\s]+)\S*")
_LITERAL: Json = {"link_names": False, "parse": "none"}
_QUIET: Json = {**_LITERAL, "unfurl_links": False, "unfurl_media": False}

Token = Callable[[Tenant], Awaitable[str]]
Answer = TypeVar("Answer")


class SlackApi:
    """The Api over slack_sdk. After a 429 nobody calls that method for that workspace before its time is up; server
    and connection errors are tried again, posts only where the first try cannot have counted or, once, after a 5xx."""

    def __init__(self, client: AsyncWebClient, token: Token, log: Log) -> None:
        self._client = client
        self._token = token
        self._log = log
        self._held: dict[tuple[str, str], float] = {}

    async def post(
        self, tenant: Tenant, channel: str, message: Json, thread: str = "", *, patient: bool = True
    ) -> tuple[str, str]:
        """Post a message."""
        seconds, tries = (ASK_SECONDS, TRIES) if patient else (REQUEST_SECONDS, 1)
        body = {"channel": channel, **message, **_QUIET, **({"thread_ts": thread} if thread else {})}
        answer = await self._call(tenant, "chat.postMessage", body, seconds=seconds, tries=tries, repeatable=False)
        return str(answer["channel"]), str(answer["ts"])

    async def update(self, tenant: Tenant, channel: str, ts: str, message: Json, *, patient: bool = True) -> None:
        """Replace a message."""
        seconds, tries = (ASK_SECONDS, TRIES) if patient else (HASTY_SECONDS, 1)
        body = {"channel": channel, "ts": ts, **message, **_LITERAL}
        await self._call(tenant, "chat.update", body, seconds=seconds, tries=tries)

    async def delete(self, tenant: Tenant, channel: str, ts: str) -> None:
        """Take a message away."""
        await self._call(tenant, "chat.delete", {"channel": channel, "ts": ts})

    async def whisper(self, tenant: Tenant, channel: str, user: str, message: Json, thread: str = "") -> None:
        """Post a message for one person."""
        body = {"channel": channel, "user": user, **message, **_LITERAL, **({"thread_ts": thread} if thread else {})}
        await self._call(tenant, "chat.postEphemeral", body, repeatable=False)

    async def open(self, tenant: Tenant, trigger: str, view: Json) -> None:
        """Open a dialog. Slack gives 3 s in all, and takes a trigger once."""
        await self._call(
            tenant, "views.open", {"trigger_id": trigger, "view": view}, seconds=DIALOG_SECONDS, repeatable=False
        )

    async def publish(self, tenant: Tenant, user: str, view: Json) -> None:
        """Show an App Home."""
        await self._call(tenant, "views.publish", {"user_id": user, "view": view})

    async def forget(self, tenant: Tenant, file: str) -> None:
        """Delete a file."""
        await self._call(tenant, "files.delete", {"file": file})

    async def history(self, tenant: Tenant, channel: str, since: float, thread: str = "") -> Sequence[Json]:
        """The messages of a channel or thread, page by page."""
        method = "conversations.replies" if thread else "conversations.history"
        query: Json = {"channel": channel, "oldest": f"{since:.6f}", "limit": PAGE, "include_all_metadata": "true"}
        if thread:
            query["ts"] = thread
        found: list[Json] = []
        for _ in range(MAX_PAGES):
            answer = await self._query(tenant, method, query)
            found += answer.get("messages") or []
            query["cursor"] = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not query["cursor"]:
                return found
        self._log.warning("slack.history_cut", tenant=tenant, messages=len(found))
        return found

    async def person(self, tenant: Tenant, user: str) -> Json:
        """Who someone is."""
        answer = await self._query(tenant, "users.info", {"user": user}, seconds=PERSON_SECONDS, tries=1)
        found = answer.get("user")
        return found if isinstance(found, dict) else {}

    async def upload(self, tenant: Tenant, channel: str, thread: str, files: Sequence[RunFile]) -> Sequence[str]:
        """Share files in a thread, by the three steps that Slack wants."""
        token = await self._token(tenant)
        uploads = [
            {"content": file.content, "filename": file.name, "title": file.name, "alt_txt": file.alt or file.name}
            for file in files
        ]

        async def send() -> AsyncSlackResponse:
            return await self._client.files_upload_v2(
                token=token, channel=channel, thread_ts=thread, file_uploads=uploads
            )

        answer = await self._ask(tenant, "files.upload", send, repeatable=False)
        return [str(file["id"]) for file in answer.get("files") or []]

    async def fetch(self, tenant: Tenant, url: str, limit: int) -> bytes:
        """The beginning of a file. Our token goes to Slack's own addresses alone; without the scope to read files Slack
        shows a page to sign in."""
        if not self._is_slack(url):
            raise RefusedError("not_on_slack")
        session, token = self._client.session, await self._token(tenant)
        assert session is not None

        async def send() -> bytes:
            async with session.get(url, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise AnswerError(answer.status, "file_not_read", answer.headers)
                if answer.content_type == "text/html":
                    raise AnswerError(403, "missing_scope", answer.headers)
                return await _beginning(answer.content, limit)

        return await self._ask(tenant, "files", send, seconds=FILE_SECONDS)

    def _is_slack(self, url: str) -> bool:
        try:
            at = URL(url).origin()
        except ValueError:
            return False
        host = at.host or ""
        official = at.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))
        return official or at == URL(self._client.base_url).origin()

    async def respond(self, tenant: Tenant, url: str, message: Json) -> None:
        """Answer by a response_url."""
        client = AsyncWebhookClient(url, session=self._client.session, retry_handlers=[], logger=self._client.logger)

        async def send() -> None:
            answer = await client.send_dict(message)
            if answer.status_code != 200:
                raise AnswerError(answer.status_code, answer.body[:40].strip(), answer.headers)

        await self._ask(tenant, "response_url", send, repeatable=False)

    async def identity(self) -> dict[str, str]:
        """Who the token says we are."""
        answer = await self._call(Tenant(""), "auth.test", {})
        return {key: str(answer.get(key, "")) for key in ("team", "team_id", "user", "user_id")}

    async def _query(
        self, tenant: Tenant, method: str, query: Json, *, seconds: float = ASK_SECONDS, tries: int = TRIES
    ) -> AsyncSlackResponse:
        """Call a method that only reads; those take no JSON, and the token becomes the header."""
        token = await self._token(tenant)

        async def send() -> AsyncSlackResponse:
            return await self._client.api_call(method, http_verb="GET", params={**query, "token": token})

        return await self._ask(tenant, method, send, seconds=seconds, tries=tries)

    async def _call(
        self,
        tenant: Tenant,
        method: str,
        body: Json,
        *,
        seconds: float = ASK_SECONDS,
        tries: int = TRIES,
        repeatable: bool = True,
    ) -> AsyncSlackResponse:
        token = await self._token(tenant)

        async def send() -> AsyncSlackResponse:
            return await self._client.api_call(method, json={**body, "token": token})  # it becomes the header

        return await self._ask(tenant, method, send, seconds=seconds, tries=tries, repeatable=repeatable)

    async def _ask(
        self,
        tenant: Tenant,
        method: str,
        send: Callable[[], Awaitable[Answer]],
        *,
        seconds: float = ASK_SECONDS,
        tries: int = TRIES,
        repeatable: bool = True,
    ) -> Answer:
        """What `send` returns. Raises RefusedError, or Unavailable after `tries` or `seconds`: NotDoneError where no
        try can have counted."""
        ends, doubt = time.monotonic() + seconds, False
        for attempt in range(1, tries + 1):
            if not await self._waited(tenant, method, ends, attempt):
                break
            try:
                async with asyncio.timeout(max(ends - time.monotonic(), 0.01)):
                    return await send()
            except (SlackClientError, AnswerError) as error:
                doubt |= self._judge(tenant, method, failure(error))
                if not repeatable and attempt == 2:
                    break
            except aiohttp.ClientConnectorError:
                pass  # it never left this machine
            except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
                if not repeatable:
                    raise Unavailable(f"{method}: {type(error).__name__}") from None
                doubt = True
            self._log.info("slack.repeated", tenant=tenant, method=method, attempt=attempt)
        if doubt:
            raise Unavailable(method)
        raise NotDoneError(method, max(self._held.get((tenant, method), 0.0) - time.monotonic(), 1.0))

    async def _waited(self, tenant: Tenant, method: str, ends: float, attempt: int) -> bool:
        """Wait until Slack takes the method again; False when that is too late."""
        now = time.monotonic()
        begins = max(self._held.get((tenant, method), 0.0), now + (0.25 * 2**attempt if attempt > 1 else 0.0))
        if begins >= ends:
            return False
        if begins > now:
            await asyncio.sleep(begins - now)
        return True

    def _judge(self, tenant: Tenant, method: str, answer: AnswerError) -> bool:
        """Remember how long Slack wants to be left alone. True when Slack may have done it all the same. Raises
        RefusedError for an answer that will not change."""
        if answer.status == 429 or answer.code == "ratelimited":
            now = time.monotonic()
            self._held = {key: until for key, until in self._held.items() if until > now}
            self._held[tenant, method] = now + answer.retry_after
            self._log.warning("slack.rate_limited", tenant=tenant, method=method, seconds=answer.retry_after)
            return False
        if answer.status < 500 and answer.code not in _SERVER_CODES:
            raise RefusedError(answer.code)
        return True


class AnswerError(Exception):
    """An answer that is not the one we wanted."""

    def __init__(self, status: int, code: str, headers: Mapping[str, str]) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        after = next((value for key, value in headers.items() if key.lower() == "retry-after"), "")
        self.retry_after = float(after) if after.isascii() and after.isdecimal() else 1.0


def failure(error: SlackClientError | AnswerError) -> AnswerError:
    """What Slack's answer was."""
    if isinstance(error, AnswerError):
        return error
    response = error.response if isinstance(error, SlackApiError) else None
    if response is None:
        return AnswerError(400, "request_failed", {})  # an upload whose second step was refused
    status = getattr(response, "status_code", 500)
    data = getattr(response, "data", None)
    code = data.get("error", "") if isinstance(data, dict) else ""
    return AnswerError(status, str(code), response.headers)


class _Forward(logging.Handler):
    """The library's own warnings as events of our log, without tokens and addresses that carry tickets."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        message = _SECRET.sub(lambda found: found[1] or "[token]", record.getMessage())
        self._log.warning("slack.library", message=message[:300])


def sdk_logger(log: Log) -> logging.Logger:
    """A logger that stands by itself, so that no configuration of the process prints what passes through it."""
    logger = logging.Logger("torchquiz.slack", logging.WARNING)  # noqa: LOG001 - no part of the process-wide tree
    logger.addHandler(_Forward(log))
    return logger


async def _beginning(content: aiohttp.StreamReader, limit: int) -> bytes:
    found = bytearray()
    async for chunk in content.iter_chunked(16_384):
        found += chunk
        if len(found) >= limit:
            break
    return bytes(found[:limit])
