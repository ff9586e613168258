"""Commands under ``mpiexec``, where it is installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import command, environment

__all__ = ["mpiexec", "needs_mpi", "pids_of_rank", "ranks"]

OWN = Path(sys.executable).with_name("mpiexec")


def needs_mpi() -> None:
    """Skip the test, with the reason."""
    pytest.importorskip("mpi4py", reason="needs mpi4py: pip install mpi4py mpich")
    if not OWN.exists() and shutil.which("mpiexec") is None:
        pytest.skip("needs mpiexec: pip install mpich")


def mpiexec(count: int, *arguments: str) -> list[str | bytes]:
    """The command line of a charrnn command on several ranks."""
    return [str(OWN) if OWN.exists() else "mpiexec", "-n", str(count), *command(*arguments)]


def ranks(count: int, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run such a command to its end."""
    return subprocess.run(
        mpiexec(count, *arguments),
        capture_output=True, text=True, cwd=cwd, env=environment(), timeout=120,
    )  # fmt: skip


def pids_of_rank(number: int, mark: str) -> list[int]:
    """The processes started as this rank, found by their environment."""
    wanted = {f"PMI_RANK={number}".encode(), f"CHARRNN_TEST={mark}".encode()}
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted <= set(path.read_bytes().split(b"\0")):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
