"""Packages that only an export needs."""

from charrnn.errors import InputError

__all__ = ["missing"]


def missing(package: str, suffix: str, error: ImportError) -> InputError:
    """The error if one of these packages is missing."""
    hint = f"python -m pip install {package}"
    return InputError(f"{suffix} files need {package} ({error})", hint)
