"""Writing a file wholly or not at all."""

import os
from pathlib import Path

from charrnn.errors import CheckpointError

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Write to a temporary file beside ``path``, which then takes its name.

    Raises:
        CheckpointError: the file cannot be written; an earlier one at ``path`` is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CheckpointError(f"cannot write {str(path)!r}: {reason}") from error
