"""The network that a plan chooses for rows, by their number, their length and the time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.training import planner
from charrnn.training.speed import Speed
from charrnn.training.task_plan import network_for


def speed_of(multiplications: float) -> Callable[[Config], Speed]:
    """A machine that reads rows more slowly, the wider the network is."""
    return lambda config: Speed(1, multiplications / config.hidden**2)


def chosen(
    seconds: float, rows: int = 8000, length: int = 100, task: str = "classify", **given: Any
) -> Config:
    config = Config.of(task, **given)
    found, _, why = network_for(config, given, rows * length, rows, seconds, speed_of(2e6))
    assert bool(why) is (found.hidden < 256 and "hidden" not in given)
    return found


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_more_time_gives_a_wider_network_with_a_lower_learning_rate(task: str) -> None:
    found = [chosen(seconds, task=task) for seconds in (10, 1000, 10_000)]
    assert [config.hidden for config in found] == [64, 128, 256]
    rates = [config.lr for config in found]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == 3


def test_few_characters_do_not_get_a_wide_network() -> None:
    assert chosen(1e9).hidden == 256
    assert chosen(1e9, rows=1000).hidden == 128
    assert chosen(1e9, rows=100).hidden == 64


def test_few_rows_get_small_batches() -> None:
    found = [chosen(10, rows=rows).batch_size for rows in (100, 3000, 8000)]
    assert found == [16, 32, 64]


def test_given_settings_stay() -> None:
    found = chosen(1e9, hidden=96, batch_size=5, lr=0.5, epochs=3.0)
    assert (found.hidden, found.batch_size, found.lr, found.epochs) == (96, 5, 0.5, 3.0)
    assert chosen(1e9, hidden=128).lr == chosen(1000).lr


def test_few_rows_get_more_epochs() -> None:
    found = chosen(10, rows=160)
    assert found.epochs * 160 / 16 >= found.kind.least_updates


def test_another_task_keeps_its_own_network() -> None:
    config = Config.of("translate")
    found, _, why = network_for(config, {}, 10**6, 10**5, 1.0, speed_of(1e6))
    assert (found, why) == (config, "")


@pytest.mark.parametrize(
    ("given", "rate", "said"),
    [
        ({}, 1234.5, "at 1,234 examples a second"),
        ({}, 0.3456, "at 0.35 examples a second"),
        ({"layers": 0}, 0.3456, "softmax regression, "),
    ],
)
def test_a_plan_says_which_network_and_how_fast(
    given: dict[str, Any], rate: float, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("".join(f"a{k}\t{'xy'[k % 2]}\n" for k in range(40)), encoding="utf-8")
    given = {"task": "classify", "wide": 0, **given}
    config = Config.of(**given)
    monkeypatch.setattr(planner, "measure", lambda *_: Speed(1, rate))
    found = planner.plan(config.kind.read(Paths((str(path),)), config), 0.01, given)
    assert said in found.summary
    assert ("hidden units" in " ".join(found.reasons)) is bool(config.layers)
