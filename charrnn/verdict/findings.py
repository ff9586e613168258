"""What the checks of a text found, and by which rules."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["SEVERITIES", "Finding", "Verdict"]

SEVERITIES = ("fine", "note", "mend")
"""In ascending order: nothing to do; worth knowing; better fixed before training."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: what was checked, in a word or two.
        severity: one of :data:`SEVERITIES`.
        text: what was found, in words.
        advice: what to do about it, in lines.
        measured: the figures behind the words.
        rules: the thresholds that it was judged by: names of constants, and their values.
    """

    check: str
    severity: str
    text: str
    advice: tuple[str, ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """All findings on a text.

    Attributes:
        names: its files.
        level: ``"char"`` or ``"byte"``.
        encoding: the encoding it was read in.
        size: its number of symbols; 0 if it could not be decoded.
        distinct: its number of distinct symbols.
        findings: one or more for each check that was possible.
    """

    names: tuple[str, ...]
    level: str
    encoding: str
    size: int
    distinct: int
    findings: tuple[Finding, ...]

    @property
    def severity(self) -> str:
        """The worst severity of the findings."""
        return max((one.severity for one in self.findings), key=SEVERITIES.index, default="fine")

    @property
    def text(self) -> str:
        """The verdict in a few words."""
        notes = sum(one.severity == "note" for one in self.findings)
        mends = sum(one.severity == "mend" for one in self.findings)
        counted = f"{notes} note{'s' * (notes != 1)}"
        if mends:
            what = "this" if mends == 1 else f"these {mends} problems"
            return f"fix {what} first" + (f", and {counted}" if notes else "")
        return f"usable, with {counted}" if notes else "good to train on"

    def to_json(self) -> dict[str, Any]:
        """All figures, for ``json.dumps``."""
        return {"verdict": self.text, "severity": self.severity} | asdict(self)
