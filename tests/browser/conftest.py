"""Chromium, a page opened without network, and the studies that the tests of pages are made from."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
                None)


def load_module(path: Path) -> ModuleType:
    """Load a module of the tests by its file: test folders are no packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class OpenPage:
    """A page with everything that it asked for and complained of."""

    page: sync_api.Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def popup(self) -> str:
        self.page.wait_for_selector(".leaflet-popup-content .explain")
        # One that is being closed fades away beside the new one.
        return self.page.locator(".leaflet-popup-content").last.inner_text()

    def checked(self) -> None:
        """Assert that nothing was asked of the network and nothing went wrong."""
        assert [url for url in self.requests if not url.startswith("file://")] == []
        assert len(self.requests) == 1
        assert self.complaints == []


class Pages:
    """Opens pages in one Chromium."""

    def __init__(self, browser: sync_api.Browser) -> None:
        self.browser = browser
        self.opened: list[OpenPage] = []

    def open(self, path: Path, *, width: int = 1400, height: int = 900, offline: bool = True,
             ready: str = "() => window.suanzhi.ready") -> OpenPage:
        context = self.browser.new_context(offline=offline, viewport={"width": width, "height": height},
                                           accept_downloads=True)
        seen = OpenPage(context.new_page())
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("console", lambda message: seen.complaints.append(message.text))
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on("dialog", lambda dialog: (seen.complaints.append("dialog " + dialog.message), dialog.dismiss()))
        seen.page.goto(path.as_uri())
        seen.page.evaluate(ready)
        self.opened.append(seen)
        return seen

    def close(self) -> None:
        for seen in self.opened:
            seen.page.context.close()
        self.opened.clear()


# One for each module and not for the session: Playwright allows one at a time, and tests elsewhere open their own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[sync_api.Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def pages(chromium) -> Iterator[Pages]:
    opener = Pages(chromium)
    yield opener
    opener.close()


@pytest.fixture(scope="session")
def small_study() -> ModuleType:
    """Give the hand-made study of the tests of maps, which live in another folder."""
    return load_module(Path(__file__).resolve().parents[1] / "maps" / "conftest.py")


@pytest.fixture(scope="session")
def planned_study() -> ModuleType:
    return load_module(Path(__file__).with_name("planned_study.py"))


@pytest.fixture(scope="session")
def planned_files(tmp_path_factory: pytest.TempPathFactory, small_study: ModuleType, planned_study: ModuleType) -> Path:
    """Write the map of the small study with every plan on it, in both languages."""
    from maps.folium_map import render_map

    folder = tmp_path_factory.mktemp("planned")
    result = planned_study.with_plans(small_study.build_small_result())
    for language in ("zh", "en"):
        (folder / f"{language}.html").write_text(render_map(result, language=language), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def many_parcels() -> ModuleType:
    return load_module(Path(__file__).with_name("many_parcels.py"))
