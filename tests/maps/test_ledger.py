from __future__ import annotations

import csv
from pathlib import Path

from shapely import box

from gis.bilingual import Text
from layers.types import CityLayers, LayerProvenance, Ledger, Remark
from maps.ledger import COLUMNS, write_ledger


def _layers(*provenance: LayerProvenance) -> CityLayers:
    return CityLayers(metric_crs="EPSG:4547", frames={}, rasters={}, provenance=provenance,
                      area_of_interest=box(0, 0, 1, 1))


def _remark(name: str, action: str) -> Remark:
    return Remark(name, action, Text(zh=f"原因 {name}", en=f"reason, {name}"))  # type: ignore[arg-type]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_repair_rejection_and_note_has_its_line(tmp_path: Path) -> None:
    parcels = LayerProvenance(
        layer="parcels", source="vector_file", certainty="real", path="/home/someone/secret/地块.gpkg",
        ledger=Ledger(read=5, accepted=3, repaired=1, rejected=1, remarks=(
            _remark("#2", "rejected"), _remark("b", "repaired")), notes=(_remark("c", "noted"),)))
    plain = LayerProvenance(layer="hubs", source="inline", certainty="real", ledger=Ledger(2, 2))
    roads = LayerProvenance(layer="roads", source="vector_file", certainty="real", path="C:\\data\\r.shp",
                            ledger=Ledger(1, 0, 0, 1, (_remark("=cmd()", "rejected"),)))
    path = write_ledger(_layers(parcels, plain, roads), tmp_path / "ledger.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbflayer,source,file,feature_id,action,reason,reason_en\n")
    rows = _read(path)
    assert [(r["layer"], r["feature_id"], r["action"]) for r in rows] == [
        ("parcels", "#2", "rejected"), ("parcels", "b", "repaired"), ("parcels", "c", "noted"),
        ("roads", "'=cmd()", "rejected")]
    assert [r["file"] for r in rows] == ["地块.gpkg"] * 3 + ["r.shp"]
    assert (rows[0]["reason"], rows[0]["reason_en"]) == ("原因 #2", "reason, #2")
    assert b"someone" not in path.read_bytes()


def test_nothing_to_tell_is_a_heading(tmp_path: Path) -> None:
    path = write_ledger(_layers(), tmp_path / "ledger.csv")
    assert path.read_text(encoding="utf-8-sig") == ",".join(COLUMNS) + "\n"
