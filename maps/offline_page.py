"""Turn a page that names its scripts and styles by address into one that carries them.

folium writes ``<script src="https://...">`` and ``<link href="https://...">``. Each such address is looked up
in ``vendor/manifest.toml`` and replaced by the file's text. What folium adds by default and the map does not use is
taken out. An address that is neither is an error: a page that would ask the network for anything is never written.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from gis.errors import ExportError

UNUSED_DEFAULTS = (
    r"/jquery[-/.\d]*(/jquery)?[-.\d]*(\.min)?\.js$",
    r"/bootstrap(\.bundle)?\.min\.(js|css)$",
    r"/bootstrap-glyphicons\.css$",
    r"/leaflet\.awesome-markers\.(js|css)$",
    r"/leaflet\.awesome\.rotate(\.min)?\.css$",
    r"/fontawesome-free@[\d.]+/css/all\.min\.css$",
)
"""Addresses that folium names on every page and that only ``folium.Popup`` and ``folium.Icon`` need."""

_NEEDS_UNUSED = re.compile(r"\$\(`|L\.AwesomeMarkers|data-bs-toggle")
"""What folium writes where one of the above is needed after all."""

_SCRIPT = re.compile(r'<script\b[^>]*?\bsrc\s*=\s*["\']([^"\']+)["\'][^>]*>\s*</script>', re.IGNORECASE)
_LINK = re.compile(r"<link\b[^>]*>", re.IGNORECASE)
_HREF = re.compile(r'\bhref\s*=\s*["\']([^"\']+)["\']', re.IGNORECASE)
_OTHER_LOADS = re.compile(
    r'<(?:img|iframe|source|video|audio|embed|object|use|image)\b[^>]*?\b(?:src|href|data)\s*=\s*["\']?'
    r'((?:https?:)?//[^"\'\s>]+)', re.IGNORECASE)
_CSS_URL = re.compile(r"url\(\s*([\"']?)(?!data:|#)([^)\"']+)\1\s*\)")
_INLINE_SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VendoredFile:
    """A file of browser code that ships with the product."""

    package: str
    """npm package."""

    file: str
    """Path below ``maps/vendor``."""

    sha256: str
    """Hash of the file."""

    url: str = ""
    """Regular expression of the addresses that it stands in for; empty for pictures and licences."""


def vendor_root() -> Traversable:
    """Return the folder of vendored browser code."""
    return files("maps") / "vendor"


@cache
def vendored_files() -> tuple[VendoredFile, ...]:
    """Read the list of vendored files."""
    manifest = tomllib.loads((vendor_root() / "manifest.toml").read_text(encoding="utf-8"))
    return tuple(VendoredFile(entry["package"], entry["file"], entry["sha256"], entry.get("url", ""))
                 for entry in manifest["files"])


def inline_assets(html: str) -> str:
    """Return ``html`` with every script and style sheet inside it.

    Parameters
    ----------
    html
        A page as folium renders it, without plugins that are not vendored.

    Raises
    ------
    ExportError
        The page names an address without a vendored file, loads a picture or frame from the network, or uses
        a part of folium (``folium.Popup``, ``folium.Icon``) whose library is taken out.
    """
    unknown = [match.group(1) for match in _OTHER_LOADS.finditer(html)]

    def script(match: re.Match[str]) -> str:
        return _replacement(match.group(0), match.group(1), unknown)

    def link(match: re.Match[str]) -> str:
        href = _HREF.search(match.group(0))
        return _replacement(match.group(0), href.group(1), unknown) if href else match.group(0)

    page = _LINK.sub(link, _SCRIPT.sub(script, html))
    if unknown:
        named = ", ".join(sorted(set(unknown)))
        raise ExportError(
            f"the map page would load {named} from the network; add the file to maps/vendor/manifest.toml or leave "
            "out the part that needs it",
            f"地图页面需要从网络加载 {named}；请将该文件加入 maps/vendor/manifest.toml，或去掉用到它的部分")
    if found := _NEEDS_UNUSED.search(html):
        raise ExportError(
            f"the map page uses {found.group(0)!r}, whose library is not part of offline pages; draw it without "
            "folium.Popup and folium.Icon",
            f"地图页面用到 {found.group(0)!r}，离线页面不含其程序库；请勿使用 folium.Popup 与 folium.Icon")
    return page


def seal(html: str, pictures: Sequence[str] = ()) -> str:
    """Add a content security policy: only the scripts that are in the page now may run, and nothing may be fetched.

    The scripts are named by their hashes, so that markup which a layer's text might smuggle in stays inert.
    """
    hashes = []
    for match in _INLINE_SCRIPT.finditer(html):
        if "type=" not in match.group("attributes"):
            digest = hashlib.sha256(match.group("text").encode("utf-8")).digest()
            hashes.append(f"'sha256-{base64.b64encode(digest).decode()}'")
    policy = ("default-src 'none'; script-src " + " ".join(dict.fromkeys(hashes))
              + "; style-src 'unsafe-inline'; img-src " + " ".join(["data:", *pictures])
              + "; base-uri 'none'; form-action 'none'")
    # The charset must stand in the first kilobyte, before the hashes.
    head = f'<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return html.replace("<head>", head, 1)


def _replacement(tag: str, url: str, unknown: list[str]) -> str:
    """Return what stands in place of ``tag``; an unknown address goes onto the list."""
    if url.startswith("data:"):
        return tag
    if any(re.search(pattern, url) for pattern in UNUSED_DEFAULTS):
        return ""
    for entry in vendored_files():
        if entry.url and re.search(entry.url, url):
            return _style_tag(entry.file) if entry.file.endswith(".css") else _script_tag(entry.file)
    unknown.append(url)
    return tag


def _script_tag(file: str) -> str:
    text = (vendor_root() / file).read_text(encoding="utf-8")
    # A source map would be fetched by the browser's tools; "</script" inside a string would end the element.
    text = re.sub(r"//# sourceMappingURL=\S+", "", text).replace("</script", "<\\/script")
    return f"<script>{text}</script>"


def _style_tag(file: str) -> str:
    text = (vendor_root() / file).read_text(encoding="utf-8")
    folder = file.rpartition("/")[0]

    def picture(match: re.Match[str]) -> str:
        return f'url("{_data_uri(f"{folder}/{match.group(2)}")}")'

    return f"<style>{_CSS_URL.sub(picture, text)}</style>"


def _data_uri(file: str) -> str:
    kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
    return f"data:{kind};base64," + base64.b64encode((vendor_root() / file).read_bytes()).decode("ascii")
