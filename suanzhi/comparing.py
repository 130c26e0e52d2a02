"""From two finished studies to the files of their comparison."""

from __future__ import annotations

from pathlib import Path

from gis.bilingual import Text
from maps.comparison import WrittenComparison, write_comparison
from siting.comparison import compare_studies
from siting.finished_study import read_finished
from suanzhi.console import Console


def compare_and_write(before: Path, after: Path, out: Path, console: Console) -> WrittenComparison:
    """Compare two finished studies, write what came of it, and say where it is.

    Parameters
    ----------
    before, after
        Output folders of the two studies.
    out
        Folder to write to.
    console
        Where progress and results go; only the path of the page when quiet.
    """
    comparison = compare_studies(read_finished(before), read_finished(after))
    written = write_comparison(comparison, out, language=console.language, progress=console.progress)
    if console.is_quiet:
        console.line(str(written.page_path))
        return written
    for own in comparison.classes:
        kinds = [change.kind for change in own.changes]
        told = Text(zh=f"进入前列 {kinds.count('entered')}，退出 {kinds.count('left')}；"
                       f"转为合格 {own.n_now_eligible}，转为排除 {own.n_now_excluded}",
                    en=f"{kinds.count('entered')} entered the top list, {kinds.count('left')} left; "
                       f"{own.n_now_eligible} became eligible, {own.n_now_excluded} became excluded")
        console.fact(own.title, told.to(console.language))
    for title, path in ((Text(zh="比较页", en="page"), written.page_path),
                        (Text(zh="变化表", en="changes"), written.table_path),
                        (Text(zh="变化图层", en="layer"), written.layer_path)):
        console.fact(title, str(path))
    return written
