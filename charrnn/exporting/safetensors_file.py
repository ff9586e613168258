"""A model's weights under the names and in the layout of its checkpoint, as safetensors."""

from pathlib import Path

from charrnn.exporting.about import metadata
from charrnn.exporting.extras import missing
from charrnn.files import write_whole
from charrnn.runs.model import Model

__all__ = ["write_safetensors"]


def write_safetensors(model: Model, path: Path) -> None:
    """Write a model of any task.

    Raises:
        InputError: safetensors is missing.
        CheckpointError: the file cannot be written.
    """
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise missing("safetensors", ".safetensors", error) from error
    write_whole(path, save(dict(model.parameters), metadata=metadata(model)))
