"""The command ``suanzhi``: parses, calls the four rooms, sets the exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gis.bilingual import Language
from suanzhi.console import Console, guarded

app = typer.Typer(
    name="suanzhi", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="算址：数据中心与边缘数据中心选址布局。Siting and layout of data centres and edge centres.",
)


def _language(value: str) -> str:
    if value not in ("zh", "en"):
        raise typer.BadParameter("zh | en")
    return value


def _cities(incomplete: str) -> list[str]:
    # Looks at file names only: completion must answer at once.
    folder = Path(__file__).resolve().parent.parent / "siting" / "cities"
    return sorted(p.stem for p in folder.glob("*.toml") if p.stem.startswith(incomplete))


Lang = Annotated[str, typer.Option("--lang", callback=_language, help="输出语言 output language: zh | en")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="只输出结果 print results only")]
Debug = Annotated[bool, typer.Option("--debug", help="出错时显示调用栈 show the traceback of an error")]
City = Annotated[str, typer.Argument(help="城市 city", autocompletion=_cities)]


StudyName = Annotated[str, typer.Argument(help="城市名或方案文件 a city, or a study file (.toml)",
                                          autocompletion=_cities)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="输出目录 output folder (out/<study>)")]


def _written(console: Console, paths: tuple[Path, ...]) -> None:
    for path in paths:
        console.line(str(path))


def _console(lang: str, quiet: bool, debug: bool) -> Console:
    language: Language = "en" if lang == "en" else "zh"
    return Console(language=language, is_quiet=quiet, shows_traceback=debug)


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="城市名或方案文件 a city, or a study file (.toml)",
                                         autocompletion=_cities)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="输出目录 output folder (out/<study>)")] = None,
    n_parcels: Annotated[int | None, typer.Option("--n-parcels", min=1,
                                                  help="合成地块数量 size of the synthetic parcel layer")] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="权重文件（地图导出） weights saved from the map "
                                                                   "(.toml)")] = None,
    engine: Annotated[str, typer.Option("--engine", help="计算引擎 who works: serial | processes | dask")] = "",
    scheduler: Annotated[str, typer.Option("--scheduler", metavar="ADDRESS",
                                           help="Dask 调度器地址 scheduler of a Dask cluster")] = "",
    is_resumable: Annotated[bool, typer.Option("--resume", help="保留已完成的分区，并从中断处继续 keep finished "
                                                                "partitions and continue from them")] = False,
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """运行方案，输出地图、图层与报告。Run a study: map, layers, tables and report."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from gis.engines import engine_named
        # A scheduler that does not answer must not cost the user the reading of all layers.
        workers = engine_named(engine, scheduler)
        from suanzhi.running import run_and_write
        written = run_and_write(study, out, n_parcels, console, weights=weights, engine=workers,
                                is_resumable=is_resumable)
        console.result(written)


@app.command()
def check(
    study: Annotated[str, typer.Argument(help="城市名或方案文件 a city, or a study file (.toml)",
                                         autocompletion=_cities)],
    as_json: Annotated[bool, typer.Option("--json", help="以 JSON 输出 print as JSON")] = False,
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """逐图层检查方案数据，不做计算。Read every layer of a study and say what is wrong; compute nothing."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        import json

        from suanzhi import checking
        report = checking.check_study(study, console)
        console.close()
        if as_json:
            console.line(json.dumps(checking.record(report), ensure_ascii=False, indent=1))
        else:
            for line in checking.lines(report, console.language):
                console.line(line)
        raise typer.Exit(report.exit_code)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="存放方案文件的目录 folder for the study file")],
    city: Annotated[str, typer.Option("--city", "-c", help="城市 city", autocompletion=_cities)],
    scan: Annotated[Path | None, typer.Option("--scan", help="扫描该目录并给出图层建议 look at the files of a folder "
                                                             "and propose layers")] = None,
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """生成带注释的方案文件。Write a commented study file, with proposals from a folder of data."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from suanzhi.initialising import write_study
        console.line(str(write_study(folder, city, scan, console)))


@app.command()
def fetch(
    city: City,
    source: Annotated[str, typer.Option("--from", help="来源 source: osm")] = "osm",
    layers: Annotated[str, typer.Option("--layers", help="图层，以逗号分隔 layers, comma-separated (all)")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="目录 folder (store/<city>)")] = None,
    endpoint: Annotated[str, typer.Option("--endpoint", envvar="SUANZHI_OVERPASS", metavar="URL",
                                          help="Overpass API 地址 address")] = "",
    cache: Annotated[Path | None, typer.Option("--cache", envvar="SUANZHI_OSM_CACHE",
                                               help="分块缓存目录 folder of the tiles (OUT/.tiles)")] = None,
    starts_over: Annotated[bool, typer.Option("--refresh", help="重新获取全部内容 ask again for what is here")] = False,
    margin_km: Annotated[float, typer.Option("--margin-km", help="研究范围外扩 around the study area, km")] = 20.0,
    tile_km: Annotated[float | None, typer.Option("--tile-km", help="分块边长 side of a tile, km")] = None,
    timeout_s: Annotated[float, typer.Option("--timeout", envvar="SUANZHI_OVERPASS_TIMEOUT",
                                             help="单次查询时限 limit of one query, s")] = 180.0,
    attempts: Annotated[int, typer.Option("--attempts", envvar="SUANZHI_OVERPASS_ATTEMPTS",
                                          help="每次查询最多尝试次数 attempts per query")] = 5,
    wait_s: Annotated[float, typer.Option("--wait", envvar="SUANZHI_OVERPASS_WAIT",
                                          help="首次重试前的等待，之后逐次加倍 wait before the second attempt, then "
                                               "twice as long, s")] = 5.0,
    longest_wait_s: Annotated[float, typer.Option("--longest-wait", envvar="SUANZHI_OVERPASS_LONGEST_WAIT",
                                                  help="最长等待 longest wait, s")] = 300.0,
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """在线获取图层，存入本地供离线使用。Fetch layers from OpenStreetMap into a local store, for runs offline."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from layers.sources.osm_live import ENDPOINT, Manners
        from suanzhi import fetching
        fetching.require_source(source)
        manners = Manners(endpoint=endpoint or ENDPOINT, timeout_s=timeout_s, n_attempts=attempts,
                          first_wait_s=wait_s, longest_wait_s=longest_wait_s, user_agent=fetching.USER_AGENT)
        request = fetching.FetchRequest(
            city=city, layers=fetching.layers_of(layers), out=out, manners=manners, cache=cache,
            margin_km=margin_km, tile_km=tile_km, starts_over=starts_over)
        console.line(str(fetching.fetch_city(request, console)))


@app.command()
def explain(
    out: Annotated[Path, typer.Argument(help="输出目录 folder of a finished study")],
    parcel_id: Annotated[str, typer.Argument(help="地块编号 parcel id")],
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """说明某地块的得分或排除原因。Say why a parcel scored as it did, or was excluded."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from siting.explanation import read_explanation
        for explanation in read_explanation(out, parcel_id):
            for line in explanation.lines(console.language):
                console.line(line)
            console.line("")


@app.command()
def edge(study: StudyName, out: Out = None, lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False) -> None:
    """只布设边缘数据中心。Place edge centres alone: plan, coverage curve, feeds."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from suanzhi.part_runs import run_edge
        _written(console, run_edge(study, out, console))


@app.command()
def capacity(study: StudyName, out: Out = None, lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False) -> None:
    """只做容量布局。Lay the capacity target out over parcels, under land, power and policy."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from suanzhi.part_runs import run_capacity
        _written(console, run_capacity(study, out, console))


@app.command()
def estate(study: StudyName, out: Out = None, lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False) -> None:
    """判定现有数据中心的处置。Decide what must become of existing data centres."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from suanzhi.part_runs import run_estate
        _written(console, run_estate(study, out, console))


@app.command()
def layout(
    parcel_id: Annotated[str, typer.Argument(help="地块编号 parcel id")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="已完成方案的目录 folder of a finished study")] = None,
    it_load_kw: Annotated[float | None, typer.Option("--it-load-kw", min=1,
                                                     help="IT 负荷上限 IT load at most, kW")] = None,
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """在一个地块上排布园区。Lay a campus out on one parcel of a finished study."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from suanzhi.part_runs import run_layout
        _written(console, run_layout(parcel_id, out, it_load_kw, console))


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="已完成方案的目录 folder of a finished study")],
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """将方案报告打印为 PDF。Print the report of a finished study to PDF."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from maps.outputs import REPORT_FILE
        from maps.report_pdf import print_pdf
        console.line(str(out / REPORT_FILE))
        console.line(str(print_pdf(out / REPORT_FILE, (out / REPORT_FILE).with_suffix(".pdf"))))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="已完成方案的目录 folder of a finished study")],
    to: Annotated[str, typer.Option("--to", help="gpkg,shp,fgb,geojson,geojsonseq,geoparquet,kml,csv,xlsx,"
                                               "qgz,postgis")] = "gpkg,qgz",
    crs: Annotated[str, typer.Option("--crs", help="EPSG:4326 | 4490 | 4547 … | gcj02")] = "EPSG:4326",
    encoding: Annotated[str, typer.Option("--encoding", help="Shapefile 编码 encoding: utf-8 | gbk")] = "utf-8",
    dest: Annotated[Path | None, typer.Option("--dest", help="输出目录 folder to write to (OUT/export)")] = None,
    database: Annotated[str, typer.Option("--database", metavar="ADDRESS",
                                          help="PostGIS 地址，不含密码 address without password: service=NAME | "
                                               "postgresql://HOST/DB")] = "",
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """将已完成的方案转换为其他系统的格式。Write a finished study in other systems' formats."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from suanzhi.exporting import ExportRequest, export_study, formats_of
        request = ExportRequest(formats=formats_of(to), crs=crs, encoding=encoding, dest=dest, database=database)
        written = export_study(out, request, language=console.language, progress=console.progress)
        console.close()
        for place in written:
            console.line(str(place))


@app.command()
def serve(
    out: Annotated[Path, typer.Argument(help="已完成方案的目录 folder of a finished study")],
    host: Annotated[str, typer.Option("--host", help="监听地址 address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="端口，0 为任意 port, 0 for any")] = 8000,
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """以 OGC API 发布已完成的方案（只读）。Serve a finished study as OGC API - Features, read-only."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from suanzhi.serving import serve_study
        serve_study(out, host, port, console)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="前一方案的输出目录 folder of the first finished study")],
    after: Annotated[Path, typer.Argument(help="后一方案的输出目录 folder of the second finished study")],
    out: Annotated[Path, typer.Option("--out", "-o", help="输出目录 output folder")],
    lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False,
) -> None:
    """比较同一城市的两个方案。Compare two finished studies of one city: who entered, who left, and why."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from suanzhi.comparing import compare_and_write
        compare_and_write(before, after, out, console)


@app.command()
def rules(city: City, lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False) -> None:
    """列出城市的全部规则及其条款。Print every rule in force with its clause."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from siting.city_pack import load_pack
        from suanzhi.listings import rule_lines
        for line in rule_lines(load_pack(city), console.language):
            console.line(line)


@app.command()
def cities(lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False) -> None:
    """列出可用城市。List the cities."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from siting.city_pack import list_packs, load_pack
        for city in list_packs():
            console.line(f"{city}\t{load_pack(city).title.to(console.language)}")


@app.command()
def layers(city: City, lang: Lang = "zh", quiet: Quiet = False, debug: Debug = False) -> None:
    """列出每个图层的字段、单位与现用来源。List each layer: fields, units, need, and source."""
    console = _console(lang, quiet, debug)
    with guarded(console):
        from siting.city_pack import load_pack
        from suanzhi.listings import layer_lines
        for line in layer_lines(load_pack(city), console.language):
            console.line(line)


def _version(show: bool) -> None:
    if show:
        from suanzhi import __version__
        sys.stdout.write(f"suanzhi {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                          help="版本 print the version")] = False,
) -> None:
    """Hold the options of the command itself."""


def main() -> None:
    """Run the command."""
    app()


