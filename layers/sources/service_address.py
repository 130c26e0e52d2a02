"""Addresses of services, and the credentials that go with them.

Credentials come from the
environment and go to the host alone that ``SUANZHI_SERVICE_HOST`` names, because a study may come from anybody:

``SUANZHI_SERVICE_USER``, ``SUANZHI_SERVICE_PASSWORD``
    Sent as basic authentication.
``SUANZHI_SERVICE_TOKEN``
    Sent as ``Authorization: Bearer``.
``SUANZHI_SERVICE_QUERY``
    Parameters that the service wants in every address, such as ``tk=...``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests

from gis.bilingual import Text
from gis.errors import UsageError
from layers.sources.remote import is_secret
from layers.types import LayerSpec

REMEDY = Text(
    zh="请使用环境变量 SUANZHI_SERVICE_USER 与 SUANZHI_SERVICE_PASSWORD、SUANZHI_SERVICE_TOKEN 或 "
       "SUANZHI_SERVICE_QUERY，并以 SUANZHI_SERVICE_HOST 指明其主机",
    en="use SUANZHI_SERVICE_USER and SUANZHI_SERVICE_PASSWORD, SUANZHI_SERVICE_TOKEN or SUANZHI_SERVICE_QUERY, with "
       "SUANZHI_SERVICE_HOST naming the host that they are for")
"""Where credentials belong."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Secrets:
    """Credentials of the environment, for one host."""

    user: str = ""
    """Name for basic authentication."""
    password: str = ""
    """Its password."""
    token: str = ""
    """Sent in the header; goes before user and password."""
    query: tuple[tuple[str, str], ...] = ()
    """Parameters of every address."""

    @classmethod
    def of_environment(cls, url: str) -> Secrets:
        """Return the credentials for an address; none where they are for another host."""
        read = os.environ.get
        host = read("SUANZHI_SERVICE_HOST", "").strip().lower()
        parts = urlsplit(url)
        if not host or host not in (parts.hostname, parts.netloc.lower()):
            return cls()
        return cls(user=read("SUANZHI_SERVICE_USER", ""), password=read("SUANZHI_SERVICE_PASSWORD", ""),
                   token=read("SUANZHI_SERVICE_TOKEN", ""),
                   query=tuple(parse_qsl(read("SUANZHI_SERVICE_QUERY", "").lstrip("?&"))))

    def sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add what authorises a request."""
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        elif self.user:
            requests.auth.HTTPBasicAuth(self.user.encode(), self.password.encode())(request)
        return request

    def added(self, url: str) -> str:
        """Return an address with the parameters that authorise it."""
        return with_query(url, dict(self.query))

    def without(self, url: str) -> str:
        """Return an address without them: a service repeats them in its links."""
        return with_query(url, {}, {name for name, _ in self.query})

    def hidden(self, text: str) -> str:
        """Return a text without any secret."""
        for secret in (self.password, self.token, *(value for _, value in self.query)):
            text = text.replace(secret, "***") if secret else text
        return text


def with_query(url: str, added: dict[str, str], dropped: set[str] | None = None) -> str:
    """Return an address with parameters added, in place of those of the same names and of ``dropped``.

    Parameters
    ----------
    url
        The address.
    added
        Parameters to add.
    dropped
        Names of parameters to leave out. Names are compared without regard to case.
    """
    if not added and not dropped:
        return url
    parts = urlsplit(url)
    gone = {name.lower() for name in (*added, *(dropped or ()))}
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name.lower() not in gone]
    return urlunsplit(parts._replace(query=urlencode([*kept, *added.items()], safe=":,/")))


def shown(url: str) -> str:
    """Return an address as it may be shown: without user, parameters and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def checked_url(spec: LayerSpec) -> str:
    """Return the option ``url`` of a spec.

    Raises
    ------
    UsageError
        It is no address of HTTP, or holds a secret.
    """
    where = f"[layers.{spec.name}]"
    url = str(spec.option("url", "")).strip()
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in _PORTS and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address:
        raise UsageError(
            f"layer {spec.name!r}: the source {spec.source} needs options = {{ url = \"https://...\" }} under {where}",
            f"图层 {spec.name!r}：来源 {spec.source} 须在 {where} 下写 options = {{ url = \"https://...\" }}")
    secret = "user and password" if "@" in parts.netloc else next(
        (name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if is_secret(name)), "")
    if secret:
        raise UsageError(
            f"layer {spec.name!r}: url must not hold {secret}, because a study is handed on; {REMEDY.en}",
            f"图层 {spec.name!r}：方案会被转交，url 中不得含有 {secret}；{REMEDY.zh}")
    return urlunsplit(parts._replace(fragment=""))


def is_same_host(own: str, other: str) -> bool:
    """Tell whether an address is on the same host and port; that it is safer now does no harm."""
    try:
        a, b = urlsplit(own), urlsplit(other)
        ports = [part.port or _PORTS.get(part.scheme, 0) for part in (a, b)]
    except ValueError:
        return False
    if a.hostname != b.hostname or b.scheme not in _PORTS or "@" in b.netloc:
        return False
    return (a.scheme == b.scheme and ports[0] == ports[1]) or (
        (a.scheme, b.scheme) == ("http", "https") and ports == [80, 443])
