"""Makes every HTTP and WebSocket client, and is the only place that decides about proxies.

Kai uses three libraries: httpx, httpx2 (inside ``openai``) and websockets. Each reads the environment in its own way. By
default they send a request for 127.0.0.1, including its key, to the proxy in ``HTTP_PROXY``, and their constructors raise for
an ``ALL_PROXY`` of an unknown kind. This module therefore reads the environment itself, with one rule: this computer is never
reached through a proxy; everything else is, if one is configured. If a proxy cannot be used, the error names it.
"""

from __future__ import annotations

import contextlib
import fnmatch
import importlib.util
import ipaddress
import os
import re
import ssl
import urllib.request
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx

from kai.errors import ConfigError

if TYPE_CHECKING:
    import openai

_WIRE_SCHEMES: Final = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy between Kai and an address: the variable that names it, and its host and port."""

    variable: str
    place: str
    url: str = field(repr=False)

    @property
    def advice(self) -> str:
        """What to check when an address behind the proxy cannot be reached."""
        return f"It is called by way of the proxy {self.place}: check that proxy, or unset {self.variable}."


def is_loopback(url: str) -> bool:
    """Return whether an address is on this computer."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or address.is_unspecified or (mapped is not None and mapped.is_loopback)


def proxy_for(url: str, socks_package: str = "socksio") -> Proxy | None:
    """Return the proxy for ``url``, or ``None`` for a direct connection.

    ``socks_package`` is the package that the client needs for a SOCKS proxy. Raises ``ConfigError`` for an unusable proxy.
    """
    parts = urlsplit(url)
    scheme = _WIRE_SCHEMES.get(parts.scheme, "http")
    if is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or "") or _is_exempt(url):
        return None
    named = urllib.request.getproxies()
    kind = next((kind for kind in (scheme, "all") if named.get(kind)), None)
    if kind is None:
        return None
    variable = next(
        (name for name in (f"{kind}_proxy", f"{kind}_proxy".upper()) if name in os.environ), "the system"
    )
    bare = named[kind].strip(_AROUND)
    if bare.lower() in _NONE:
        return None
    given = bare if "://" in bare else f"http://{bare}"
    try:
        proxy = urlsplit(given)
        place = f"{proxy.hostname or '?'}" + (f":{proxy.port}" if proxy.port else "")
        if not given.isprintable() or proxy.path.strip("/"):
            raise ValueError(place)
    except ValueError:
        raise ConfigError(
            f"The proxy that {variable} names has no valid address. Correct or unset it.", code="proxy"
        ) from None
    is_socks = proxy.scheme.startswith("socks")
    if is_socks and importlib.util.find_spec(socks_package) is None:
        raise ConfigError(
            f"{variable} names a SOCKS proxy ({place}), which Kai cannot use. Set {scheme.upper()}_PROXY to an HTTP "
            f"proxy, or unset {variable}.",
            code="proxy",
        )
    if proxy.hostname is None or (not is_socks and proxy.scheme not in ("http", "https")):
        raise ConfigError(
            f"{variable} names a proxy ({proxy.scheme}://{place}) that Kai cannot use. Correct or unset it.",
            code="proxy",
        )
    return Proxy(variable, place, given)


def _is_exempt(url: str) -> bool:
    """Return whether ``NO_PROXY`` exempts ``url`` in a form that the standard library does not support.

    The standard library only compares the ends of names. People also write networks (``192.168.0.0/16``), stars, ports,
    brackets around IPv6 addresses, whole URLs, quotation marks, letters that are not ASCII, and Windows' ``<local>``.
    Programs differ in how they read these, but traffic to a local server must not go to the proxy.
    """
    parts = urlsplit(url)
    host = _ascii((parts.hostname or "").rstrip(".").lower())
    port = parts.port or {"http": 80, "https": 443}[_WIRE_SCHEMES.get(parts.scheme, "http")]
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    entries = (entry.strip(_AROUND).lower() for entry in re.split(r"[\s,;|]+", named))
    return any(_is_meant(entry, host, port) for entry in entries if entry)


def _is_meant(entry: str, host: str, port: int) -> bool:
    entry = entry.rpartition("://")[2].rstrip("./")
    if entry == "<local>":
        return "." not in host and ":" not in host
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(host) in network
        return False
    entry = _ascii(entry.partition("/")[0])
    at_port = _AT_PORT.fullmatch(entry)
    if at_port is not None:
        return int(at_port["port"]) == port and _is_meant(at_port["place"], host, port)
    suffix = entry.removeprefix("*").lstrip(".")
    if "*" in suffix or entry == "*":
        return fnmatch.fnmatchcase(host, entry)
    return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))


def _ascii(host: str) -> str:
    """Return a host's name as resolvers know it (``xn--...``)."""
    with contextlib.suppress(UnicodeError):
        return host.encode("idna").decode()
    return host


_AROUND: Final = " \t\r\n\"'\ufeff\u200b"
"""What is left around a pasted value."""
_NONE: Final = frozenset({"", "none", "direct", "direct://", "false", "off", "no", "null", "0"})
"""Words that people write where they want no proxy."""
_AT_PORT: Final = re.compile(r"(?P<place>[^:]+|\[.*\]):(?P<port>\d{1,5})")


def advice_on_proxy(url: str) -> str:
    """Return a sentence about the proxy for ``url``, or an empty string without one."""
    try:
        proxy = proxy_for(url)
    except ConfigError as exc:
        return exc.message
    return "" if proxy is None else proxy.advice


@lru_cache(1)
def _certificates() -> ssl.SSLContext:
    """Load the trusted certificates, from ``SSL_CERT_FILE`` if it is set. This takes 20 ms, so it is done once."""
    return httpx.create_ssl_context()


def _options(url: str, timeout: httpx.Timeout | float) -> dict[str, Any]:
    proxy = proxy_for(url)
    return {
        "proxy": None if proxy is None else proxy.url,
        "trust_env": False,
        "verify": _certificates(),
        "timeout": timeout,
    }


def async_client(
    url: str, *, timeout: httpx.Timeout | float, base_url: str = "", follows_redirects: bool = False
) -> httpx.AsyncClient:
    """Make a client for addresses on the host of ``url``. Raises ``ConfigError`` for an unusable proxy."""
    return httpx.AsyncClient(base_url=base_url, follow_redirects=follows_redirects, **_options(url, timeout))


def client(url: str, *, timeout: httpx.Timeout | float, follows_redirects: bool = False) -> httpx.Client:
    """The synchronous twin of `async_client`, for threads."""
    return httpx.Client(follow_redirects=follows_redirects, **_options(url, timeout))


def openai_client(api_key: str, base_url: str | None, *, timeout_s: float) -> openai.AsyncOpenAI:
    """Make OpenAI's client, without retries. Raises ``ConfigError`` for an unusable proxy.

    The import takes half a second and 60 MB, so it is done only when the client is needed.
    """
    import httpx2
    import openai

    url = base_url or OPENAI_URL
    options: dict[str, Any] = {**_options(url, timeout_s), "timeout": httpx2.Timeout(timeout_s)}
    return openai.AsyncOpenAI(
        api_key=api_key,
        base_url=url,
        max_retries=0,
        timeout=timeout_s,
        http_client=openai.DefaultAsyncHttpxClient(**options),
    )


def websocket_proxy(url: str) -> str | None:
    """Return the ``proxy`` argument of ``websockets.connect``. Raises ``ConfigError`` for an unusable proxy."""
    proxy = proxy_for(url, socks_package="python_socks")
    return None if proxy is None else proxy.url


OPENAI_URL: Final = "https://api.openai.com/v1"
