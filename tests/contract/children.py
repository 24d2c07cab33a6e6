"""The encoder processes below a node."""

from pathlib import Path

WORKER = b"worker.py"


def encoders(node_pid: int) -> set[int]:
    """Return the process ids of a node's encoder processes."""
    tasks = Path(f"/proc/{node_pid}/task").glob("*/children")
    children = {int(pid) for task in tasks for pid in task.read_text().split()}
    return {pid for pid in children if WORKER in _command(pid)}


def alive(pid: int) -> bool:
    """Whether the process exists and is still the encoder that it was."""
    return WORKER in _command(pid)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
