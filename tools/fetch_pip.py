"""Puts pip into the environment that runs this file, from the package index, with the standard library alone."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import runpy
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

DEFAULT_INDEX = "https://pypi.org/simple"


def index_url() -> str:
    """Return the package index: PIP_INDEX_URL, pip's configuration files, or PyPI."""
    if os.environ.get("PIP_INDEX_URL"):
        return os.environ["PIP_INDEX_URL"].rstrip("/")
    config = configparser.ConfigParser()
    config.read(["/etc/pip.conf", Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf"])
    return config.get("global", "index-url", fallback=DEFAULT_INDEX).rstrip("/")


def newest_wheel(index: str) -> tuple[str, str]:
    """Return the address and sha256 of pip's newest wheel."""
    request = urllib.request.Request(f"{index}/pip/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        base, listing = response.url, json.load(response)
    wheels = [f for f in listing["files"] if f["filename"].endswith("-py3-none-any.whl") and not f.get("yanked")]
    released = [w for w in wheels if all(part.isdigit() for part in _version(w["filename"]))]
    newest = max(released, key=lambda w: [int(part) for part in _version(w["filename"])])
    return urllib.parse.urljoin(base, newest["url"]), newest["hashes"]["sha256"]


def _version(filename: str) -> list[str]:
    return filename.split("-")[1].split(".")


def main() -> None:
    """Fetch the wheel, check it, and let it install itself."""
    address, sha256 = newest_wheel(index_url())
    with urllib.request.urlopen(address, timeout=120) as response:
        content = response.read()
    if hashlib.sha256(content).hexdigest() != sha256:
        sys.exit("pip's wheel arrived damaged; try again")
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / address.rsplit("/", 1)[-1].split("#")[0]
        wheel.write_bytes(content)
        sys.path.insert(0, str(wheel))
        sys.argv = ["pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
        runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
