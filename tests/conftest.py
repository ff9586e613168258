"""Fixtures of several test files."""

import os
from pathlib import Path

import hypothesis
import pytest
from data_modules import make_data
from threadpoolctl import threadpool_limits

hypothesis.settings.register_profile("busy", deadline=None)  # others may have the processor
hypothesis.settings.load_profile("busy")
threadpool_limits(limits=1)  # more help no matrix as small as those here, and compete with others


@pytest.fixture(scope="session")
def generated() -> dict[str, bytes]:
    """The files that the script in data/ writes, made once."""
    return make_data.corpora()


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora, which are not part of the project."""
    folder = os.environ.get("CHARRNN_CORPORA")
    if not folder:
        pytest.skip("CHARRNN_CORPORA names no folder of corpora")
    return Path(folder)
