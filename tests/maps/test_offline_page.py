"""Pages carry their assets, and an address that is not vendored stops the run."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import folium
import pytest

from gis.errors import ExportError
from maps.offline_page import inline_assets, seal, vendored_files

VENDOR = files("maps") / "vendor"


@pytest.mark.parametrize("entry", vendored_files(), ids=lambda entry: entry.file)
def test_vendored_file_is_the_one_in_the_manifest(entry):
    assert hashlib.sha256((VENDOR / entry.file).read_bytes()).hexdigest() == entry.sha256


def test_every_vendored_file_is_in_the_manifest():
    listed = {entry.file for entry in vendored_files()}
    root = VENDOR
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert found - listed == {"manifest.toml"}


def test_every_vendored_package_has_its_licence_at_hand():
    for package in {entry.package for entry in vendored_files()}:
        assert "Copyright" in (VENDOR / "licences" / f"{package}.txt").read_text(encoding="utf-8")


def test_stock_folium_page_loses_every_external_address():
    page = inline_assets(folium.Map([34.7, 113.6], tiles=None).get_root().render())
    assert "cdn.jsdelivr" not in page
    assert "<script src" not in page
    assert "<link" not in page
    assert "Leaflet 1.9.4" in page
    assert "sourceMappingURL" not in page
    assert "data:image/png;base64," in page


def test_plugin_without_a_vendored_file_is_an_error_that_names_it():
    frame = folium.Map([34.7, 113.6], tiles=None)
    frame.add_js_link("unknown", "https://example.org/plugin.js")
    try:
        with pytest.raises(ExportError) as caught:
            inline_assets(frame.get_root().render())
    finally:
        folium.Map.default_js.remove(("unknown", "https://example.org/plugin.js"))
    assert "https://example.org/plugin.js" in str(caught.value)
    assert "https://example.org/plugin.js" in caught.value.message("zh")


def test_popup_that_needs_a_dropped_library_is_an_error():
    frame = folium.Map([34.7, 113.6], tiles=None)
    folium.Marker([34.7, 113.6], popup="text", icon=folium.DivIcon()).add_to(frame)
    with pytest.raises(ExportError, match=r"folium\.Popup"):
        inline_assets(frame.get_root().render())


@pytest.mark.parametrize("tag", [
    '<img src="https://example.org/a.png">', "<iframe src='//example.org'></iframe>",
    '<link rel="stylesheet" href="http://example.org/a.css">', "<script async src='/local.js'></script>",
])
def test_other_loads_are_errors(tag):
    with pytest.raises(ExportError, match="from the network"):
        inline_assets(f"<html><body>{tag}</body></html>")


def test_relative_links_in_data_are_left_alone():
    page = "<html><body><a href='https://example.org'>x</a><script>const a = 1;</script></body></html>"
    assert inline_assets(page) == page


def test_seal_names_the_scripts_by_hash_and_forbids_the_network():
    page = seal("<html><head></head><body><script>const a = 1;</script>"
                '<script type="application/octet-stream">AAAA</script></body></html>')
    assert "default-src 'none'" in page
    # sha256 of "const a = 1;" in base64, as browsers compute it.
    assert "'sha256-" + _digest("const a = 1;") + "'" in page
    assert _digest("AAAA") not in page
    assert page.index("charset") < 1024


def _digest(text: str) -> str:
    import base64
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
