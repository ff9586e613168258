"""``--minutes``: the choices, ending on time, and resuming a plan."""

import json
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from support import (
    TEXT,
    charrnn,
    corpus_of,
    fingerprint,
    metrics,
    read_clock,
    resume,
    run_until,
    text_data,
)

from charrnn.errors import InputError
from charrnn.ranks import Group
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import load_model
from charrnn.tasks import lm
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.lm import TextData, TextSpec
from charrnn.text.corpora import Corpus
from charrnn.training import begin as beginning
from charrnn.training import course, kept, planner
from charrnn.training.compare import baselines_take
from charrnn.training.events import Finished, Repaced, Validated
from charrnn.training.pace import Deadline, Pace
from charrnn.training.planner import (
    CHOSEN,
    IN_USE,
    MEMBERS_FIRST,
    MORE_OF_BYTES,
    VALIDATION,
    Plan,
    plan,
)
from charrnn.training.recipe import (
    FEW_UPDATES,
    HIGHER,
    LADDER,
    LENGTHS,
    LONGER,
    MOST_EPOCHS,
    SHRINKAGE,
    SHRUNK,
    TINY,
    TUNED,
    WIDE,
    learning_rate,
    seq_len,
)
from charrnn.training.run import Run
from charrnn.training.speed import Speed, text_like
from charrnn.training.timekeeper import SCORED
from charrnn.training.watch import SETTLED, LossWatch


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lm, "PREVIEW_LENGTH", 20)


def text_of(size: int, vocab_size: int = 60) -> TextData:
    """A text of some characters, some of them distinct."""
    codes = np.arange(size, dtype=np.uint16) % vocab_size + 40
    return TextData(Corpus("char", codes, "0" * 64), Paths(("text.txt",)))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A machine with a fixed number of multiplications a second, whatever it trains."""
    monkeypatch.setattr(planner, "monotonic", lambda: 1000.0)

    def of(multiplications: float) -> None:
        def measure(
            config: Config, data: TextData, spec: TextSpec, threads: int, group: Group | None
        ) -> Speed:
            shapes = spec.model(config).shapes().values()
            weights = sum(int(np.prod(shape)) for shape in shapes)
            return Speed(threads or 2, multiplications / weights)

        monkeypatch.setattr(planner, "measure", measure)

    return of


def size_of(config: Config) -> tuple[int, int]:
    return config.layers, config.hidden


def test_more_time_gives_a_larger_network(machine: Callable[[float], None]) -> None:
    machine(2e10)
    data = text_of(1_000_000)
    chosen = [size_of(plan(data, minutes, {}).config) for minutes in (0.01, 0.2, 2, 60)]
    assert chosen == sorted(chosen)
    assert len(set(chosen)) == 4
    assert set(chosen) <= {(rung.layers, rung.hidden) for rung in LADDER}


@pytest.mark.parametrize(("size", "minutes"), [(20_000, 1), (3_000_000, 60)])
def test_trained_weights_learn_a_new_text_more_gently(
    size: int, minutes: float, machine: Callable[[float], None]
) -> None:
    """At a lower learning rate, and a short training does not shrink them."""
    machine(2e9)
    fresh, tuned = (plan(text_of(size), minutes, {}, tuned=tuned).config for tuned in (False, True))
    assert replace(tuned, lr=fresh.lr, weight_decay=fresh.weight_decay) == fresh
    assert tuned.lr == pytest.approx(TUNED * fresh.lr, rel=0.05)
    if size < 100_000:
        assert tuned.weight_decay * tuned.lr < 0.8 * fresh.weight_decay * fresh.lr
    else:
        assert tuned.weight_decay * tuned.lr == pytest.approx(fresh.weight_decay * fresh.lr, 0.05)
    given = plan(text_of(size), 1, {"lr": 0.02}, tuned=True).config
    assert given.lr == 0.02


def test_an_average_comes_before_a_network_larger_than_one_of_a_weight_a_character(
    machine: Callable[[float], None],
) -> None:
    """Such a network is taken only if there is time for three, or no time for two smaller ones."""
    machine(2e10)
    text = text_of(1_000_000)
    refused, largest = 0, (0, 0)
    for minutes in (*range(1, 40), *range(40, 200, 10)):
        found = plan(text, minutes, {})
        alone = plan(text, minutes, {"members": 1}).config
        assert size_of(found.config) <= size_of(alone)
        if size_of(found.config) >= (2, 512):
            assert found.config.members == 1 or found.config.members >= MEMBERS_FIRST
        if size_of(found.config) < size_of(alone):
            assert found.config.members >= 2
            assert "which predicts better" in "\n".join(found.reasons)
            assert size_of(plan(text, minutes, {"epochs": 8.0}).config) == size_of(alone)
            refused += 1
        largest = max(largest, size_of(found.config))
    assert refused
    assert largest >= (2, 768)


def test_a_network_smaller_than_the_text_is_not_averaged_where_a_larger_one_pays(
    machine: Callable[[float], None],
) -> None:
    """One 2 × 256 predicts better than four 1 × 256 of a text of 400,000 characters."""
    machine(2e10)
    text = text_of(400_000)
    averages = [
        (size_of(found), found.members)
        for minutes in np.geomspace(0.1, 20, 40)
        if (found := plan(text, minutes, {}).config).members > 1
    ]
    assert averages
    assert min(size for size, _ in averages) == (2, 256)


def test_a_faster_machine_counts_as_more_time(machine: Callable[[float], None]) -> None:
    data = text_of(1_000_000)
    machine(1e10)
    slow = plan(data, 10, {}).config
    machine(1e11)
    fast = plan(data, 1, {}).config
    assert size_of(slow) == size_of(fast)
    assert slow.epochs == pytest.approx(fast.epochs)


def test_the_epochs_fill_the_time(machine: Callable[[float], None]) -> None:
    machine(2e10)
    small = {"layers": 1, "hidden": 256}
    configs = [plan(text_of(1_000_000), minutes, small).config for minutes in (0.25, 0.5)]
    assert configs[1].epochs == pytest.approx(2 * configs[0].epochs)


def test_long_runs_shrink_the_weights_more(
    machine: Callable[[float], None],
) -> None:
    def shrunk(size: int) -> tuple[float, float]:
        """The weight decay times the sum of all learning rates, and times the peak."""
        given = {"layers": 1, "hidden": 64, "epochs": 1.0, "val_fraction": 0.0}
        config = plan(text_of(size), 1e4, given).config
        updates = size / (config.batch_size * config.seq_len)
        an_update = config.weight_decay * config.lr
        return 0.5 * an_update * updates, an_update

    machine(1e12)
    sizes = 200_000, 2_000_000, 8_000_000, 50_000_000
    wholes, each = zip(*(shrunk(size) for size in sizes), strict=True)
    assert wholes[:2] == pytest.approx([SHRUNK, SHRUNK], rel=0.1)
    assert wholes[1] < wholes[2] < wholes[3]
    assert each[2] == pytest.approx(SHRINKAGE[0] * 8_000_000 / 2048, rel=0.1)
    assert each[3] == pytest.approx(SHRINKAGE[1], rel=0.1)


def test_the_learning_rate_grows_with_the_fourth_root_of_the_batch(
    machine: Callable[[float], None],
) -> None:
    machine(2e10)
    given = {"layers": 1, "hidden": 256, "seq_len": 64}
    rates = [
        plan(text_of(1_000_000), 1, {**given, "batch_size": lanes}).config.lr for lanes in (32, 2)
    ]
    assert rates == pytest.approx([LADDER[1].lr, LADDER[1].lr / 2])


def test_more_processes_read_more_lanes_where_that_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If they are much faster, with enough updates and too few epochs."""
    monkeypatch.setattr(planner, "monotonic", lambda: 1000.0)
    text, narrow = text_of(8_000_000), {"layers": 1, "hidden": 128, "seq_len": 64}

    def planned(processes: int, gain: float, minutes: float = 10, **given: Any) -> Config:
        def measure(config: Config, *_: object) -> Speed:
            return Speed(processes, 2e4 * gain ** np.log2(config.batch_size / 32), 0)

        monkeypatch.setattr(planner, "measure", measure)
        return plan(text, minutes, {**narrow, **given}).config

    assert planned(2, 1.9).batch_size == 32  # two keep what they had
    usual = planned(8, 1.0)
    assert usual.batch_size == 32
    assert planned(8, 1.04).batch_size == 32
    wide = planned(8, 1.3)
    assert wide.batch_size > 64
    assert wide.lr == pytest.approx(usual.lr * (wide.batch_size / 32) ** WIDE, rel=0.02)
    short, shorter = planned(8, 1.3, 2), planned(8, 1.3, 0.3)
    assert 32 < short.batch_size < wide.batch_size  # the fewer updates, the fewer lanes
    assert shorter.batch_size == 32
    assert planned(8, 1.9, 1000).batch_size == 32  # there is time for all passes
    assert planned(8, 1.9, batch_size=32).batch_size == 32
    assert planned(8, 1.9, lr=0.01).lr == 0.01


def test_a_text_of_rare_characters_drops_out_and_has_one_layer(
    machine: Callable[[float], None],
) -> None:
    machine(2e10)
    poems = plan(text_of(60_000, 3000), 60, {})
    assert poems.config.dropout > 0
    assert poems.config.layers == 1
    assert "too deep for a text with so many different characters" in "\n".join(poems.reasons)
    assert plan(text_of(60_000, 60), 60, {}).config.layers == 2
    assert plan(text_of(60_000, 3000), 60, {"layers": 2}).config.layers == 2
    assert plan(text_of(600_000, 3000), 1, {}).config.dropout == 0
    assert plan(text_of(60_000, 60), 1, {}).config.dropout == 0


def test_a_short_text_is_not_read_forever(machine: Callable[[float], None]) -> None:
    machine(1e12)
    found = plan(text_of(20_000), 60, {})
    config = found.config
    assert config.epochs == LONGER[1] * min(MOST_EPOCHS)
    assert plan(text_of(20_000), 60, {"members": 1}).config.epochs == min(MOST_EPOCHS)
    assert size_of(config) > (1, 128)  # there is time for a wider one, and it learns more
    assert "would memorise the text" in "\n".join(found.reasons)
    assert config.batch_size < 20
    assert config.patience > 0


def test_an_average_of_a_short_text_is_worth_more_epochs(
    machine: Callable[[float], None],
) -> None:
    """Where there is time for three networks of so many; a longer text has been seen enough."""
    for size, shorter, longer in ((80_000, 5.0, 10.0), (150_000, 5.0, 5.0)):
        chosen = []
        for multiplications in (2e10, 6e10, 2e11, 1e12):
            machine(multiplications)
            config = plan(text_of(size), 1, {"layers": 1, "hidden": 512}).config
            if config.members > 1:
                chosen.append((config.epochs, config.members))
        epochs = [epochs for epochs, _ in chosen]
        assert epochs == sorted(epochs)
        assert (min(epochs), max(epochs)) == pytest.approx((shorter, longer), rel=0.2)
        assert all(members >= 3 for epochs, members in chosen if epochs > 6)


def test_few_updates_use_shorter_chunks(machine: Callable[[float], None]) -> None:
    machine(2e10)
    data = text_of(1_000_000)
    short, long = plan(data, 0.5, {}).config, plan(data, 10, {}).config
    assert (short.seq_len, long.seq_len) == LENGTHS[::-1]
    for config, fewer in ((short, True), (long, False)):
        of_the_longer = config.epochs * 1_000_000 / (config.batch_size * LENGTHS[0])
        assert (of_the_longer < FEW_UPDATES[config.layers > 1]) is fewer
    assert plan(data, 0.5, {"seq_len": 64}).config.seq_len == 64


def test_a_single_layer_keeps_short_chunks_longer() -> None:
    for layers, few in ((1, FEW_UPDATES[0]), (2, FEW_UPDATES[1]), (3, FEW_UPDATES[1])):
        config, size = Config.of(layers=layers, batch_size=32, seq_len=LENGTHS[0]), 1_000_000
        an_epoch = size / (32 * LENGTHS[0])
        found = [seq_len(config, part * few / an_epoch, size) for part in (0.99, 1.01)]
        assert found == [LENGTHS[1], LENGTHS[0]]


@pytest.mark.parametrize(
    ("size", "layers", "higher"),
    [(400_000, 1, 1.0), (750_000, 1, 1.5), (1_000_000, 1, HIGHER), (9e6, 1, HIGHER), (9e6, 2, 1.0)],
)
def test_a_single_layer_learns_faster_in_short_chunks(
    size: float, layers: int, higher: float
) -> None:
    """From half a million characters on, up to twice as fast at a million."""
    config = Config.of(layers=layers, batch_size=32, lr=0.01)
    rates = [learning_rate(replace(config, seq_len=T), int(size), wide=True) for T in LENGTHS]
    assert rates == pytest.approx([0.01, 0.01 * 0.5**0.25 * higher], rel=0.04)


def test_a_longer_text_is_read_more_often_before_it_is_memorised(
    machine: Callable[[float], None],
) -> None:
    machine(1e12)
    sizes, one = (20_000, 800_000, 1_200_000), {"members": 1}
    passes = [plan(text_of(size), 10, one).config.epochs for size in sizes]
    assert passes == sorted(passes)
    assert (passes[0], passes[-1]) == MOST_EPOCHS
    assert len(set(passes)) == 3


def test_a_tiny_text_is_read_until_there_were_updates_to_learn_from(
    machine: Callable[[float], None],
) -> None:
    machine(1e12)
    given = {"val_fraction": 0.0, "members": 1}
    found = [plan(text_of(size), 10, given).config for size in (900, 1600, 3000)]
    assert [config.epochs for config in found] == [TINY[1], 8, min(MOST_EPOCHS)]
    assert 1600 * found[1].epochs / (found[1].batch_size * found[1].seq_len) == TINY[0]


def test_a_short_text_gets_no_network_that_is_too_large_for_it(
    machine: Callable[[float], None],
) -> None:
    machine(1e13)
    found = plan(text_of(20_000), 60, {})
    assert "is too large for a text of this size" in "\n".join(found.reasons)
    larger = plan(text_of(200_000), 60, {})
    assert size_of(found.config) < size_of(larger.config)


def test_a_plan_counts_only_the_training_part(machine: Callable[[float], None]) -> None:
    """However large the validation set is."""
    machine(2e10)
    parts = [(1_000_000, 0.1), (1_800_000, 0.5), (900_000, 0.0), (9_000_000, 0.9)]
    for minutes in (0.5, 60):
        found = [plan(text_of(size), minutes, {"val_fraction": part}) for size, part in parts]
        assert len({one.reasons for one in found}) == 1
        assert len({replace(one.config, val_fraction=0.0, patience=0) for one in found}) == 1
        # Patience counts validations, and there are none of nothing.
        assert [bool(one.config.patience) for one in found] == [True, True, False, True]


def test_runs_on_one_text_have_the_same_validation_set(machine: Callable[[float], None]) -> None:
    """Otherwise their losses could not be compared."""
    for size, part in ((1_000_000, 0.1), (20_000_000, VALIDATION / 20_000_000)):
        for speed in (2e8, 2e10):
            machine(speed)
            for minutes in (1, 60):
                assert plan(text_of(size), minutes, {}).config.val_fraction == part


def test_rare_characters_tie_the_head_to_the_embedding(machine: Callable[[float], None]) -> None:
    """Many common ones do not: a free head reads more in a short time."""
    machine(2e10)
    assert plan(text_of(50_000, 3000), 5, {}).config.head == "tied"
    assert plan(text_of(50_000, 3000), 0.05, {}).config.head == "tied"
    assert plan(text_of(2_000_000, 100), 5, {}).config.head == "free"
    assert plan(text_of(20_000_000, 3000), 5, {}).config.head == "free"
    for given in ({"embedding": 64}, {"layers": 0}, {"head": "free"}):
        assert plan(text_of(50_000, 3000), 5, given).config.head == "free"


def test_few_characters_tie_the_head_where_there_is_time_for_all_epochs(
    machine: Callable[[float], None],
) -> None:
    text = text_of(1_000_000)
    fixed = {"layers": 1, "hidden": 256, "val_fraction": 0.0, "members": 1}
    weights = 3 * 256 * (256 + 60 + 2) + 256 * 60 + 60  # of the free head's network
    for speed, head in ((1.0, "free"), (1.2, "free"), (2.0, "tied")):
        machine(speed * weights * MOST_EPOCHS[1] * 1_000_000 / (IN_USE * 300))
        found = plan(text, 5, fixed)
        assert found.config.head == head
        assert ("tied weights" in "\n".join(found.reasons)) == (head == "tied")
        assert found.config.epochs == pytest.approx(MOST_EPOCHS[1], rel=0.05)


def test_bytes_are_suggested_where_many_characters_take_the_time(
    machine: Callable[[float], None],
) -> None:
    machine(2e9)
    line = "the 9,000 different characters take most of the time"
    assert line in "\n".join(plan(text_of(10_000_000, 9000), 5, {}).reasons)
    others = [
        plan(text_of(10_000_000, 300), 5, {}),
        plan(text_of(50_000, 9000), 600, {}),  # there is time for all passes
        plan(text_like(10_000_000, 256, "byte"), 5, {"level": "byte", "hidden": 8}),
        plan(text_of(10_000_000, 9000), 5, {"layers": 0}),
        plan(text_of(10_000_000, 100), 5, {"layers": 1, "hidden": 8}),
        plan(text_of(10_000_000, 500), 5, {"layers": 1, "hidden": 48, "head": "tied"}),
    ]
    assert not any("telling" in "\n".join(other.reasons) for other in others)


def test_bytes_are_suggested_only_where_they_read_much_more(
    machine: Callable[[float], None],
) -> None:
    """A character may take three bytes, and a network reads bytes at a limited speed."""
    machine(2e9)

    def said(often: int) -> str:
        """The plan's lines for 1,000 distinct Japanese characters, with ASCII more frequent."""
        kana = np.arange(1000) + 0x3041
        codes = np.resize(np.concatenate([kana, np.resize(np.arange(97, 123), often)]), 10_000_000)
        data = TextData(Corpus("char", codes, "0"), Paths(("t",)))
        return "\n".join(plan(data, 5, {}).reasons)

    more = re.search(r"would read ([\d.]+) times as much", said(150_000))
    assert more is not None
    assert float(more[1]) >= MORE_OF_BYTES
    assert "telling" not in said(1)


def test_a_character_takes_as_many_bytes_as_in_utf_8() -> None:
    text = "aé字😀\n"
    codes = np.array([ord(c) for c in text])
    found = TextData(Corpus("char", codes, "0"), Paths(("t",))).bytes_each
    assert found == pytest.approx(len(text.encode()) / len(text))


def test_a_narrow_network_gets_no_second_layer_before_the_plan_s_own_is_wider(
    machine: Callable[[float], None],
) -> None:
    """Unless the width is given too."""
    machine(2e10)
    layers = []
    for minutes in (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 4):
        of_plan = plan(text_of(1_000_000), minutes, {}).config
        found = plan(text_of(1_000_000), minutes, {"hidden": 128})
        assert found.config.hidden == 128
        assert found.config.layers == (1 if of_plan.hidden == 128 else 2)
        if found.config.layers == 1:
            assert "1 × 256 gru would be too slow" in "\n".join(found.reasons)
        layers.append(found.config.layers)
    assert {*layers} == {1, 2}
    assert plan(text_of(1_000_000), 0.03, {"hidden": 128, "layers": 2}).config.layers == 2
    assert plan(text_of(1_000_000), 4, {"hidden": 128, "layers": 1}).config.layers == 1


def test_bytes_are_planned_for_as_well(machine: Callable[[float], None]) -> None:
    machine(2e10)
    config = plan(text_like(1_000_000, 90, "byte"), 5, {"level": "byte"}).config
    assert (config.level, config.head) == ("byte", "free")


def test_given_settings_are_kept(machine: Callable[[float], None]) -> None:
    machine(2e10)
    given = {
        "cell": "lstm",
        "layers": 3,
        "hidden": 100,
        "lr": 0.001,
        "dropout": 0.25,
        "epochs": 2.5,
        "val_fraction": 0.03,
        "batch_size": 7,
        "seq_len": 48,
        "weight_decay": 0.5,
        "patience": 0,
        "head": "tied",
    }
    config = plan(text_of(1_000_000), 5, given).config
    assert {name: getattr(config, name) for name in given} == given
    only = plan(text_of(1_000_000), 5, {"hidden": 100}).config
    assert only.hidden == 100
    assert only.cell == "gru"


def test_minutes_or_epochs_end_the_run_whichever_come_first(
    machine: Callable[[float], None],
) -> None:
    machine(2e10)
    few = plan(text_of(1_000_000), 5, {"epochs": 1.5})
    assert few.config.epochs == few.deadline.most_epochs == 1.5
    many = plan(text_of(1_000_000), 5, {"epochs": 500.0})
    assert many.config.epochs < 50
    assert many.deadline.most_epochs == 500
    assert "there is no time for 500 epochs" in many.reasons


def test_the_choice_does_not_depend_on_the_characters(machine: Callable[[float], None]) -> None:
    """Only on their number, and the number of distinct ones."""
    machine(2e10)
    data = text_of(1_000_000)
    other = TextData(
        Corpus("char", np.random.default_rng(0).permutation(data.corpus.codes), "1"),
        Paths(("shakespeare.txt",)),
    )
    assert plan(data, 5, {}) == plan(other, 5, {})


def test_a_plan_says_what_it_chose_and_why(machine: Callable[[float], None]) -> None:
    machine(2e10)
    found: Plan = plan(text_of(1_000_000), 5, {}, threads=3)
    text = "\n".join(found.reasons)
    layers, hidden = size_of(found.config)
    assert f"{layers} × {hidden} gru" in text
    assert "characters a second: " in text
    assert "would be too slow: it needs time for" in text
    assert f"dropout {found.config.dropout:g}" in text
    assert found.threads == 3


@pytest.mark.parametrize(
    ("given", "larger", "millions"),
    [
        ({"hidden": 512}, (2, 512), 8.3),
        ({"hidden": 1024}, (2, 1024), 33),
        ({"layers": 1, "batch_size": 32}, (1, 256), 0.69),
        ({"layers": 2}, (2, 256), 2.1),
        ({"layers": 3}, (3, 256), 3.4),
        ({"cell": "lstm"}, (1, 256), 0.92),
    ],
)
def test_given_settings_do_not_favour_a_large_network(
    machine: Callable[[float], None],
    given: dict[str, Any],
    larger: tuple[int, int],
    millions: float,
) -> None:
    machine(2e8)
    found = plan(text_of(1_000_000), 0.5, given)
    layers, hidden = larger
    cell = given.get("cell", "gru")
    line = f"{layers} × {hidden} {cell} would be too slow: it needs time for {millions:g} million"
    assert line in "\n".join(found.reasons)


def test_a_longer_text_needs_more_time_for_a_larger_network(
    machine: Callable[[float], None],
) -> None:
    """New text helps more than repeated text, so a small network that reads more is better."""
    machine(2e8)
    needed = []
    for size in (100_000, 1_000_000, 4_000_000, 50_000_000, 100_000_000):
        reasons = "\n".join(plan(text_of(size), 0.5, {}).reasons)
        found = re.search(
            r"1 × 256 gru would be too slow: it needs time for ([\d.]+) million", reasons
        )
        assert found is not None
        needed.append(float(found[1]))
    assert needed == [0.69, 0.69, 1.3, 3.9, 3.9]


def test_time_spent_before_the_first_update_is_not_planned(
    machine: Callable[[float], None],
) -> None:
    machine(2e10)
    fixed = {"layers": 1, "hidden": 256}
    alone = plan(text_of(1_000_000), 0.5, fixed)
    beside = plan(text_of(1_000_000), 0.5, fixed, aside=lambda trained_on, held_out: 15.0)
    assert beside.config.epochs == pytest.approx(0.5 * alone.config.epochs)
    assert beside.deadline.at == alone.deadline.at


def test_the_network_that_is_timed_is_the_one_that_trains(
    machine: Callable[[float], None],
) -> None:
    """A model that is trained further keeps its characters, which take time."""
    machine(2e10)
    text, fixed = text_of(1_000_000), {"layers": 1, "hidden": 128}
    known = text_of(10_000, 5000).spec()
    slower = plan(text, 0.2, fixed, spec=known).config.epochs
    assert slower < plan(text, 0.2, fixed).config.epochs / 5


def test_even_a_text_of_one_chunk_is_timed() -> None:
    found = plan(text_of(300), 0.02, {"layers": 1, "hidden": 8}, threads=1)
    assert found.threads == 1
    assert re.search(r"reads [\d.]+k characters a second", found.reasons[0])


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_planning_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")

    def interrupted(*_: Any, **__: Any) -> Plan:
        signal.raise_signal(getattr(signal, name))
        raise AssertionError("the signal did nothing")

    monkeypatch.setattr(beginning, "plan", interrupted)
    Path("corpus.txt").write_text(TEXT, encoding="utf-8")
    done = charrnn("train", "corpus.txt", "--minutes", "1", cwd=tmp_path)
    assert done.returncode == code
    assert b"nothing is saved" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


def test_an_existing_run_is_refused_before_networks_are_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def planned(*_: Any, **__: Any) -> Plan:
        raise AssertionError("this took time")

    monkeypatch.setattr(beginning, "plan", planned)
    Path("corpus.txt").write_text(TEXT, encoding="utf-8")
    Path("run").mkdir()
    Path("run/best.npz").touch()
    with pytest.raises(InputError, match="already holds a run"):
        beginning.begin({"minutes": 1.0}, Paths(("corpus.txt",)), out="run", threads=1)


# Pace


def test_a_pace_continues_from_where_it_is() -> None:
    even = Pace.even(100)
    assert [even.place(n) for n in (0, 50, 99)] == [0, 50, 99]
    slower = even.ending(40, 160)
    assert (slower.total, slower.length) == (160, 100)
    assert [slower.place(n) for n in (0, 39, 40, 100, 160)] == [0, 39, 40, 70, 100]
    again = slower.ending(100, 110)
    assert [again.place(n) for n in (40, 100, 105, 110)] == [40, 70, 85, 100]
    assert slower.ending(40, 160) == slower
    assert even.ending(40, 12).total == 41  # there is always one to come


@pytest.mark.parametrize(
    "anchors",
    [
        ((0, 0.0),),
        ((1, 0.0), (2, 1.0)),
        ((0, 0.0), (5, 5.0), (5, 6.0)),
        ((0, 0.0), (5, 5.0), (6, 4.0)),
    ],
)
def test_a_pace_that_does_not_ascend_is_refused(anchors: Any) -> None:
    with pytest.raises(ValueError, match="not a pace"):
        Pace(anchors)


def timed_run(
    folder: str, corpus: Corpus, seconds: float, most_epochs: float = 60.0, **settings: Any
) -> Run:
    """A run that must end on time; it has 170 updates by default."""
    shape = {"hidden": 8, "seq_len": 8, "batch_size": 4, "epochs": 10.0, "eval_every": 10}
    config = Config(**{**shape, "minutes": 1.0, **settings})
    held, deadline = RunFolder(Path(folder), resume=False), Deadline(seconds, most_epochs)
    return Run.begin(config, text_data(corpus), held, threads=1, deadline=deadline)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run, float], None]:
    def starts(run: Run, step_seconds: float) -> None:
        for module in (course, kept):
            monkeypatch.setattr(module, "monotonic", lambda: step_seconds * run.trainer.number)

    return starts


def test_a_slow_machine_makes_fewer_updates_and_ends_on_time(
    tmp_path: Path, clock: Callable[[Run, float], None]
) -> None:
    run = timed_run("run", corpus_of(tmp_path), 100.0)
    assert run.trainer.total == 170
    clock(run, 1.0)
    events = run_until(run)
    assert any(isinstance(event, Repaced) for event in events)
    assert isinstance(events[-1], Finished)
    assert 95 <= events[-1].step <= 100
    rates = [entry["lr"] for entry in metrics(Path("run")) if entry["event"] == "train"]
    assert rates[-1] < 0.05 * max(rates)  # it came to the end of the schedule


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run, float, float], Callable[[], float]]:
    """A clock on which updates take a second, and validations and saves a given time."""

    def slow(run: Run, scoring: float, saving: float) -> Callable[[], float]:
        paused = [0.0]

        def slower(name: str, of: Any, seconds: float) -> None:
            does = getattr(of, name)

            def slowly(*arguments: Any) -> Any:
                paused[0] += seconds
                return does(*arguments)

            monkeypatch.setattr(of, name, slowly)

        def now() -> float:
            return run.trainer.number + paused[0]

        slower("validate", run.task, scoring)
        slower("save_last", run.folder, saving)
        for module in (course, kept):
            monkeypatch.setattr(module, "monotonic", now)
        return now

    return slow


@pytest.mark.parametrize(("scoring", "saving"), [(0.0, 0.0), (2.0, 0.0), (7.0, 0.0), (0.0, 8.0)])
def test_the_last_validation_and_save_are_done_on_time_too(
    tmp_path: Path,
    pauses: Callable[[Run, float, float], Callable[[], float]],
    scoring: float,
    saving: float,
) -> None:
    run = timed_run("run", corpus_of(tmp_path), 100.0)
    now = pauses(run, scoring, saving)
    run_until(run)
    assert 100 - scoring - saving - 10 <= now() <= 100


def test_the_only_validation_is_done_on_time_too(
    tmp_path: Path, pauses: Callable[[Run, float, float], Callable[[], float]]
) -> None:
    """Time is reserved for it before its duration is known."""
    seldom = {"seq_len": 2, "batch_size": 1, "val_fraction": 0.5, "eval_every": 10_000}
    run = timed_run("run", corpus_of(tmp_path), 100.0, **seldom)
    assert run.trainer.total > 1000
    scoring = 0.5 * run.task.held_out / SCORED  # at a second for the two characters of an update
    assert scoring > 20
    now = pauses(run, scoring, 0.0)
    validations = sum(isinstance(event, Validated) for event in run_until(run))
    assert validations == 1
    assert 100 - scoring <= now() <= 100


def test_the_first_validation_corrects_the_pace_at_once(
    tmp_path: Path, pauses: Callable[[Run, float, float], Callable[[], float]]
) -> None:
    """However much longer it took than expected: the next may be the last."""
    run = timed_run("run", corpus_of(tmp_path), 100.0, eval_every=65)
    now = pauses(run, 15.0, 0.0)
    run_until(run)
    assert 90 <= now() <= 100


def test_a_machine_much_slower_than_expected_still_validates(
    tmp_path: Path, clock: Callable[[Run, float], None]
) -> None:
    corpus = corpus_of(tmp_path)
    config = Config(hidden=8, seq_len=8, batch_size=4, epochs=100.0, minutes=1.0)
    folder = RunFolder(Path("run"), resume=False)
    run = Run.begin(config, text_data(corpus), folder, threads=1, deadline=Deadline(100.0, 100.0))
    assert run.trainer.total == 1700
    every = run.validate_every
    clock(run, 1.0)
    events = run_until(run)
    assert events[-1].step <= 100  # type: ignore[union-attr]
    assert run.validate_every < every / 2
    assert sum(isinstance(event, Validated) for event in events) >= 6


def test_a_fast_machine_makes_more_updates(
    tmp_path: Path, clock: Callable[[Run, float], None]
) -> None:
    run = timed_run("run", corpus_of(tmp_path), 30.0)
    clock(run, 0.1)
    assert 290 <= run_until(run)[-1].step <= 300  # type: ignore[union-attr]


def test_a_fast_machine_stops_at_the_useful_epochs(
    tmp_path: Path, clock: Callable[[Run, float], None]
) -> None:
    run = timed_run("run", corpus_of(tmp_path), 30.0, most_epochs=11.0)
    clock(run, 0.1)
    assert run_until(run)[-1].step == 11 * 17  # type: ignore[union-attr]


@pytest.mark.parametrize(("most_epochs", "capped"), [(60.0, False), (11.0, True)])
def test_a_run_knows_whether_its_plan_or_the_clock_ended_it(
    most_epochs: float, capped: bool, tmp_path: Path, clock: Callable[[Run, float], None]
) -> None:
    run = timed_run("run", corpus_of(tmp_path), 30.0, most_epochs=most_epochs)
    clock(run, 0.1)
    run_until(run)
    assert run.capped == capped


def test_a_resumed_run_makes_the_updates_that_it_had_planned(
    tmp_path: Path, clock: Callable[[Run, float], None]
) -> None:
    corpus = corpus_of(tmp_path)
    for name, stop in (("whole", None), ("run", 47)):
        run = timed_run(name, corpus, 100.0)
        clock(run, 1.0)
        run_until(run, stop)
    again = resume(Path("run"), corpus)
    assert again.timekeeper.deadline is None
    planned = again.trainer.total
    run_until(again)
    assert again.trainer.number == planned
    once_more = load_model(Path("run/last.npz")).header["training"]["pace"]
    assert once_more[-1][0] == planned
    if planned == load_model(Path("whole/last.npz")).header["training"]["pace"][-1][0]:
        assert fingerprint(Path("run"))["best.npz"] == fingerprint(Path("whole"))["best.npz"]


# The command


@pytest.fixture
def own_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A clock that stops while other processes have the processor."""
    read_clock(monkeypatch, process_time)
    return process_time


def test_the_command_ends_on_time_and_keeps_its_plan(
    tmp_path: Path, own_time: Callable[[], float]
) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT * 200, encoding="utf-8")
    line = ["train", "corpus.txt", "--minutes", "0.05", "--threads", "1"]
    begun = own_time()
    done = charrnn(*line, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert own_time() - begun < 3 + 2  # what is said at the end included
    said = done.stderr.decode()
    assert re.search(r"^plan: 1 × \d+ gru reads [\d.]+k characters a second", said, re.M)
    beside = r"\d+-gram [\d.]+, gzip [\d.]+, bz2 [\d.]+, xz [\d.]+$"
    assert re.search(rf"^baselines, .*{beside}", said, re.M)
    model = load_model(tmp_path / "run" / "last.npz")
    assert model.config.minutes == 0.05
    again = charrnn("train", "--resume", "run", cwd=tmp_path)
    assert b"this run is complete" in again.stderr
    assert b"plan:" not in again.stderr
    refused = charrnn("train", "--resume", "run", "--minutes", "1", cwd=tmp_path)
    assert refused.returncode == 2


def test_a_byte_level_plan_mentions_bytes(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT * 3, encoding="utf-8")
    line = ["train", "corpus.txt", "--level", "byte", "--minutes", "0.02", "--hidden", "8"]
    done = charrnn(*line, "--layers", "1", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    assert re.search(r"^plan: .*k bytes a second: ", said, re.M)
    assert re.search(r"validation [\d.]+ nats/byte", said)
    assert "nats/char" not in said


def test_inspect_says_what_a_training_would_choose(
    tmp_path: Path, machine: Callable[[float], None]
) -> None:
    machine(2e10)
    (tmp_path / "corpus.txt").write_text(TEXT * 20, encoding="utf-8")
    shown = charrnn("inspect", "corpus.txt", cwd=tmp_path).stdout.decode()
    assert re.search(
        r"charrnn train would choose, for 10 minutes at most:\n\d × \d+ gru reads", shown
    )
    found = json.loads(charrnn("inspect", "corpus.txt", "--json", cwd=tmp_path).stdout)["plan"]
    assert found["members"] == beginning.MEMBERS
    assert found["epochs"] == LONGER[1] * min(MOST_EPOCHS)  # a text this short
    assert set(found) == {*CHOSEN, "why"}
    (tmp_path / "two.txt").write_text("ab", encoding="utf-8")
    assert json.loads(charrnn("inspect", "two.txt", "--json", cwd=tmp_path).stdout)["plan"] is None


def test_the_test_part_does_not_count_as_training(tmp_path: Path) -> None:
    """Otherwise an update would seem to read much more than it does."""
    rows = [f"{'yes' * (n % 5)}{n}\t{'even' if n % 2 else 'odd'}" for n in range(2000)]
    for name, part in (("train", rows[:100]), ("val", rows[100:200]), ("test", rows[200:])):
        Path(f"{name}.tsv").write_text("\n".join(part), encoding="utf-8")
    paths = Paths(("train.tsv",), "val.tsv", "test.tsv")
    settings = {"task": "classify", "hidden": 8, "batch_size": 10}
    run = beginning.begin(settings, paths, out="run", threads=1, begun=0.0)
    assert run.timekeeper.a_validation == pytest.approx(100 / 10 / SCORED)
    run.folder.close()


def test_baselines_take_time_where_there_is_something_to_score() -> None:
    assert baselines_take(1_000_000, 100_000, 5.0) == pytest.approx(4.0)
    assert baselines_take(1_000_000, 100_000, 0.1) == pytest.approx(0.6)
    assert baselines_take(1_000_000, 0, 5.0) == 0
    asked: list[tuple[int, int]] = []

    def aside(trained_on: int, held_out: int) -> float:
        asked.append((trained_on, held_out))
        return 0.0

    for data, part in ((text_of(1000), 0.25), (text_of(1000), 0.0)):
        plan(data, 0.01, {"layers": 1, "hidden": 8, "val_fraction": part}, threads=1, aside=aside)
    assert asked == [(750, 250), (1000, 0)]


def test_a_text_that_is_too_short_is_refused_before_networks_are_timed(tmp_path: Path) -> None:
    Path("corpus.txt").write_text("ab", encoding="utf-8")
    done = charrnn("train", "corpus.txt", "--minutes", "1", cwd=tmp_path)
    assert done.returncode == 2
    assert b"is too short for a validation set" in done.stderr
    assert b"timing" not in done.stderr


def test_one_lane_gets_no_advice_to_reduce_lanes(tmp_path: Path) -> None:
    Path("corpus.txt").write_text("ab" * 10, encoding="utf-8")
    for lanes, told in (("1", False), ("2", True)):
        line = ["train", "corpus.txt", "--hidden", "8", "--epochs", "1", "--batch-size", lanes]
        done = charrnn(*line, "--out", lanes, cwd=tmp_path)
        assert done.returncode == 0
        assert (b"a smaller --batch-size gives" in done.stderr) is told


def test_another_task_gets_fewer_epochs(tmp_path: Path, own_time: Callable[[], float]) -> None:
    rows = [f"{'yes' * (n % 5)}{n % 7}\t{'even' if n % 2 else 'odd'}" for n in range(400)]
    (tmp_path / "rows.tsv").write_text("\n".join(rows), encoding="utf-8")
    line = ["train", "rows.tsv", "--task", "classify", "--minutes", "0.03", "--threads", "1"]
    line += ["--hidden", "256", "--batch-size", "64"]  # what a plan chooses has tests of its own
    begun = own_time()
    done = charrnn(*line, "--out", "run", cwd=tmp_path)
    assert own_time() - begun < 1.8 + 2
    assert done.returncode == 0, done.stderr
    said = done.stderr.decode()
    assert re.search(
        r"^plan: \d+ hidden units, [\d.]+ epochs at [\d.,]+ examples a second", said, re.M
    )
    config = load_model(tmp_path / "run" / "best.npz").config
    assert config.hidden == Config.of("classify").hidden
    assert config.epochs < Config.of("classify").long_enough(320).epochs
    again = charrnn(*line, "--out", "once", "--epochs", "1", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert load_model(tmp_path / "once" / "best.npz").config.epochs == 1


# Divergence


def watched(losses: list[float]) -> list[bool]:
    watch = LossWatch()
    return [watch.diverged(loss) for loss in losses]


def test_a_falling_noisy_loss_is_not_divergence() -> None:
    rng = np.random.default_rng(0)
    falling = 1.5 + 2.5 * np.exp(-np.arange(400) / 60) + 0.15 * rng.standard_normal(400)
    assert not any(watched(list(falling)))


def test_losing_half_of_what_was_learnt_is_divergence() -> None:
    learnt = [4.0] + [1.5] * 100
    assert not any(watched([*learnt, 9.0]))  # one bad batch
    assert not any(watched([*learnt, *[2.3] * 100]))
    found = watched([*learnt, *[3.5] * 100])
    assert found.index(True) in range(101 + 10, 101 + 50)


def test_a_loss_that_is_not_finite_is_divergence_at_once() -> None:
    assert watched([4.0, float("nan")]) == [False, True]
    assert watched([float("inf")]) == [True]


def test_a_state_worse_than_the_beginning_is_not_a_good_one() -> None:
    """A run must not return to a state that was already ruined."""
    watch = LossWatch()
    for loss in [2.7, 3.5, 3.7, 5.4, 9.7, 16.0, 18.9, 25.7, *[45.0] * 12]:
        assert not watch.diverged(loss)
        assert not watch.good
    assert watch.seen == SETTLED
    learning = LossWatch()
    assert not any(learning.diverged(loss) for loss in np.linspace(4, 3, SETTLED))
    assert learning.good


def test_validations_tell_overfitting_from_divergence() -> None:
    def judged(validation: float, train: float) -> bool:
        watch = LossWatch(seen=100, start=4.0, first=4.0, mean=1.5, low=1.5)
        assert not watch.validation_diverged(1.6, 1.5)
        return watch.validation_diverged(validation, train)

    assert not judged(2.5, 1.2)  # overfits
    assert not judged(1.7, 1.6)
    assert not judged(1.5, 2.5)
    assert judged(2.2, 2.1)
    assert judged(float("nan"), 1.5)


def test_earlier_weights_may_have_a_higher_loss() -> None:
    """Patience returns to weights that were best by another measure than the loss."""
    watch = LossWatch(seen=100, start=4.0, first=4.0, mean=1.5, low=1.5)
    assert not watch.validation_diverged(1.6, 1.5)
    watch.returned()
    assert not watch.validation_diverged(2.6, 2.5)
    assert not any(watch.diverged(2.5) for _ in range(100))
    assert watch.validation_diverged(3.4, 3.4)
    assert any(watch.diverged(6.0) for _ in range(100))


def test_much_worse_than_guessing_is_divergence() -> None:
    """Nothing was learnt yet, so no progress can be lost."""
    lost = [4.0] + [20.0] * SETTLED
    assert not any(watched(lost))
    watch = LossWatch(guess=4.0)
    found = [watch.diverged(loss) for loss in lost]
    assert found.index(True) == SETTLED - 1
    poor = LossWatch(guess=4.0)
    assert not any(poor.diverged(loss) for loss in [6.0, *[5.0] * SETTLED])
    assert not poor.good
    assert LossWatch(guess=4.0).validation_diverged(9.0, 8.5)
    assert not LossWatch(guess=4.0).validation_diverged(9.0, 1.5)  # it has the text by heart
    assert not LossWatch(guess=4.0).validation_diverged(7.0, 7.0)
    assert not LossWatch().validation_diverged(9.0, 8.5)
    short = LossWatch()  # too short for its beginning to be known
    for loss in (0.7, 0.6):
        assert not short.diverged(loss)
    assert not short.validation_diverged(0.62, 0.3)
    assert not short.validation_diverged(0.63, 0.31)
    assert short.validation_diverged(0.9, 0.6)


def test_each_rollback_tolerates_a_larger_loss() -> None:
    """A harder part of a text is not a divergence, however often it is read again."""
    watch = LossWatch(tolerance=8.0)
    assert not any(watch.diverged(loss) for loss in [4.0] + [1.5] * 100 + [3.5] * 100)


def test_varying_losses_of_single_examples_are_not_divergence() -> None:
    """Most losses of single examples are small, some are large, and nothing is wrong."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert not any(watched(list(rng.exponential(0.7, 2000))))
