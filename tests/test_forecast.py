"""Forecasts: linear methods, their weights, and the network that corrects their mean."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TINY, charrnn

import charrnn as package
from charrnn.checkpoint import read_checkpoint, write_checkpoint
from charrnn.errors import CheckpointError, InputError
from charrnn.runs.model import load_model
from charrnn.tasks.base import Paths, Trained
from charrnn.tasks.baselines import (
    Combination,
    Form,
    Linear,
    Method,
    autoregression_errors,
    combine,
    naive,
    seasons,
)
from charrnn.tasks.baselines.combination import Trial, _weighted
from charrnn.tasks.baselines.linear import Alternative, Column, differenced, fit, polynomial
from charrnn.tasks.baselines.trust import trust
from charrnn.tasks.chance import SAME
from charrnn.tasks.changes import Changes
from charrnn.tasks.config import Config
from charrnn.tasks.figures import figure
from charrnn.tasks.forecast import ForecastData, ForecastTask, forecast, one_step

FIXTURES = Path(__file__).parent / "fixtures"
Numbers = Any

LAST = (Alternative(0.1, 0.0, (1.0,)),)


def walk(rows: int, seed: int = 0) -> Numbers:
    return np.cumsum(np.random.default_rng(seed).standard_normal(rows))


def growth(rows: int, seed: int = 0) -> Numbers:
    """A series that doubles repeatedly, with a season of twelve rows that doubles as well."""
    t = np.arange(rows)
    noise = 0.02 * np.random.default_rng(seed).standard_normal(rows)
    return 100 * np.exp(0.02 * t + 0.3 * np.sin(2 * np.pi * t / 12) + noise)


def written(folder: Path, values: Numbers, name: str = "s.csv") -> str:
    rows = values if values.ndim == 2 else values[:, None]
    path = folder / name
    path.write_text("".join(",".join(f"{v:.6f}" for v in row) + "\n" for row in rows.tolist()))
    return str(path)


def data_of(folder: Path, values: Numbers, **settings: Any) -> ForecastData:
    return ForecastData(Paths((written(folder, values),)), Config.of("forecast", **settings))


def test_too_few_validation_rows_for_a_network_are_noted(tmp_path: Path) -> None:
    note = "with 7 validation rows the forecast is its baseline; the network needs 8"
    noted = data_of(tmp_path, growth(70)).notes[-1:]
    assert noted == (f"{note}: give more rows, or --val",)
    assert not data_of(tmp_path, growth(80)).notes
    assert not data_of(tmp_path, growth(70), base="none").notes


def task_of(data: ForecastData) -> tuple[ForecastTask, Any]:
    """A task and fresh weights."""
    config, spec = data._config, data.spec()
    model = spec.model(config)
    weights = model.init(np.random.default_rng(0), np.float32)
    return data.task(spec, config, model, 1), weights


# The simple methods


@pytest.mark.parametrize("lags", [(), (1,), (12,), (1, 4)])
def test_differences_are_a_polynomial(lags: tuple[int, ...]) -> None:
    x = walk(40)
    expected = x
    for lag in lags:
        expected = expected[lag:] - expected[:-lag]
    np.testing.assert_allclose(differenced(x, lags), expected, atol=1e-12)
    assert polynomial(lags)[0] == 1


@pytest.mark.parametrize("lags", [(), (1,), (4,), (1, 4)])
@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("shrinkage", [0.0, 5.0])
def test_an_autoregression_of_differences_equals_one_of_values(
    lags: tuple[int, ...], order: int, shrinkage: float
) -> None:
    x = walk(60)
    column = fit(x, lags, order, "", shrinkage)
    assert len(column.weights) == max(1, sum(lags) + order)
    w = differenced(x, lags)
    off = (w - w.mean()) / w.std()
    lagged = [off[order - k : len(w) - k] for k in range(1, order + 1)]
    lagged += [np.ones(len(w) - order)] * (shrinkage > 0)
    known = np.stack(lagged, axis=1) if lagged else np.zeros((len(w), 0))
    penalty = shrinkage**0.5 * np.eye(order, known.shape[1])
    rows = np.concatenate([known, penalty]), np.concatenate([off[order:], np.zeros(order)])
    change = w.mean() + w.std() * (known @ np.linalg.lstsq(*rows, rcond=None)[0])
    expected = x[sum(lags) + order :] - w[order:] + change
    method = Linear((Form(0.0, lags),), (column,))
    found, size = method.one_step(x[:, None])[:-1, 0], min(len(expected), len(x) - 1)
    np.testing.assert_allclose(found[-size:], expected[-size:], atol=1e-7)
    with pytest.raises(ValueError, match="too few"):
        fit(x[: sum(lags) + (1 if shrinkage else 2) * order], lags, order, "", shrinkage)


def test_a_linear_method_continues_from_its_own_predictions() -> None:
    values = np.stack([growth(50), walk(50)], axis=1)
    forms = Form(1.0, (12,)), Form()
    columns = fit(forms[0].seen(values[:, 0]), (12,), 2, "a"), fit(values[:, 1], (), 3, "b")
    method = Linear(forms, columns)
    ahead = method.ahead(values, 20)
    whole = np.concatenate([values, ahead])
    np.testing.assert_allclose(method.one_step(whole)[49:-1], ahead)
    # With too few rows before, the last value.
    np.testing.assert_allclose(method.one_step(values[:2]), values[:2])
    again = Linear.from_header(json.loads(json.dumps(method.to_header())), 2)
    assert again == method


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("floor", -1.0),
        ("floor", 1),
        ("lags", [0]),
        ("lags", [1 << 20]),
        ("lags", "1"),
        ("weights", []),
        ("weights", [1]),
        ("weights", [float("nan")]),
        ("constant", float("inf")),
        ("name", 1),
        ("noise", -1.0),
        ("noise", float("nan")),
        ("noise", 1e-310),
        ("noise", "1"),
        ("alternatives", 1),
        ("alternatives", [1]),
        ("alternatives", [[0.1, 0.0]]),
        ("alternatives", [[]]),
        ("alternatives", [[0.1, 0.0, [1.0], 2]]),
        ("alternatives", [[0.01, 0.0, [1.0]]] * 9),
        ("alternatives", [[0.1, 0.0, []]]),
        ("alternatives", [[0.1, float("nan"), [1.0]]]),
        ("alternatives", [[0.0, 0.0, [1.0]]]),
        ("alternatives", [[1, 0.0, [1.0]]]),
        ("alternatives", [[0.5, 0.0, [1.0]], [0.5, 0.0, [1.0]]]),
    ],
)
def test_a_modified_method_is_refused(name: str, value: Any) -> None:
    header = Linear((Form(),), (naive((1,), "last value"),)).to_header()
    with pytest.raises(ValueError, match=r"must|no weights|so far|missing|all the"):
        Linear.from_header([{**header[0], name: value}], 1)
    with pytest.raises(ValueError, match="missing"):
        Linear.from_header(header, 2)


# Their weights


def test_seasons_are_found_only_where_there_are_any() -> None:
    t = np.arange(200)
    noise = np.random.default_rng(0).standard_normal(200)
    assert seasons(5 * np.sin(2 * np.pi * t / 12) + noise)[0] == 12
    assert seasons(3.0 * (t % 7 == 2) + 0.1 * noise)[0] == 7
    for values in (np.zeros(50), np.arange(200.0), walk(3)):
        assert seasons(values) == []


Drawn = Callable[[np.random.Generator, int], Numbers]


def drift(rng: np.random.Generator, rows: int) -> Numbers:
    return np.cumsum(rng.standard_normal(rows) + 0.5)


def trend(rng: np.random.Generator, rows: int) -> Numbers:
    return np.arange(rows) + rng.standard_normal(rows)


def year(rng: np.random.Generator, rows: int) -> Numbers:
    wave: Numbers = np.sin(2 * np.pi * np.arange(rows) / 12 + rng.uniform(0, 6))
    return 3 * wave + rng.standard_normal(rows)


def week(rng: np.random.Generator, rows: int) -> Numbers:
    of_day: Numbers = rng.uniform(5, 20, 7)[np.arange(rows) % 7]
    return of_day + 1.5 * rng.standard_normal(rows)


def step(rng: np.random.Generator, rows: int) -> Numbers:
    values = 0.5 * rng.standard_normal(rows)
    values[rows // 2 :] += 6
    return values


def level(rng: np.random.Generator, rows: int) -> Numbers:
    return rng.standard_normal(rows)


def prices(rng: np.random.Generator, rows: int) -> Numbers:
    return 100 * np.exp(np.cumsum(0.015 * rng.standard_normal(rows)))


def steps(rng: np.random.Generator, rows: int) -> Numbers:
    return np.cumsum(rng.standard_normal(rows))


def errors_of(draw: Drawn, known: int, seed: int, after: int = 40) -> Numbers:
    """Mean squared errors on ``after`` rows: combined, last value, linear autoregression."""
    values = draw(np.random.default_rng(seed), known + after)
    before, later = values[:known], values[known:]
    method = combine(before, seasons(before))
    simple = Linear((method.form(before),), (method.fitted(before),))
    off = simple.one_step(values[:, None])[known - 1 : -1, 0] - later
    of_last = np.diff(values)[known - 1 :]
    of_others = autoregression_errors(before, later)
    return np.array([(some**2).mean() for some in (off, of_last, of_others)])


@pytest.mark.parametrize("rows", [36, 72, 150])
@pytest.mark.parametrize("draw", [steps, prices, drift, trend, year, week, level])
def test_short_series_are_predicted_about_as_well_as_by_the_better_method(
    draw: Drawn, rows: int
) -> None:
    """In hindsight: the last value or the autoregression, whichever is better on these rows."""
    ours, *others = np.mean([errors_of(draw, rows, seed) for seed in range(20)], axis=0)
    assert ours < 1.05 * min(others)


@pytest.mark.parametrize("rows", [24, 60])
def test_a_step_in_the_rows_to_come_costs_a_row_more_than_the_last_value(rows: int) -> None:
    """The mean of the known rows would be wrong for all that follow: some 20 times as much."""

    def late(rng: np.random.Generator, count: int) -> Numbers:
        values = 0.5 * rng.standard_normal(count)
        values[rows + 5 :] += 6
        return values

    ours, last, _ = np.mean([errors_of(late, rows, seed) for seed in range(10)], axis=0)
    assert ours < 1.5 * last


@pytest.mark.parametrize("rows", [24, 48, 100, 300])
def test_an_outlier_in_the_known_rows_does_not_spoil_the_mean(rows: int) -> None:
    def spoilt(rng: np.random.Generator, count: int) -> Numbers:
        values = rng.standard_normal(count)
        values[rng.integers(rows // 4, rows // 2)] += 1000
        return np.cumsum(values) if rows > 100 else values

    ours, *others = np.mean([errors_of(spoilt, rows, seed) for seed in range(10)], axis=0)
    assert ours < 1.2 * min(others)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(60.0),
        np.arange(16.0),
        np.sin(np.arange(60) / 3),
        np.arange(40.0) % 2,
        np.tile([0.0, 0, 1, 1], 8),
        1.1 ** np.arange(50),
    ],
)
def test_a_series_without_noise_is_continued_exactly(values: Numbers) -> None:
    """And it gives no warning."""
    known = values[:-4]
    with np.errstate(all="raise", under="ignore"):
        method = combine(known, seasons(known))
    simple = Linear((method.form(known),), (method.fitted(known),))
    np.testing.assert_allclose(
        simple.ahead(known[:, None], 4)[:, 0], values[-4:], rtol=1e-6, atol=1e-6
    )


def test_a_value_near_zero_does_not_overflow_logarithms() -> None:
    for seed in range(5):
        values = 100 + walk(120, seed)
        values[50] = 1e-8
        with np.errstate(all="raise", under="ignore"):
            assert not combine(values, seasons(values)).log


def test_logarithms_need_positive_values_in_all_rows() -> None:
    """Also in those that are too long ago to count."""
    values = np.concatenate([np.full(300, -4.0), 1 + np.abs(walk(2300))])
    found = combine(values, [], log=True)
    assert not found.log
    assert np.isfinite(found.fitted(values).weights).all()


def test_the_last_rows_of_a_long_series_decide() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.standard_normal(3000), 5 + np.cumsum(rng.standard_normal(2000))])
    assert combine(values, []).parts[0][0] == Method()


def test_values_whose_logarithms_are_equal_are_a_constant() -> None:
    values = 1e15 + np.arange(30.0) * 7 % 3
    found = combine(values, [], log=True)
    assert found == Combination(True, ((Method(), 1.0),))
    assert len(combine(values, []).parts) > 1


def test_eleven_rows_are_too_few_to_test_methods() -> None:
    line = np.arange(12.0)
    assert combine(line[:11], []).parts == ((Method(), 1.0),)
    assert len(combine(line, []).parts) > 1


def trials(*errors: Numbers) -> list[Trial]:
    methods = [Method(), Method((), 0, True), Method((), 1, True)]
    return [Trial(m, off, off) for m, off in zip(methods, errors, strict=False)]


def weights_of(rows: int, *errors: Numbers) -> dict[Method, float]:
    return dict(_weighted(False, trials(*errors), steps_of(rows), gives_way=True).parts)


def steps_of(rows: int) -> Numbers:
    """Changes of 1 and -1."""
    return np.arange(rows) % 2.0


def test_weights_are_by_the_root_of_the_likelihood() -> None:
    found = weights_of(30, np.full(10, 1.0), np.full(10, 1.2), np.full(10, 0.9))
    expected = np.array([0.5, 0.25 * 1.44 ** (-10 / 4), 0.25 * 0.81 ** (-10 / 4)])
    expected /= expected.sum()
    np.testing.assert_allclose([found[t.method] for t in trials(*np.ones((3, 1)))], expected)


def test_no_part_of_the_rows_decides_by_its_scale() -> None:
    """From 48 tested rows on there are two parts, each as important."""
    uneven = np.repeat([2.0, 0.5], 24)
    found = weights_of(120, np.ones(48), uneven)
    assert [*found.values()] == pytest.approx([0.5, 0.5])
    alone = weights_of(120, np.ones(47), uneven[:47])
    assert alone[Method()] > 0.99


def test_an_error_counts_as_that_of_five_usual_changes_at_most() -> None:
    errors = np.ones(20)
    far = errors.copy()
    far[3] = 1e200
    five = errors.copy()
    five[3] = 5
    assert weights_of(40, errors, far) == pytest.approx(weights_of(40, errors, five))


def test_noise_is_that_of_ordinary_errors() -> None:
    errors = np.ones(20)
    errors[[3, 9]] = 1000
    found = _weighted(False, trials(errors), steps_of(40), gives_way=True)
    assert found.noise == pytest.approx(1.6)
    assert not _weighted(False, trials(errors), steps_of(40), gives_way=False).noise


def test_a_baseline_gives_way_to_the_printed_autoregression() -> None:
    """Its predictions are the same as in the report, and it counts for more with more rows."""
    values = 5 + np.cumsum(np.random.default_rng(0).standard_normal(240))
    values[1:] -= 0.5 * values[:-1]
    printed = values[200:] + autoregression_errors(values[:200], values[200:])[:, 0]
    priors = []
    for rows in (60, 61, 200):
        one = combine(values[:rows], []).fitted(values[:rows])
        last, linear = one.alternatives[0], one.alternatives[-1]
        assert last.weights == (1.0,)
        priors.append((last.prior, linear.prior))
    assert len(one.alternatives) == 3
    assert priors[0] == pytest.approx((0.4, 0.1))  # with few rows only the methods without lags
    first, second = 0.3 * 61**2 / (61**2 + 100**2), 0.3 * 4 / 5
    assert priors[1] == pytest.approx((0.4 - first, first))
    assert priors[2] == pytest.approx((0.4 - second, second))
    alone = Linear((Form(),), (Column("", linear.constant, linear.weights),))
    np.testing.assert_allclose(alone.one_step(values[:, None])[199:-1, 0], printed, rtol=1e-6)


def test_a_column_needs_the_rows_of_all_its_methods() -> None:
    one = Column("", 0.0, (1.0,), 1.0, (Alternative(0.4, 0.0, (0.0, 0.0, 1.0)),))
    assert Linear((Form(),), (one,)).reach == one.reach == 3
    assert replace(one, weights=(1.0,) * 4).reach == 4
    rows = np.array([[5.0], [6.0], [7.0], [8.0]])
    ahead = Linear((Form(),), (one,)).ahead(rows, 2)[:, 0]
    other = one.follow(rows[:, 0])[1].alternatives[0].prior
    np.testing.assert_allclose(ahead[0], (1 - other) * 8 + other * 6)
    np.testing.assert_allclose(ahead[1], (1 - other) * ahead[0] + other * 7)


def test_a_baseline_gives_way_to_its_methods_without_differences() -> None:
    """They are a mean with its own weights; and there is none if differences are given."""
    found = combine(walk(100), [])
    (_, levels), *_ = found.alternatives[1:]
    assert {method.lags for method, _ in levels} == {()}
    assert sum(weight for _, weight in levels) == pytest.approx(1)
    assert not combine(walk(100), [], lags=(1,)).alternatives
    fitted = found.fitted(walk(100))
    assert fitted.reach == max(len(other.weights) for other in fitted.alternatives)
    again = json.loads(json.dumps(Linear((Form(),), (fitted,)).to_header()))
    assert Linear.from_header(again, 1).columns == (fitted,)
    del again[0]["alternatives"]  # as earlier versions wrote it
    assert Linear.from_header(again, 1).columns == (replace(fitted, alternatives=LAST),)


def test_methods_of_no_weight_may_be_infinitely_likelier() -> None:
    """A pattern of 168 rows, and little noise: methods without differences are far worse."""
    rng = np.random.default_rng(0)
    values = np.tile(rng.normal(0, 10, 168), 8) + 0.1 * rng.standard_normal(8 * 168)
    found = combine(values, seasons(values)).fitted(values)
    assert np.isfinite([found.noise, *found.weights]).all()
    assert all(np.isfinite(one.weights).all() for one in found.alternatives)


def test_alternatives_that_grow_without_end_are_left_out() -> None:
    """After a step at the end, one of them has most weight; forecasts of many steps keep it."""
    for seed in range(10):
        values = np.random.default_rng(seed).standard_normal(70)
        values[-3:] += 30
        found = combine(values, seasons(values))
        simple = Linear((found.form(values),), (found.fitted(values),))
        assert np.abs(simple.ahead(values[:, None], 200)).max() < 150
    calm, wild, last = (Alternative(0.1, 0.0, (w,)) for w in (0.9, 1.02, 1.0))
    for own, left in ((0.5, (calm, last)), (1.03, (calm, wild, last))):
        assert Column("", 0.0, (own,)).with_stable((calm, wild, last)).alternatives == left


def test_forecasts_from_few_rows_agree() -> None:
    """Methods that reach further than the rows known are the last value until they have enough."""
    values = growth(150)
    found = combine(values, seasons(values))
    simple = Linear((found.form(values),), (found.fitted(values),))
    assert len(simple.columns[0].alternatives) >= 2
    assert simple.reach > 6
    for rows in range(2, simple.reach + 3):
        known = values[:rows, None]
        first = simple.ahead(known, 3)[0, 0]
        assert first == pytest.approx(simple.one_step(known)[-1, 0])
    later = simple.settled(known)
    alone = later.one_step(np.concatenate([known, [[first]]]))[-1, 0]
    assert simple.ahead(known, 2)[1, 0] == pytest.approx(alone)


def test_the_last_value_has_most_weight_in_a_random_walk() -> None:
    for seed in range(10):
        one = 100 + walk(270, seed)
        assert combine(one, seasons(one)).parts[0][0] == Method()


def test_real_gains_are_recognised() -> None:
    """A drift, a season, and a return to the mean."""
    t, noise = np.arange(270), np.random.default_rng(0).standard_normal(270)
    assert combine(walk(270) + t, []).parts[0][0].constant
    of_week = combine(5 * np.sin(2 * np.pi * t / 7) + noise, [7])
    assert 7 in of_week.lags or of_week.parts[0][0].order >= 6
    assert combine(noise, []).lags == ()


def test_given_differences_are_taken_better_or_not() -> None:
    for lags in ((5,), (1,), (1, 5), ()):
        found = combine(walk(200), [], lags=lags)
        assert {method.lags for method, _ in found.parts} == {lags}
        assert not found.noise  # it does not give way to the last value either


def test_four_years_of_months_are_enough_for_their_season() -> None:
    month = 0.2 * np.array([0, -1, 1, 0.5, 0.3, 2, 3, 2.5, 1, -0.5, -1.5, 0])
    for seed in range(5):
        noise = 0.03 * np.random.default_rng(seed).standard_normal(48)
        values = np.exp(4 + 0.01 * np.arange(48) + np.tile(month, 4) + noise)
        method = combine(values, seasons(values))
        assert 12 in method.lags or method.parts[0][0].order >= 12


def test_logarithms_need_more_than_a_small_gain() -> None:
    """They are wrong many times over where the rows to come are higher than those known."""
    for seed in (27, 28, 40, 57):
        noise = np.random.default_rng(seed).standard_normal(72)
        values = 20 + 0.5 * np.arange(72) + noise
        assert not combine(values, seasons(values)).log


def test_a_constant_series_is_its_last_value() -> None:
    for rows in (20, 60, 200):
        found = combine(np.full(rows, 5.0), [7])
        assert found == Combination(False, ((Method(), 1.0),))
        assert found.name == found.described == "last value"


def test_rows_without_a_change_are_no_error() -> None:
    """Every method is right about the later ones."""
    values = np.concatenate([walk(30), np.zeros(50)])
    found = combine(values, [])
    assert np.isfinite([weight for _, weight in found.parts]).all()
    assert found.parts[0][0] == Method()


def test_most_rows_may_be_without_a_change() -> None:
    """So that usual changes are none."""
    values = np.zeros(100)
    values[70] = 1
    found = combine(values, [])
    assert sum(weight for _, weight in found.parts) == pytest.approx(1)


def test_exponential_growth_is_modelled_by_logarithms() -> None:
    values = growth(160)
    method = combine(values[:144], seasons(values[:120]))
    assert method.log
    assert method.name.endswith("of logarithms")
    assert 12 in method.lags or method.parts[0][0].order >= 12
    known = values[:144, None]
    simple = Linear((method.form(known[:, 0]),), (method.fitted(known[:, 0]),))
    off = simple.one_step(values[:, None])[143:-1, 0] - values[144:]
    assert (off**2).mean() < 0.1 * (np.diff(values[143:]) ** 2).mean()
    assert not combine(values, [12], log=False).log
    assert not combine(values - 300, [12]).log  # some are below zero


def test_short_and_constant_series_have_a_method() -> None:
    for values in (np.zeros(40), np.ones(2), np.array([1.0, 2, 4]), walk(9)):
        method = combine(values, seasons(values))
        assert np.isfinite(method.fitted(values).weights).all()


def test_weights_add_up_and_the_largest_is_first() -> None:
    found = combine(year(np.random.default_rng(0), 60), [12])
    weights = [weight for _, weight in found.parts]
    assert len(weights) > 3
    assert sum(weights) == pytest.approx(1)
    assert weights == sorted(weights, reverse=True)
    assert found.name == f"mean of {len(weights)} linear methods"
    share = f"most weight ({weights[0]:.0%})"
    assert found.described == f"{found.name}, {share} on {found.parts[0][0].name}"


def test_a_mean_of_methods_is_one_method() -> None:
    values = walk(50)
    parts = ((Method((), 2, True), 0.6), (Method((4,)), 0.3), (Method((1,), 0, True), 0.1))
    both = Linear((Form(),), (Combination(False, parts).fitted(values),))
    expected = np.zeros(50)
    for method, weight in parts:
        one = Linear((Form(),), (method.fitted(values),))
        expected += weight * one.one_step(values[:, None])[:, 0]
    np.testing.assert_allclose(both.one_step(values[:, None])[3:, 0], expected[3:], atol=1e-12)


def test_the_test_rows_choose_nothing(tmp_path: Path) -> None:
    values = growth(120)
    data = data_of(tmp_path, values)
    other = values.copy()
    other[data.edges[1] :] = 1e3 * walk(120 - data.edges[1])
    assert data_of(tmp_path, other).spec() == data.spec()


def test_methods_have_names() -> None:
    found = [
        Method(),
        Method(constant=True),
        Method((12,)),
        Method((1, 12)),
        Method((), 0, True),
        Method((), 3, True),
        Method((1, 12), 1, True),
        Method((1,), 12, True, 5.0),
    ]
    assert [one.name for one in found] == [
        "last value",
        "last value and drift",
        "value 12 rows before",
        "no change of differences of 1 and 12",
        "mean",
        "autoregression over 3 rows",
        "autoregression over 1 row of differences of 1 and 12",
        "shrunken autoregression over 12 rows of differences of 1",
    ]


# How far it is trusted


def test_trust_follows_bayes_rule() -> None:
    """By hand, for one row: the weights times the roots of the likelihoods, then a step back."""
    seen, prior = np.array([1.0, 2.0]), np.array([0.5, 0.3, 0.2])
    after = np.array([[1.5, 9.0], [1.0, 2.0], [2.0, 3.0]])
    weights = prior * np.exp(-(np.array([0.5, 1.0, 0.0]) ** 2) / 4 / 0.3)
    expected = 0.98 * weights / weights.sum() + 0.02 * prior
    found = trust(seen, after, prior.tolist(), 0.3)
    np.testing.assert_allclose(found, np.array([prior, expected]).T)


def test_the_noise_that_errors_are_measured_by_grows_with_those_of_the_mean() -> None:
    """By hand, for two rows, where one method errs by 1 and the other by 2."""
    seen = np.array([0.0, 2.0, 4.0])
    found = trust(seen, np.array([[1.0, 3.0, 9.0], seen]), [0.9, 0.1], 0.5)
    noise = 0.5 + 0.1 * ((2 - 0.9 * 1) ** 2 - 0.5)
    first, second = found[:, 1]
    weight = first / (first + second * np.exp((1 - 4) / 4 / noise))
    np.testing.assert_allclose(found[:, 2].sum(), 1)
    assert found[0, 2] == pytest.approx(0.98 * weight + 0.02 * 0.9)


def test_a_step_counts_for_five_times_the_noise_at_most() -> None:
    """By hand: each row of huge errors adds 0.4 of the noise, which grows with itself."""
    seen, after = np.array([0.0, 100.0, 200.0, 200.0]), np.array([[0.0, 0.0, 198.0, 0.0]] * 2)
    after[1, 2] = 199
    found = trust(seen, after, [0.5, 0.5], 1.0)
    noise = 1 + 0.1 * (5 - 1)
    noise += 0.1 * (5 * noise - noise)
    first = 1 / (1 + np.exp((4 - 1) / 4 / noise))
    np.testing.assert_allclose(found[0], [0.5, 0.5, 0.5, 0.98 * first + 0.01])


def test_trust_is_lost_by_a_step_and_comes_back() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(300)
    values[100:110] += 20
    found = trust(values, np.array([np.zeros(300), values]), [0.9, 0.1], 1.0)[0]
    assert found[90:100].min() > 0.9
    assert found[101:110].max() < 0.03
    assert found[112:].min() > 0.05
    assert found[150:].min() > 0.9


def test_the_best_of_three_methods_gets_most_trust() -> None:
    """So a mean that is wrong by chance costs little."""
    values = np.random.default_rng(0).standard_normal(60)
    wrong, right = np.full(60, 3.0), np.zeros(60)
    found = trust(values, np.array([wrong, values, right]), [0.7, 0.15, 0.15], 1.0)
    assert found[2, 30:].min() > 0.7
    assert found[0, 5:].max() < 0.1


def test_methods_with_errors_of_any_size_are_trusted_by_number() -> None:
    """Exact rows for long, and huge errors."""
    seen = np.concatenate([np.arange(40000.0), [1e200, -1e200, 3.0]])
    after = np.where(np.arange(len(seen)) < 39999, np.append(seen[1:], 0.0), 0.0)
    found = trust(seen, np.array([after, seen]), [0.9, 0.1], 1e-8)
    assert np.isfinite(found).all()
    assert found[0, 39998] > 0.99


def test_a_method_gives_way_in_forecasts_of_many_steps(tmp_path: Path) -> None:
    """Beyond the last row nothing changes its trust."""
    values = np.concatenate([np.random.default_rng(0).standard_normal(60), [9.0, 9.5, 8.5]])
    mean = Linear((Form(),), (Column("mean", 0.0, (0.0,), 1.0, LAST),))
    settled = mean.settled(values[:, None])
    part = 1 - settled.columns[0].alternatives[0].prior
    assert part < 0.03
    assert not settled.columns[0].noise
    ahead = mean.ahead(values[:, None], 3)[:, 0]
    np.testing.assert_allclose(ahead, 8.5 * (1 - part) ** np.arange(1, 4))
    assert mean.one_step(values[:, None])[-1, 0] == pytest.approx(ahead[0])


def test_the_network_keeps_the_trust_of_the_last_known_row(tmp_path: Path) -> None:
    """Some steps ahead, too: the baseline's mean, which a step has refuted, does not come back."""
    values = np.concatenate([np.random.default_rng(0).standard_normal(80), np.full(20, 9.0)])
    data = data_of(tmp_path, values)
    task, weights = task_of(data)
    spec = data.spec()
    assert spec.changes is not None
    mean = Linear((Form(),), (Column("mean", 0.0, (0.0,), 1.0, LAST),))
    spec = replace(spec, changes=replace(spec.changes, base=mean), simple=mean)
    trained = Trained(task.model, weights, spec, data._config)
    known = values[:, None]
    found = forecast(trained, known, 5)
    np.testing.assert_allclose(found, mean.ahead(known, 5))
    assert found.min() > 8
    task.engine.close()


# What the network reads and says


@pytest.mark.parametrize("base", ["linear", "last"])
def test_perfect_outputs_restore_the_series(tmp_path: Path, base: str) -> None:
    values = np.stack([growth(90), walk(90)], axis=1)
    data = data_of(tmp_path, values, base=base)
    changes = data.spec().changes
    assert changes is not None
    inputs, after = changes.inputs(data.values)
    assert inputs.shape == (90, 4)
    assert after.shape == (90, 2)
    found = changes.restored(changes.targets(data.values, after[:-1])[1:], after[:-1])
    np.testing.assert_allclose(found, data.values[1:], rtol=1e-9)
    again = Changes.from_header(json.loads(json.dumps(changes.to_header())), 2)
    assert again == changes
    # What is read at a row depends on so many before it alone, and on how far they are trusted.
    settled = replace(changes, base=changes.base.settled(data.values))
    late, _ = settled.inputs(data.values[-changes.reach :])
    np.testing.assert_allclose(late[-1], inputs[-1], atol=1e-9)


def test_a_network_that_knows_the_errors_corrects_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outputs stand beside the errors of the same rows."""
    data = data_of(tmp_path, walk(200))
    task, weights = task_of(data)
    known = data.values[: data.edges[1]]

    def knowing(trained: Trained, inputs: Numbers) -> Numbers:
        _, after = trained.spec.inputs(known)
        return trained.spec.targets(known, after[:-1])[1:]

    monkeypatch.setattr("charrnn.tasks.forecast.outputs_of", knowing)
    score = task.validate(weights)
    assert score is not None
    assert task.spec.changes is not None
    assert task.spec.changes.share == pytest.approx((1.0,))
    assert score.loss < 1e-12
    assert score.error is not None
    assert score.error < 1e-9
    task.engine.close()


def test_training_begins_where_the_baseline_has_enough_rows(tmp_path: Path) -> None:
    data = data_of(tmp_path, growth(200))
    task, _ = task_of(data)
    changes = data.spec().changes
    assert changes is not None
    rows = task.lanes.length * task.batch_size + task.lanes.left_over + 1
    assert rows == 160 - min(changes.base.reach - 1, 80) < 160
    task.engine.close()


def test_an_untrained_network_equals_the_baseline(tmp_path: Path) -> None:
    """Its error on the validation rows is what the network has to beat."""
    data = data_of(tmp_path, growth(120))
    task, weights = task_of(data)
    score, spec = task.validate(weights), data.spec()
    assert score is not None
    assert score.error == pytest.approx(spec.rival)
    trained = Trained(task.model, weights, spec, data._config)
    assert spec.simple is not None
    np.testing.assert_allclose(
        one_step(trained, data.values), spec.simple.one_step(data.values)[:-1]
    )
    outcome = task.test(weights)
    assert outcome is not None
    assert outcome.verdict.startswith("the baseline is as good alone")
    assert outcome.score.measures["mean squared error"] == pytest.approx(
        outcome.baselines[spec.simple.columns[0].name]
    )
    assert [*outcome.baselines] == [
        "last value",
        "value 12 rows before",
        spec.simple.columns[0].name,
        "linear autoregression on all rows before",
    ]
    described = data.describe(task.spec, data._config)
    assert described[-1].endswith("; the network adds nothing to it")
    assert data.describe(spec, data._config)[-1].endswith(", which the network corrects")
    task.engine.close()


def test_columns_with_one_baseline_stand_together_and_only_some_are_named(tmp_path: Path) -> None:
    values = np.stack(
        [np.full(60, 3.0), np.full(60, 4.0), year(np.random.default_rng(0), 60)], axis=1
    )
    data = data_of(tmp_path, values)
    line = data.describe(data.spec(), data._config)[2]
    assert line.startswith("baseline: '1', '2': last value; '3': mean of ")
    assert "the network" not in line  # six validation rows are too few for it
    many = np.stack([year(np.random.default_rng(k), 90) for k in range(12)], axis=1)
    data = data_of(tmp_path, many)
    line = data.describe(data.spec(), data._config)[2]
    assert line.count("; ") == 8
    assert line.endswith("; 4 more, which the network corrects")


def test_a_network_worse_than_a_baseline_is_reported(tmp_path: Path) -> None:
    """It would have to learn the season in one update."""
    path = written(tmp_path, growth(120))
    settings: dict[str, Any] = {"hidden": 2, "epochs": 0.1, "threads": 1}
    run = package.train(path, task="forecast,base=none", out=tmp_path / "run", **settings)
    model = run.finish()
    outcome = run.report()
    assert outcome is not None
    assert outcome.verdict.startswith("the baseline beats the network")
    done = charrnn("eval", "run", cwd=tmp_path)
    first = done.stdout.decode().splitlines()[1]
    assert first.startswith("the baseline beats the network")
    assert run.best_score is not None
    done = charrnn("inspect", "run", cwd=tmp_path)
    assert f"{figure(run.best_score.error)} squared error, validated" in done.stdout.decode()
    assert (
        outcome.baselines["linear autoregression on all rows before"]
        < 0.5 * (outcome.score.measures["mean squared error"])
    )
    assert model.spec.changes is None


def test_the_verdict_names_the_best_baseline(tmp_path: Path) -> None:
    """Here it is one that was not chosen: the given method is worse than the last value.

    On 15 rows that may be chance, on 80 it is not.
    """
    verdicts = []
    for rows in (150, 800):
        values = np.stack([walk(rows), walk(rows, 1)], axis=1)
        data = data_of(tmp_path, values, difference="7", season="7")
        task, weights = task_of(data)
        outcome = task.test(weights)
        task.engine.close()
        assert outcome is not None
        verdicts.append(outcome.verdict)
    assert verdicts[0].startswith("the baseline is as good alone: ")
    assert verdicts[1].startswith("a baseline beats the network: last value, ")


def test_a_network_must_be_better_beyond_chance(tmp_path: Path) -> None:
    """On a single row it may be; on every row by a tenth, it is."""
    data = data_of(tmp_path, growth(120))
    task, weights = task_of(data)
    *_, alone = task._validated(weights)
    by_chance = alone.copy()
    by_chance[np.abs(alone).argmax()] = 0
    verdict = task._verdict(by_chance, alone)
    rival = figure(task.spec.rival or 0.0)
    assert verdict.startswith(f"{SAME}: mean squared error {rival} beside ")
    assert task._verdict(0.9 * alone, alone) == ""
    task.engine.close()


def test_an_unused_network_needs_no_more_training(tmp_path: Path) -> None:
    path = written(tmp_path, np.arange(10.0)[:, None] ** 2)
    done = charrnn("train", path, "--task", "forecast", "--out", "run", cwd=tmp_path)
    said = done.stderr.decode()
    assert "the forecast is its baseline" in said
    assert "train longer" not in said
    assert "falling" not in said


def test_the_share_is_what_the_rows_justify() -> None:
    changes = Changes.of(Linear((Form(0.0, (1,)),), (naive((1,), ""),)), walk(50)[:, None])
    targets = np.random.default_rng(1).standard_normal((200, 1))
    noise = np.random.default_rng(2).standard_normal((200, 1))
    (right,), (chance,) = (changes.trusted(y, targets).share for y in (targets, noise))
    assert right == pytest.approx(1)
    assert chance < 0.05
    (half,) = changes.trusted(targets + noise, targets).share
    assert 0.35 < half < 0.5
    assert changes.trusted(np.zeros((20, 1)), targets[:20]).share == (0.0,)
    few, enough = (changes.trusted(targets[:n], targets[:n]).share[0] for n in (7, 8))
    assert few == 0
    assert enough == pytest.approx(1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        changes.with_share(np.array([1.5]))


def test_a_short_series_gets_enough_updates(tmp_path: Path) -> None:
    for rows in (60, 150, 700):
        data = data_of(tmp_path, walk(rows))
        config = data._config.long_enough(data.trained_on(data._config))
        task, _ = task_of(data)
        assert 500 <= task.steps_per_epoch * config.epochs <= 2400
        assert task.batch_size == max(1, round(0.8 * rows) // 64)  # so that each is long enough
        task.engine.close()


@pytest.mark.parametrize("make", [walk, growth])
def test_a_network_is_no_worse_than_the_baselines(
    tmp_path: Path, make: Callable[[int], Numbers]
) -> None:
    path = written(tmp_path, make(200))
    run = package.train(path, task="forecast", out=tmp_path / "run", threads=1)
    run.finish()
    outcome = run.report()
    assert outcome is not None
    error = outcome.score.measures["mean squared error"]
    assert error <= 1.05 * min(outcome.baselines.values())


# Settings


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("difference=x", "difference=x: give auto, 0, 1, 12 or 1+12"),
        ("season=-1", "season=-1: give auto, 0 for none, or its rows"),
        ("log=maybe", "log=maybe: choose from auto, yes, no"),
        ("base=first", "base=first: choose from linear, last, none"),
        ("index=drop", "index=drop: choose from leave, keep"),
    ],
)
def test_settings_that_do_not_apply_are_refused(variant: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("+", r"\+")):
        Config.of(**Config.parse({"task": f"forecast,{variant}"}))


def test_given_settings_are_followed(tmp_path: Path) -> None:
    settings = Config.parse({"task": "forecast,difference=1+4,log=yes,season=4"})
    config = Config.of(**settings)
    data = ForecastData(Paths((written(tmp_path, growth(120)),)), config)
    spec = data.spec()
    assert spec.simple is not None
    assert spec.simple.forms[0].lags == (1, 4)
    assert spec.simple.forms[0].floor > 0
    assert spec.seasons == (4,)
    plain = data_of(tmp_path, growth(120), base="none").spec()
    assert plain.changes is None
    assert plain.simple is not None
    assert plain.model(config).input_size == 1
    described = data.describe(spec, config)[2]
    assert described.startswith("baseline: ")
    assert " linear methods of logarithms, most weight (" in described
    assert "differences of 1 and 4, which" in described


# From a checkpoint


def test_a_checkpoint_alone_predicts_by_the_baseline(tmp_path: Path) -> None:
    values = growth(100)
    path = written(tmp_path, values)
    flags = ("--epochs", "1", "--threads", "1", "--out", "run", "-q", *TINY)
    done = charrnn("train", path, "--task", "forecast,base=last", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shutil.copy(tmp_path / "run" / "best.npz", tmp_path / "alone.npz")
    shutil.rmtree(tmp_path / "run")
    model = load_model(tmp_path / "alone.npz")
    ask = ("predict", "alone.npz", path, "--steps", "3")
    done = charrnn(*ask, "--method", "baseline", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = [float(line) for line in done.stdout.decode().splitlines()[1:]]
    wanted = model.spec.simple.ahead(values[:, None], 3)[:, 0]
    assert found == pytest.approx(wanted.tolist(), rel=1e-4)
    by_network: Any = model.predict(path, steps=3)[0]
    assert (
        charrnn(*ask, cwd=tmp_path).stdout
        == charrnn(*ask, "--method", "network", cwd=tmp_path).stdout
    )
    assert not np.allclose(by_network.values[:, 0], found, rtol=1e-9)
    with pytest.raises(InputError, match="choose from network, baseline"):
        model.predict(path, method="simple")


def test_a_task_without_a_stored_baseline_says_so() -> None:
    model = package.load(FIXTURES / "old-forecast.npz")
    with pytest.raises(InputError, match="holds no baseline"):
        model.predict(np.zeros((3, 2)), method="baseline")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("simple", []),
        ("rival", "x"),
        ("seasons", [0, 0]),
        ("seasons", [-1]),
        ("changes", {}),
        ("changes", {"base": [], "mean": [0.0], "deviation": [1.0], "scale": [1.0]}),
        ("unit", [0.0]),
    ],
)
def test_a_modified_spec_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    path = written(tmp_path, walk(60))
    settings: dict[str, Any] = {"hidden": 2, "epochs": 1.0, "threads": 1}
    package.train(path, task="forecast", out=tmp_path / "run", **settings).finish()
    header, arrays = read_checkpoint(tmp_path / "run" / "best.npz")
    header["spec"][name] = value
    write_checkpoint(tmp_path / "x.npz", header, arrays)
    with pytest.raises(CheckpointError, match="does not hold a model"):
        load_model(tmp_path / "x.npz")


# Runs of earlier versions: `--hidden 2 --epochs 6 --batch-size 4 --seq-len 8` on these rows

OLD = "year,x\n" + "".join(f"{1900 + k},{k * k % 17 + 0.5 * k:.1f}\n" for k in range(90))


def test_an_old_model_forecasts_as_it_did(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(OLD)
    model = package.load(FIXTURES / "old-forecast.npz")
    found: Any = model.predict(str(path), steps=2)[0]
    wanted = [[1939.8902703, 27.0525147], [1939.1014836, 27.5627421]]
    np.testing.assert_allclose(found.values, wanted, rtol=1e-6)
    score = model.evaluate(train=[str(path)]).outcome.score
    assert score.loss == pytest.approx(4.307380942844709, rel=1e-6)


def test_an_old_run_continues_as_it_would_have(tmp_path: Path) -> None:
    """Including the column of years: what was read then is read now."""
    path = tmp_path / "s.csv"
    path.write_text(OLD)
    (tmp_path / "run").mkdir()
    shutil.copy(FIXTURES / "old-forecast-last.npz", tmp_path / "run" / "last.npz")
    found = package.resume(tmp_path / "run", path, threads=1).finish()
    wanted = package.load(FIXTURES / "old-forecast.npz")
    assert found.spec.columns == ("year", "x")
    assert (found.config.base, found.config.index) == ("none", "keep")
    np.testing.assert_allclose(found.parameters.flat, wanted.parameters.flat, rtol=1e-4, atol=1e-6)
    assert found.header["best"]["val"] == pytest.approx(3.234878012794476, rel=1e-6)
