"""Time and memory of this process, and of a command with all that it starts.

Run as a command: ``measuring.py COMMAND...`` prints seconds and peak MiB of the command as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path


def peak_mib() -> float:
    """Return the most memory that this process has held.

    Linux hands the peak of ``getrusage`` down from a parent to the program that it starts; the peak in
    ``/proc`` is the program's own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1_024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024.0


def measure_command(command: list[str]) -> tuple[float, float, str]:
    """Run a command; return seconds, peak MiB and, where it failed, its last words (else nothing).

    The command is started by a small process of its own, whose peak is too low to be handed down.
    """
    done = subprocess.run([sys.executable, __file__, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        return 0.0, 0.0, said[-1]
    found = json.loads(done.stdout.splitlines()[-1])
    return found["seconds"], found["peak_mib"], ""


def _tree_mib(root: int) -> float:
    """Return the memory that a process and its descendants hold now, what they share counted once (Linux)."""
    parent: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile
    total, members = 0, {root}
    while grown := {pid for pid, above in parent.items() if above in members} - members:
        members |= grown
    for pid in members:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1_024.0


def main(command: list[str]) -> int:
    """Run the command, looking at its processes five times a second."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    together_mib, is_running = 0.0, True
    while is_running:
        try:
            process.wait(0.2)
            is_running = False
        except subprocess.TimeoutExpired:
            if Path("/proc").is_dir():
                together_mib = max(together_mib, _tree_mib(process.pid))
    seconds = time.perf_counter() - start
    alone_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1_024.0
    print(json.dumps({"seconds": seconds, "peak_mib": max(together_mib, alone_mib)}))  # noqa: T201 - a command
    return process.returncode


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main(sys.argv[1:]))
