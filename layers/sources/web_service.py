"""One city service asked over HTTP: bounded, patient within limits, and careful with secrets.

Nothing but the host that the study names is asked, whatever a page links to or redirects to. What may pass is asked
again (busy, gateway, cut-off answers) a few times; what will not pass is a sentence at once. Credentials are those
of ``layers.sources.service_address``.

GDAL's own drivers (OAPIF, WFS; tried with 3.12) are not used: they follow a link to any host, take a first page that
comes again and again for the rest, compare nothing with the count that the service states, and ask a busy service once.
The pages themselves are parsed by shapely and GDAL.

Options
-------
``url``
    Address of the service.
``timeout_s``
    Seconds without a byte after which an answer counts as lost (60).
``max_mb``
    Megabytes that are fetched at most (2048).
"""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests

from gis.bilingual import Text
from gis.errors import LayerError, LayerNotFoundError, LayerUnavailableError
from layers.sources.files import format_of
from layers.sources.remote import number
from layers.sources.retry_after import retry_after_s
from layers.sources.service_address import REMEDY, Secrets, checked_url, is_same_host, shown
from layers.types import LayerSpec

Found = TypeVar("Found")

OPTIONS = ("url", "timeout_s", "max_mb")
"""Options that every service has."""

_TIMEOUT_S, _MOST_MB = 60.0, 2048.0
_CONNECT_S = 10.0
_SLOWEST = 10
"""An answer may take so many times the time without a byte."""
_ATTEMPTS = 5
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_PASSING = (429, 502, 503, 504)
_MOST_REDIRECTS = 5
_BLOCK = 1 << 16
_LONGEST_REASON = 200
_SAID = re.compile(r"<(?:\w+:)?(?:ExceptionText|ServiceException)\b[^>]*>(.*?)</", re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """What a service answered."""

    url: str
    """Address that answered, after redirects and without credentials."""

    content: bytes
    """The body, unpacked."""

    crs: str = ""
    """URI in the header ``Content-Crs``, where there is one."""

    @property
    def kind(self) -> str:
        """Format that the body begins like (``layers.sources.files.format_of``)."""
        return format_of(self.content[:4096])


class MayPassError(Exception):
    """A failure that another attempt may not meet.

    Parameters
    ----------
    reason
        What failed.
    wait_s
        How long the service asks to wait, where it does.
    """

    def __init__(self, reason: Text, wait_s: float | None = None) -> None:
        super().__init__(reason.en)
        self.reason = reason
        self.wait_s = wait_s


class WebService:
    """The service of a spec.

    Parameters
    ----------
    spec
        Names the address in the option ``url``.

    Raises
    ------
    UsageError
        There is no address, it is none of HTTP, or it holds a secret.
    """

    def __init__(self, spec: LayerSpec) -> None:
        self._spec = spec
        self.url = checked_url(spec)
        self._timeout_s = number(spec, "timeout_s", _TIMEOUT_S, 1, 3600)
        self._most_mb = number(spec, "max_mb", _MOST_MB, 1e-3, 1e6)
        self._left = int(self._most_mb * (1 << 20))
        self._secrets = Secrets.of_environment(self.url)
        self._session = requests.Session()
        # An explicit one, so that requests takes none from ~/.netrc; proxies stay as the environment says.
        self._session.auth = self._secrets.sign
        self._session.headers["User-Agent"] = "suanzhi"

    @property
    def place(self) -> str:
        """The service without parameters, for notes and messages."""
        return shown(self.url)

    def get(self, url: str, accept: str, read: Callable[[Answer], Found]) -> Found:
        """Return what ``read`` makes of the answer at an address.

        Parameters
        ----------
        url
            The address, on the host of the service.
        accept
            Media types that are wanted.
        read
            Raises :class:`MayPassError` where the answer is cut off, so that it is asked for again.

        Raises
        ------
        LayerUnavailableError
            The service cannot be reached, stays busy, or asks for credentials.
        LayerNotFoundError
            There is nothing at the address.
        LayerError
            It refuses, sends a web page or more than ``max_mb``, or leads to another host.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return read(self._fetched(url, accept))
            except MayPassError as error:
                wait_s = _FIRST_WAIT_S * 2**attempt if error.wait_s is None else error.wait_s
                reason, n = error.reason, attempt + 1
            if n == _ATTEMPTS or wait_s > _LONGEST_WAIT_S:
                break
            time.sleep(wait_s)
        asked = Text(zh=f"已尝试 {n} 次", en=f"asked {n} times")
        if wait_s > _LONGEST_WAIT_S:
            asked = Text(zh=f"服务要求等待 {wait_s:.0f} 秒", en=f"it asks to come back in {wait_s:.0f} s")
        raise self._unavailable(Text(zh=f"{reason.zh}（{asked.zh}）；请稍后再试",
                                     en=f"{reason.en} ({asked.en}); try again later"))

    def error(self, text: Text) -> LayerError:
        """Return the error that the service is not as it should be."""
        return LayerError(*self._sentence(text))

    def _unavailable(self, text: Text) -> LayerUnavailableError:
        return LayerUnavailableError(*self._sentence(text))

    def _sentence(self, text: Text) -> tuple[str, str]:
        # A service may repeat in its complaint what it was sent.
        return (self._secrets.hidden(f"layer {self._spec.name!r}: {self.place} {text.en}"),
                self._secrets.hidden(f"图层 {self._spec.name!r}：{self.place} {text.zh}"))

    def within(self, url: str) -> str:
        """Return an address that the service names, if it is on its host.

        Raises
        ------
        LayerError
            It is not.
        """
        if is_same_host(self.url, url):
            return url
        other = urlsplit(url).netloc.rpartition("@")[2]
        raise self.error(Text(
            zh=f"的链接指向另一主机 {other}，未予访问；请该服务的管理者改正其公开地址，或将 url 改为该主机",
            en=f"leads to another host, {other}, which is not asked; have its operator correct its public address, or "
               "name that host as url"))

    def _fetched(self, url: str, accept: str) -> Answer:
        for _ in range(_MOST_REDIRECTS):
            plain = self._secrets.without(self.within(url))
            # What requests says of a failure holds the whole address, so that no trace of it is kept: from None.
            try:
                with self._session.get(self._secrets.added(plain), headers={"Accept": accept}, stream=True,
                                       timeout=(_CONNECT_S, self._timeout_s), allow_redirects=False) as response:
                    if response.is_redirect:
                        url = urljoin(plain, str(response.headers["Location"]))
                        continue
                    content = self._body(response)
            except requests.exceptions.SSLError:
                raise self._unavailable(Text(
                    zh="的证书不受信任；请将 REQUESTS_CA_BUNDLE 设为单位根证书的文件",
                    en="has a certificate that is not trusted; set REQUESTS_CA_BUNDLE to the file of your authority's "
                       "root certificate")) from None
            except requests.exceptions.Timeout:
                raise MayPassError(Text(zh=f"超过 {self._timeout_s:g} 秒没有回应",
                                        en=f"gives no answer within {self._timeout_s:g} s")) from None
            except requests.exceptions.RequestException:
                raise MayPassError(Text(zh="无法连接，或应答中断", en="cannot be reached, or breaks off its answer")
                                   ) from None
            self._check_status(response, content, plain)
            found = str(response.headers.get("Content-Crs", "")).strip().strip("<>")
            return Answer(url=plain, content=content, crs=found)
        raise self.error(Text(zh=f"重定向超过 {_MOST_REDIRECTS} 次；请检查 url",
                              en=f"redirects more than {_MOST_REDIRECTS} times; check url"))

    def _body(self, response: requests.Response) -> bytes:
        ends, blocks = time.monotonic() + _SLOWEST * self._timeout_s, []
        for block in response.iter_content(_BLOCK):
            blocks.append(block)
            self._left -= len(block)
            if self._left < 0:
                raise self.error(Text(
                    zh=f"的数据超过 {self._most_mb:g} MB；请缩小范围，或在 options 中调高 max_mb",
                    en=f"sends more than {self._most_mb:g} MB; narrow what is read, or raise max_mb in options"))
            if time.monotonic() > ends:
                raise self._unavailable(Text(zh="应答过慢；请在 options 中调高 timeout_s",
                                             en="answers too slowly; raise timeout_s in options"))
        return b"".join(blocks)

    def _check_status(self, response: requests.Response, content: bytes, url: str) -> None:
        status = response.status_code
        if status == 200:
            return
        reason = said(content)
        tail_zh, tail_en = (f"：{reason}", f": {reason}") if reason else ("", "")
        if status in _PASSING:
            raise MayPassError(Text(zh=f"返回状态 {status}{tail_zh}", en=f"answers with status {status}{tail_en}"),
                               retry_after_s(str(response.headers.get("Retry-After", ""))))
        if status in (401, 403):
            raise self._unavailable(Text(zh=f"要求身份验证（状态 {status}）；{REMEDY.zh}",
                                         en=f"asks for credentials (status {status}); {REMEDY.en}"))
        if status in (404, 410):
            raise LayerNotFoundError(*self._sentence(Text(zh=f"没有 {shown(url)}{tail_zh}；请检查 url 与 table",
                                                          en=f"has no {shown(url)}{tail_en}; check url and table")))
        raise self.error(Text(zh=f"拒绝请求（状态 {status}）{tail_zh}；请检查 url 与 table",
                              en=f"refuses (status {status}){tail_en}; check url and table"))

    def web_page(self) -> LayerError:
        """Return the error that a web page came in place of data."""
        return self.error(Text(
            zh="返回的是网页而非数据（可能是登录页）；请将 url 改为服务本身的地址，需要身份验证时" + REMEDY.zh,
            en="answers with a web page and not with data (a login page?); give the address of the service itself as "
               f"url, and where it asks for credentials {REMEDY.en}"))

    def json_object(self, answer: Answer) -> dict[str, Any]:
        """Return the JSON object that an answer holds.

        Raises
        ------
        MayPassError
            The answer is cut off.
        LayerError
            It is something else.
        """
        if answer.kind == "HTML":
            raise self.web_page()
        if reason := said(answer.content) if answer.kind.startswith("XML") else "":
            raise self.error(Text(zh=f"报告错误：{reason}；请检查 url 与 table",
                                  en=f"reports: {reason}; check url and table"))
        try:
            found = json.loads(answer.content.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            raise MayPassError(Text(zh="返回的 JSON 不完整或有误", en="answers with JSON that is cut off or broken")
                               ) from None
        if not isinstance(found, dict):
            raise self.error(Text(zh="返回的 JSON 不是对象；请检查 url",
                                  en="answers with JSON that is no object; check url"))
        return found


def said(content: bytes) -> str:
    """Return what a service complains of in JSON or XML, short enough for a sentence; nothing for what is neither."""
    text = content[:_BLOCK].decode("utf-8", errors="replace")
    found = _SAID.search(text)
    if found:
        reason = html.unescape(found[1].removeprefix("<![CDATA[").removesuffix("]]>"))
    else:
        try:
            given = json.loads(text)
            reason = next(str(given[key]) for key in ("description", "detail", "title", "message") if given.get(key))
        except (ValueError, AttributeError, StopIteration, RecursionError):
            return ""
    return " ".join(reason.split())[:_LONGEST_REASON].rstrip(".; 。；")
