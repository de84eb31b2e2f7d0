"""Who may talk to the page's server: this page alone.

A hostile web site can make a browser send requests to a local port. It cannot choose the `Host` name to be ours without
its own name showing (DNS rebinding), cannot hide its `Origin`, and cannot read the token that stands in our page.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""On every answer, errors too."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides about a request by its headers. `host` is the address that the server is bound to."""

    host: str
    token: str

    def refusal(self, host: str, origin: str | None, site: str | None) -> str:
        """Why a request is refused, or nothing. The arguments are its Host, Origin and Sec-Fetch-Site headers."""
        if not self._ours(host):
            return "This server answers only to its own address, such as http://localhost."
        if origin is not None and origin != f"http://{host}":
            return "This server answers only to its own page."
        if site is not None and site not in {"same-origin", "none"}:
            return "This server answers only to its own page."
        return ""

    def knows(self, token: str | None) -> bool:
        """Whether a request carries the token of the page that this start served."""
        return token is not None and hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    def _ours(self, host: str) -> bool:
        """Localhost and the bound address. Bound to more than this machine, any numeric address is one of ours: a
        rebinding attack needs a name."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in {"localhost", self.host.lower()}:
            return True
        address = _address(name)
        if address is None:
            return False
        return address.is_loopback or not is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` is reachable from this machine alone."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
