"""Asks a live server of OpenStreetMap (Overpass API) through osmnx, with the manners that osmnx lacks.

osmnx builds the query and sends it. Left alone it would answer a busy server by sleeping 55 s and trying again without
end, ask a DNS server on the internet, and leave ``socket.getaddrinfo`` of the whole process replaced. Here each answer
is looked through as it arrives, before osmnx acts on it: attempts are counted, waits grow and follow the server's word,
and an answer that is cut short, of the wrong kind or marked as incomplete is never taken for data.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import shapely

from gis.bilingual import Text
from gis.errors import LayerUnavailableError, UsageError
from gis.rasters import Bounds
from layers.sources.retry_after import retry_after_s

ENDPOINT = "https://overpass-api.de/api"
"""Public server that is asked if no other is named."""

_BUSY = frozenset({429, 502, 503, 504})
_TOO_BIG = re.compile(r"query (timed out|run out of memory)|out of memory", re.IGNORECASE)
_LONGEST_BODY = 2 << 30
_BLOCK = 1 << 16
_LONGEST_STATUS = 1 << 16
_STATUS_TIMEOUT_S = 10.0
_DAY_S = 86_400.0
_SETTINGS = threading.Lock()

_FROM_PROVIDER = Text(zh="请改用其他服务器（--endpoint），或稍后再试",
                      en="name another server (--endpoint), or try later")
_CHECK_ADDRESS = Text(zh="请检查网络与地址（--endpoint）；离线环境请改用 .osm.pbf 文件（source = \"osm_file\"）",
                      en='check the network and the address (--endpoint); offline, use an .osm.pbf file (source = '
                         '"osm_file")')


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """Whom to ask, and how patiently.

    Raises
    ------
    UsageError
        The address is none of the web, or a number makes no sense.
    """

    endpoint: str = ENDPOINT
    """Address of the API, without ``/interpreter``."""

    timeout_s: float = 180.0
    """How long the server may work on one query, and how long it may be silent."""

    n_attempts: int = 5
    """How often one query is sent at most."""

    first_wait_s: float = 5.0
    """Wait before the second attempt; it doubles with each further one."""

    longest_wait_s: float = 300.0
    """A server that asks for more patience than this is given up."""

    user_agent: str = "suanzhi"
    """What the product calls itself; also its referer."""

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.endpoint)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            is_address = False
        if not is_address:
            raise UsageError(f"{shown(self.endpoint)!r} is no address of an Overpass API; write it like {ENDPOINT}",
                             f"{shown(self.endpoint)!r} 不是 Overpass API 地址；写法如 {ENDPOINT}")
        # Written so that what is no number fails too.
        if not (1 <= self.n_attempts <= 100 and 1.0 <= self.timeout_s <= _DAY_S
                and 0.0 <= self.first_wait_s <= _DAY_S and 0.0 <= self.longest_wait_s <= _DAY_S):
            raise UsageError("attempts must be 1 to 100, the timeout 1 s to a day, waits 0 s to a day",
                             "尝试次数须为 1 至 100，时限须为 1 秒至一天，等待时间须为 0 秒至一天")

    @property
    def base(self) -> str:
        """Return the address that osmnx wants."""
        return self.endpoint.rstrip("/").removesuffix("/interpreter")


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """What a server answered to one query."""

    elements: list[Any]
    """Objects as JSON has them, not yet checked one by one."""

    data_time: str
    """State of the data ("2026-11-20T08:00:00Z"); empty where the server does not say."""


class TooBigError(Exception):
    """The server gave up on an area; smaller ones may do."""


class _Trouble(Exception):  # noqa: N818 - an answer that is none is no error yet: the next one may be good
    """An answer that is no data."""

    def __init__(self, what: Text, remedy: Text = _FROM_PROVIDER, *, may_pass: bool = False, wait_s: float = 0.0,
                 is_too_big: bool = False) -> None:
        super().__init__(what.en)
        self.what, self.remedy = what, remedy
        self.may_pass, self.wait_s, self.is_too_big = may_pass, wait_s, is_too_big


@dataclass(eq=False)
class Overpass:
    """A server, asked one query after another."""

    manners: Manners = field(default_factory=Manners)
    """Whom and how."""

    wait: Callable[[float], None] = time.sleep
    """Lets seconds pass."""

    _has_answered: bool = False

    def ask(self, box: Bounds, tags: Mapping[str, list[str] | bool]) -> Answer:
        """Return every object with one of the tags in an area, and what these objects rest on.

        Parameters
        ----------
        box
            Longitude and latitude: west, south, east, north.
        tags
            Key to values, or to True for any.

        Returns
        -------
        Answer
            No objects is an answer like any other.

        Raises
        ------
        TooBigError
            The area holds more than the server works through.
        LayerUnavailableError
            The server cannot be reached, refuses, or gives no whole answer however often it is asked.
        """
        for attempt in range(1, self.manners.n_attempts + 1):
            try:
                self._wait_for_slot()
                answer = self._asked(box, tags)
            except _Trouble as trouble:
                if trouble.is_too_big:
                    raise TooBigError(trouble.what.en) from trouble
                wait_s = max(self.manners.first_wait_s * 2.0 ** (attempt - 1), trouble.wait_s)
                is_last = attempt == self.manners.n_attempts or trouble.wait_s > self.manners.longest_wait_s
                if is_last or not trouble.may_pass:
                    raise self._given_up(trouble, attempt) from trouble
                self.wait(min(wait_s, self.manners.longest_wait_s))
            else:
                return answer
        raise AssertionError("at least one attempt is made")

    def _asked(self, box: Bounds, tags: Mapping[str, list[str] | bool]) -> Answer:
        """Send the query once, by osmnx."""
        import osmnx
        import requests
        from osmnx._errors import CacheOnlyInterruptError

        answers: list[Answer] = []

        def look(response: Any, *_: Any, **__: Any) -> None:
            connection = response.raw
            try:
                answers.append(_looked_through(response, self.manners.timeout_s))
            except _Trouble:
                connection.close()
                raise

        try:
            # With cache_only_mode osmnx stops once it has the answers: its own geometries are not wanted, for they
            # drop what cannot be drawn without a word.
            with _osmnx_settings(
                    overpass_url=self.manners.base, overpass_rate_limit=False, doh_url_template=None, use_cache=False,
                    cache_only_mode=True, max_query_area_size=1e15, requests_timeout=self.manners.timeout_s,
                    overpass_settings=f"[out:json][timeout:{int(self.manners.timeout_s)}]",
                    http_user_agent=self.manners.user_agent, http_referer=self.manners.user_agent,
                    requests_kwargs={"hooks": {"response": look}, "allow_redirects": False}):
                osmnx.features_from_polygon(shapely.box(*box), dict(tags))
        except CacheOnlyInterruptError:
            return answers[-1]
        except requests.exceptions.ConnectTimeout as error:
            raise self._unreachable(error) from error
        except requests.exceptions.Timeout as error:
            raise _Trouble(_silent(self.manners.timeout_s), may_pass=True) from error
        except requests.exceptions.RequestException as error:
            raise self._unreachable(error) from error
        raise AssertionError("osmnx stops once it has an answer")

    def _wait_for_slot(self) -> None:
        """Ask the server whether it has a place for us, and wait until it has."""
        import requests
        from urllib3.exceptions import HTTPError

        timeout_s = min(self.manners.timeout_s, _STATUS_TIMEOUT_S)
        try:
            with requests.get(f"{self.manners.base}/status", stream=True, allow_redirects=False, timeout=timeout_s,
                              headers={"User-Agent": self.manners.user_agent,
                                       "Referer": self.manners.user_agent}) as response:
                self._has_answered = True
                text = _body(response, timeout_s, _LONGEST_STATUS).decode("utf-8", "replace") if response.ok else ""
        except requests.exceptions.ConnectionError as error:
            raise self._unreachable(error) from error
        except (requests.exceptions.Timeout, _Trouble):
            return  # A status that cannot be read is none; the query itself will tell.
        except (requests.exceptions.RequestException, HTTPError) as error:
            raise self._unreachable(error) from error
        seconds = slot_wait_s(text)
        if seconds > self.manners.longest_wait_s:
            raise _Trouble(Text(zh=f"须等待 {seconds:g} 秒才有空位", en=f"it has no place for us for {seconds:g} s"))
        if seconds:
            self.wait(seconds)

    def _unreachable(self, error: Exception) -> _Trouble:
        reason = _reason(error)
        # Of a server that has never answered, more attempts would but keep the user waiting.
        return _Trouble(Text(zh=f"无法连接（{reason}）", en=f"it cannot be reached ({reason})"), _CHECK_ADDRESS,
                        may_pass=self._has_answered)

    def _given_up(self, trouble: _Trouble, attempts: int) -> LayerUnavailableError:
        where = shown(self.manners.base)
        often_en = f" after {attempts} attempts" if attempts > 1 else ""
        often_zh = f"（已尝试 {attempts} 次）" if attempts > 1 else ""
        return LayerUnavailableError(
            f"the server {where} gives no data{often_en}: {trouble.what.en}; {trouble.remedy.en}",
            f"服务器 {where} 未返回数据{often_zh}：{trouble.what.zh}；{trouble.remedy.zh}")


def shown(address: str) -> str:
    """Return an address without the name and password that it may hold."""
    scheme, mark, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def slot_wait_s(status: str) -> float:
    """Return how long to wait for a place, by the status page of an Overpass API.

    Parameters
    ----------
    status
        Lines such as ``"Rate limit: 2"`` and ``"Slot available after: 2026-11-20T00:00:25Z, in 25 seconds."``

    Returns
    -------
    float
        Seconds; 0 for a free place and for a page that says nothing of places.
    """
    free = re.search(r"(\d+) slots? available now", status)
    if (free and int(free[1]) > 0) or re.search(r"Rate limit: 0\b", status):
        return 0.0
    waits = [int(found) for found in re.findall(r"Slot available after: [^,\n]*, in (-?\d{1,9}) seconds", status)]
    return float(max(min(waits), 1)) if waits else 0.0


@contextmanager
def _osmnx_settings(**wanted: Any) -> Iterator[None]:
    """Set osmnx for one query and leave the process as it was."""
    from osmnx import settings

    with _SETTINGS:
        before, resolver = {name: getattr(settings, name) for name in wanted}, socket.getaddrinfo
        try:
            for name, value in wanted.items():
                setattr(settings, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(settings, name, value)
            socket.getaddrinfo = resolver


def _looked_through(response: Any, timeout_s: float) -> Answer:
    """Return what an HTTP answer holds, and leave it so that it can be read once more.

    Raises
    ------
    _Trouble
        It holds no whole data.
    """
    if response.status_code in _BUSY:
        raise _Trouble(Text(zh=f"服务器繁忙（HTTP {response.status_code}）",
                            en=f"it is busy (HTTP {response.status_code})"),
                       may_pass=True, wait_s=retry_after_s(response.headers.get("Retry-After", "")) or 0.0)
    if response.is_redirect:
        target = shown(response.headers["Location"])[:200]
        raise _Trouble(Text(zh=f"它转到 {target}", en=f"it sends us on to {target}"),
                       Text(zh="若该地址可信，请直接写明（--endpoint）",
                            en="if you trust that address, name it (--endpoint)"))
    body = _body(response, timeout_s)
    response.raw = BytesIO(body)
    response.headers.pop("Content-Encoding", None)
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not response.ok:
        said = _plain(body)
        raise _Trouble(Text(zh=f"它以 HTTP {response.status_code} 拒绝（{said}）",
                            en=f"it refuses with HTTP {response.status_code} ({said})"), _CHECK_ADDRESS)
    if "json" not in kind:
        raise _Trouble(Text(zh=f"它返回的是 {kind or '未注明类型的内容'}，不是 JSON（可能是登录页或代理页）",
                            en=f"it sends {kind or 'content of no stated kind'}, not JSON (a login page or a proxy?)"),
                       _CHECK_ADDRESS)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Trouble(Text(zh="返回的 JSON 不完整", en="its JSON is cut short"), may_pass=True) from error
    return _answer(content)


def _answer(content: Any) -> Answer:
    """Return the objects of an answer that is complete by its own word."""
    if not isinstance(content, dict) or not isinstance(content.get("elements"), list):
        raise _Trouble(Text(zh="返回的 JSON 中没有 elements", en="its JSON has no elements"), _CHECK_ADDRESS)
    if "remark" in content:
        said = _plain(str(content["remark"]).encode("utf-8", "replace"))
        raise _Trouble(Text(zh=f"结果不完整，服务器说明：{said}", en=f"the result is incomplete: {said}"),
                       may_pass=True, is_too_big=bool(_TOO_BIG.search(said)))
    about = content.get("osm3s")
    stated = str(about.get("timestamp_osm_base", "")) if isinstance(about, dict) else ""
    return Answer(content["elements"],
                  stated if re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", stated, flags=re.ASCII) else "")


def _body(response: Any, timeout_s: float, longest: int = _LONGEST_BODY) -> bytes:
    """Return the whole body; a server that drips it, or sends without end, is not waited for."""
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    ends, blocks, n_bytes = time.monotonic() + timeout_s, [], 0
    try:
        # read1 returns whatever is there; read would wait for a whole block from a server that drips.
        while block := response.raw.read1(_BLOCK, decode_content=True):
            blocks.append(block)
            n_bytes += len(block)
            if time.monotonic() > ends:
                raise _Trouble(_silent(timeout_s), may_pass=True)
            if n_bytes > longest:
                raise _Trouble(Text(zh=f"答复超过 {longest} 字节", en=f"its answer is longer than {longest} bytes"),
                               is_too_big=True)
    except ReadTimeoutError as error:
        raise _Trouble(_silent(timeout_s), may_pass=True) from error
    except (HTTPError, OSError) as error:
        reason = _reason(error)
        raise _Trouble(Text(zh=f"传输中断（{reason}）", en=f"the transfer broke off ({reason})"),
                       may_pass=True) from error
    return b"".join(blocks)


def _silent(timeout_s: float) -> Text:
    return Text(zh=f"{timeout_s:g} 秒内没有完整答复（--timeout）",
                en=f"no whole answer within {timeout_s:g} s (--timeout)")


def _plain(body: bytes) -> str:
    """Return the first words of a page, without its tags, on one line."""
    text = re.sub(r"<[^>]*>", " ", body[:4000].decode("utf-8", "replace"))
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    return " ".join(words)[:200] or "-"


def _reason(error: BaseException) -> str:
    """Return what lies at the bottom of a network error, in a few words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return _plain(str(getattr(error, "strerror", "") or error or type(error).__name__).encode("utf-8", "replace"))
