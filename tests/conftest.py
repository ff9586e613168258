"""What several test files share."""

import os
from pathlib import Path

import pytest

from charrnn.nn.products import one_blas_thread

one_blas_thread()  # as every command does; a thread more helps no matrix as small as those here


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora, which are not part of the project."""
    folder = os.environ.get("CHARRNN_CORPORA")
    if not folder:
        pytest.skip("CHARRNN_CORPORA names no folder of corpora")
    return Path(folder)
