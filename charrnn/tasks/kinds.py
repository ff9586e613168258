"""The tasks by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from charrnn.config import Config
from charrnn.tasks.base import Data, Paths, Spec
from charrnn.tasks.classify import ClassifyData, ClassifySpec
from charrnn.tasks.forecast import ForecastData, ForecastSpec
from charrnn.tasks.generate import GenerateData, GenerateSpec
from charrnn.tasks.lm import TextData, TextSpec
from charrnn.tasks.tag import TagData, TagSpec
from charrnn.tasks.translate import TranslateData, TranslateSpec

__all__ = ["TASKS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """How a task reads its data, and what its checkpoints say of them.

    ``key`` is the entry of a checkpoint's header.
    """

    read: Callable[[Paths, Config], Data]
    spec: Callable[[Mapping[str, Any]], Spec]
    key: str = "spec"


TASKS: dict[str, Kind] = {
    "lm": Kind(TextData.read, TextSpec.from_header, "vocabulary"),
    "classify": Kind(ClassifyData, ClassifySpec.from_header),
    "tag": Kind(TagData, TagSpec.from_header),
    "translate": Kind(TranslateData, TranslateSpec.from_header),
    "generate": Kind(GenerateData, GenerateSpec.from_header),
    "forecast": Kind(ForecastData, ForecastSpec.from_header),
}
