"""Puts pip into the environment that runs this file, from the package index, with the standard library alone."""

from __future__ import annotations

import configparser
import hashlib
import os
import runpy
import sys
import tempfile
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

DEFAULT_INDEX = "https://pypi.org/simple"


class Links(HTMLParser):
    """Collects the addresses of a package's page in the index (PEP 503)."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the address of a link that is not withdrawn."""
        found = dict(attrs)
        if tag == "a" and found.get("href") and "data-yanked" not in found:
            self.addresses.append(str(found["href"]))


def index_url() -> str:
    """Return the package index: PIP_INDEX_URL, pip's configuration files, or PyPI."""
    if os.environ.get("PIP_INDEX_URL"):
        return os.environ["PIP_INDEX_URL"].rstrip("/")
    config = configparser.ConfigParser()
    config.read(["/etc/pip.conf", Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf"])
    return config.get("global", "index-url", fallback=DEFAULT_INDEX).rstrip("/")


def newest_wheel(index: str) -> str:
    """Return the address of pip's newest wheel, with its hash behind a ``#``."""
    with urllib.request.urlopen(f"{index}/pip/", timeout=60) as response:
        base, page = response.url, response.read().decode()
    links = Links()
    links.feed(page)
    wheels = [a for a in links.addresses if _name(a).endswith("-py3-none-any.whl")
              and all(part.isdigit() for part in _version(a))]
    return urllib.parse.urljoin(base, max(wheels, key=lambda a: [int(part) for part in _version(a)]))


def _name(address: str) -> str:
    return urllib.parse.urlsplit(address).path.rsplit("/", 1)[-1]


def _version(address: str) -> list[str]:
    return _name(address).split("-")[1].split(".")


def main() -> None:
    """Fetch the wheel, check it, and let it install itself."""
    address = newest_wheel(index_url())
    with urllib.request.urlopen(address, timeout=120) as response:
        content = response.read()
    kind, _, expected = urllib.parse.urlsplit(address).fragment.partition("=")
    if kind == "sha256" and hashlib.sha256(content).hexdigest() != expected:
        sys.exit("pip's wheel arrived damaged; try again")
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / _name(address)
        wheel.write_bytes(content)
        sys.path.insert(0, str(wheel))
        sys.argv = ["pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
        runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
