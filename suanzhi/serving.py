"""Serves a finished study as OGC API - Features, with its map at the root."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
import tempfile
from pathlib import Path

from gis.bilingual import Language, Text
from gis.errors import ExportError, UsageError
from layers.exports.targets import target_of
from siting.finished_study import FinishedStudy, read_finished
from suanzhi.console import Console
from suanzhi.exporting import read_bundle

STORE_FOLDER = ".serve"
_MAP_FILE = "map.html"
_MOST_AT_ONCE = 256
_IDLE_S = 15


def serve_study(out: Path, host: str, port: int, console: Console) -> None:
    """Serve a finished study until interrupted.

    Parameters
    ----------
    out
        Folder of the study.
    host
        Address to listen on; anything but a loopback address lets others in.
    port
        Port; 0 for any that is free.
    console
        Where the address is said.

    Raises
    ------
    DataError
        The folder holds no finished study.
    UsageError
        The address cannot be listened on.
    ExportError
        A package is missing, or the store cannot be written.
    """
    try:
        import uvicorn

        from layers.service import Service, application
    except ImportError as error:
        raise ExportError("serving needs the packages starlette and uvicorn; run: pip install suanzhi[serve]",
                          "启动服务需要 starlette 和 uvicorn；请运行 pip install suanzhi[serve]") from error
    from layers.service_crs import offered
    from layers.service_store import Store

    study = read_finished(out)
    map_path = study.checked(_MAP_FILE)
    # Ctrl-C is how serving ends, not how it fails.
    with (contextlib.closing(_listen(host, port)) as listening, contextlib.suppress(KeyboardInterrupt),
          tempfile.TemporaryDirectory(prefix="suanzhi-serve-") as spare):
        store = Store(prepared_store(study, console.language, Path(spare)))
        service = Service(
            store=store, title=study.title.to(console.language), version=str(study.manifest["version"]),
            description=Text(zh="选址成果（只读）", en="results of a siting study (read-only)").to(console.language),
            crs=offered(str(study.manifest["pack"]["metric_crs"])), map_path=map_path,
            fingerprint=f"{study.sha256}-{console.language}")
        config = uvicorn.Config(application(service, hosts=_names(host)), log_level="warning", access_log=False,
                                limit_concurrency=_MOST_AT_ONCE, timeout_keep_alive=_IDLE_S, server_header=False,
                                date_header=False)
        shown = f"[{host}]" if ":" in host else host
        console.close()
        console.line(f"http://{shown}:{listening.getsockname()[1]}/")
        # Whoever reads the address through a pipe waits for it.
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listening])


def prepared_store(study: FinishedStudy, language: Language, spare: Path) -> Path:
    """Return the store of a study, made if it is not there yet.

    Parameters
    ----------
    study
        The study.
    language
        Language of titles and values.
    spare
        Folder to write to where the study's own cannot be written.
    """
    from layers.service_store import FORM, write_store

    name = f"{study.sha256[:16]}-{language}-{FORM}.gpkg"
    folder = study.folder / STORE_FOLDER
    if (folder / name).is_file():
        return folder / name
    bundle = read_bundle(study, target_of("EPSG:4326").key, language=language)
    try:
        stale = sorted(folder.glob(f"*-{language}-*.gpkg"))
        written = write_store(bundle, folder / name)
    except ExportError:
        return write_store(bundle, spare / name)
    for path in stale:
        path.unlink(missing_ok=True)
    return written


def _listen(host: str, port: int) -> socket.socket:
    """Open the port at once, so that a taken one costs the user no waiting."""
    if not 0 <= port <= 65535:
        raise UsageError(f"port {port} is not between 0 and 65535", f"端口 {port} 不在 0 至 65535 之间")
    with contextlib.ExitStack() as undone:
        try:
            kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            # Only where the protocol is named does asyncio send what it has at once, instead of waiting 40 ms for more.
            listening = undone.enter_context(socket.socket(kind, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_MOST_AT_ONCE)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UsageError(f"cannot listen on {host}:{port}: {reason}; choose another --port or --host",
                             f"无法监听 {host}:{port}：{reason}；请换一个 --port 或 --host") from error
        undone.pop_all()
        return listening


def _names(host: str) -> tuple[str, ...]:
    """Return the names by which the service may be called: on a loopback address its own alone."""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    return ("127.0.0.1", "localhost", "[::1]", host) if is_loopback else ("*",)
