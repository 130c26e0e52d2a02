"""Prints a report or a map to PDF through a Chromium that is installed on the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from gis.errors import ExportError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
            "msedge", "brave-browser", "qaxbrowser-safe", "browser360-cn")
"""Programs that print as Chromium does, first found first; browsers of domestic systems among them."""

_PLACES = (
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    r"C:\Program Files\Microsoft\Edge\Application\msedge.exe",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)

TIME_LIMIT_S = 180.0


def find_browser() -> Path:
    """Return a browser that can print.

    Raises
    ------
    ExportError
        None is installed.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None) or next(
        (place for place in _PLACES if Path(place).is_file()), None)
    if found is None:
        raise ExportError("no Chromium, Chrome or Edge is installed to print the PDF; install one, or print "
                          "report.html from another browser",
                          "未找到可用于打印 PDF 的 Chromium、Chrome 或 Edge 浏览器；请安装其一，"
                          "或用其他浏览器打开 report.html 打印")
    return Path(found)


def print_pdf(page: Path | str, path: Path | str, *, browser: Path | None = None) -> Path:
    """Print an HTML file to PDF; nothing is fetched from outside it.

    Parameters
    ----------
    page
        The HTML file.
    path
        The PDF to write; an older one is replaced when the new one is whole.
    browser
        Program to print with; :func:`find_browser` if None.

    Returns
    -------
    The file written.

    Raises
    ------
    ExportError
        There is no page, no browser, or the browser writes nothing.
    """
    source, target = Path(page).resolve(), Path(path).resolve()
    if not source.is_file():
        raise ExportError(f"no {source} to print; run the study first", f"没有可打印的 {source}；请先运行方案")
    program = browser or find_browser()
    with tempfile.TemporaryDirectory(prefix="suanzhi-print-") as folder:
        draft = Path(folder) / "draft.pdf"
        command = [str(program), "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions",
                   f"--user-data-dir={Path(folder) / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
                   "--no-pdf-header-footer", f"--print-to-pdf={draft}", source.as_uri()]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium refuses its sandbox to root; the page is our own, with scripts forbidden by its policy.
            command.insert(1, "--no-sandbox")
        said = _run(command, program)
        if not draft.is_file() or draft.stat().st_size == 0:
            raise ExportError(f"{program.name} wrote no PDF of {source.name}: {said}; try another browser",
                              f"{program.name} 未能将 {source.name} 打印为 PDF：{said}；请换用其他浏览器")
        beside = target.with_name(f".{target.name}.draft")
        shutil.copyfile(draft, beside)
        beside.replace(target)
    return target


def _run(command: list[str], program: Path) -> str:
    """Run the browser; return the last line that it said."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ExportError(f"{program.name} did not print within {TIME_LIMIT_S:g} s; close other programs and try again",
                          f"{program.name} 在 {TIME_LIMIT_S:g} 秒内未完成打印；请关闭其他程序后重试") from error
    except OSError as error:
        raise ExportError(f"{program} cannot be started: {error}", f"无法启动 {program}：{error}") from error
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else f"exit code {done.returncode}"
