"""The drill that alters every line of every backward pass: see ``mutation_drill.py``."""

import ast
import re
import subprocess
import sys
import time
from pathlib import Path

import mutation_drill as drill
import pytest

SCRIPT = Path(drill.__file__)
needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="the drill forks")


def mutants_of_rnn() -> list[drill.Mutant]:
    return list(drill.mutants_of(drill.ROOT / "charrnn" / "nn" / "cells" / "rnn.py"))


def run_drill(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_backward_pass_is_found() -> None:
    """A backward pass nested in a function, or with another name, would never be altered."""
    written, found = 0, []
    for path in drill.MODULES:
        text = path.read_text(encoding="utf-8")
        written += len(re.findall(r"def \w*backward|def weight_gradients", text))
        found += [name for name, _ in drill.backward_passes(ast.parse(text))]
    named = [name for name in found if re.search("backward|weight_gradients", name)]
    assert len(named) == written > 10
    for name in drill.ALSO:
        assert any(name in (function, function.split(".")[-1]) for function in found), name


def test_every_line_is_altered_in_the_ways_that_matter() -> None:
    """Dropped, a sign flipped, a term left out, an index shifted, a condition inverted."""
    altered: dict[str, set[str]] = {}
    for mutant in mutants_of_rnn():
        altered.setdefault(mutant.source, set()).add(mutant.altered)
    assert all(drill.DROPPED in ways for ways in altered.values())
    assert altered["dh += dy[t, :n]"] == {
        drill.DROPPED,
        "dh -= dy[t, :n]",
        "dh[...] = dy[t, :n]",
        "dh += dy[t + 1, :n]",
        "dh += dy[t - 1, :n]",
        "dh += dy[t, n:]",
        "dh += dy[t, 1:]",
        "dh += dy[t, 1:n + 1]",
        "dh += dy[:n, t]",
    }
    slope = altered["np.subtract(1, slope, out=slope)"]
    assert {"np.add(1, slope, out=slope)", "np.positive(1, out=slope)"} <= slope
    assert {"np.subtract(slope, 1, out=slope)", "np.subtract(2, slope, out=slope)"} <= slope
    assert "if not self.activation == 'tanh':" in altered["if self.activation == 'tanh':"]
    assert any("h[1:]" in way for ways in altered.values() for way in ways)


def test_survivors_and_outdated_exceptions_are_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every survivor must be in the list, and every entry of the list must survive."""
    mutants = mutants_of_rnn()[:3]
    killed, alive = drill.Verdict("gradcheck"), drill.Verdict("")
    monkeypatch.setattr(drill, "ALLOWED", {})
    assert drill.summary(mutants, [killed] * 3)
    assert not drill.summary(mutants, [killed, alive, killed])
    assert repr(mutants[1].key) in capsys.readouterr().out
    monkeypatch.setattr(drill, "ALLOWED", {mutants[1].key: "a reason"})
    assert drill.summary(mutants, [killed, alive, killed])
    assert not drill.summary(mutants, [killed] * 3)
    assert not drill.summary(mutants, [killed, alive, drill.Verdict("invalid")])


@needs_fork
def test_no_alteration_of_the_rnn_survives() -> None:
    """The drill itself works: one small backward pass, every alteration of it.

    That the unaltered network passes, the tests beside this one show.
    """
    names = ("--function", "RNN.backward", "--function", "RNN.weight_gradients")
    result = run_drill("--trust", *names)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "SURVIVED" not in result.stdout
    rows = re.findall(r"^(\S+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$", result.stdout, re.M)
    counts = {name: [int(number) for number in numbers] for name, *numbers in rows}
    number, by_gradcheck, *_, survived = counts["RNN.backward"]
    assert number >= 40
    assert by_gradcheck > number / 2
    assert survived == 0


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_mutant_that_never_ends_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """By processor time if it computes, by elapsed time if it waits."""
    (mutant, *_) = mutants_of_rnn()
    monkeypatch.setattr(drill, "SECONDS", 1)
    monkeypatch.setattr(drill, "check", lambda _: [None for _ in iter(int, 1)])
    assert list(drill.drill([mutant], 1)) == [
        (0, drill.Verdict("timeout", "1 s of processor time"))
    ]
    monkeypatch.setattr(drill, "check", lambda _: time.sleep(60))
    assert list(drill.drill([mutant], 1, seconds=1)) == [(0, drill.Verdict("timeout", "1 s"))]


@needs_fork
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_alteration_of_any_backward_pass_survives() -> None:
    """Except for those in the script's list, each with its reason. Takes minutes."""
    result = run_drill()
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr
