"""Packages that only an export needs."""

from charrnn.errors import InputError

__all__ = ["missing"]


def missing(package: str, suffix: str, error: ImportError) -> InputError:
    """What to say where one is not there."""
    hint = f"python -m pip install {package}"
    return InputError(f"{suffix} files need {package} ({error})", hint)
