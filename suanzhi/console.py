"""How the command speaks: results to stdout, progress and errors to stderr, one sentence per error."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from gis.bilingual import Language, Text
from gis.errors import SitingToolError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from maps.outputs import Written

EXIT_BUG = 1
EXIT_INTERRUPTED = 130


@dataclass
class Console:
    """The terminal of one call."""

    language: Language
    is_quiet: bool
    shows_traceback: bool
    _bars: Bars | None = field(default=None, repr=False)
    _tasks: dict[str, Any] = field(default_factory=dict, repr=False)

    def line(self, text: str) -> None:
        """Print one line of the result."""
        sys.stdout.write(text + "\n")

    def fact(self, title: Text, value: str) -> None:
        """Print a figure of the result beside its title."""
        self.line(f"{title.to(self.language)}\t{value}")

    def note(self, text: Text) -> None:
        """Say something on the side, unless quiet."""
        if not self.is_quiet:
            sys.stderr.write(text.to(self.language) + "\n")

    def error(self, text: Text) -> None:
        """Say what went wrong."""
        sys.stderr.write(Text(zh="错误：", en="Error: ").to(self.language) + text.to(self.language) + "\n")

    def progress(self, step: Text, done: int, total: int) -> None:
        """Move the bar of a step; a callable of the kind that the rooms take."""
        if self.is_quiet or not sys.stderr.isatty():
            return
        name = step.to(self.language)
        bars = self._shown_bars()
        if name not in self._tasks:
            self._tasks[name] = bars.add_task(name, total=max(total, 1))
        bars.update(self._tasks[name], completed=done if total else 1, total=max(total, 1))

    def close(self) -> None:
        """Put the bars away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _shown_bars(self) -> Bars:
        if self._bars is None:
            from rich.console import Console as RichConsole
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
            self._bars = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                                  TimeElapsedColumn(), console=RichConsole(stderr=True))
            self._bars.start()
        return self._bars

    def result(self, written: Written) -> None:
        """Say where the outputs are; only the map's path when quiet."""
        if self.is_quiet:
            self.line(str(written.map_path))
            return
        for title, path in ((Text(zh="地图", en="map"), written.map_path),
                            (Text(zh="报告", en="report"), written.report_path),
                            (Text(zh="图层", en="layers"), written.out_dir / "layers"),
                            (Text(zh="清单", en="manifest"), written.manifest_path)):
            self.line(f"{title.to(self.language)}\t{path}")


@contextmanager
def guarded(console: Console) -> Iterator[None]:
    """Turn every error into one sentence and its exit code."""
    try:
        yield
    except SitingToolError as error:
        _fail(console, error.text, error.exit_code)
    except KeyboardInterrupt:
        _fail(console, Text(zh="已中断；原有输出未改动", en="interrupted; earlier outputs are unchanged"),
              EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe (head) left: nothing is wrong.
        sys.stderr.close()
        raise typer.Exit from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        kind = f"{type(error).__name__}: {error}"
        _fail(console, Text(zh=f"程序内部错误（{kind}）；请加 --debug 重试并反馈调用栈",
                            en=f"internal error ({kind}); run again with --debug and report the traceback"), EXIT_BUG)
    finally:
        console.close()


def _fail(console: Console, text: Text, code: int) -> None:
    console.close()
    if console.shows_traceback:
        traceback.print_exc()
    console.error(text)
    raise typer.Exit(code) from None
