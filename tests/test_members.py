"""Several networks that differ in their seed, as one model: the mean of their probabilities."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import (
    TEXT,
    TINY,
    begin,
    charrnn,
    corpus_of,
    fingerprint,
    metrics,
    names,
    resume,
    text_data,
)

import charrnn as library
from charrnn import checkpoint
from charrnn.cli.progress import Progress
from charrnn.engine import Engine
from charrnn.errors import CheckpointError, InputError
from charrnn.evaluation.dynamic import Adaptation
from charrnn.evaluation.report import report
from charrnn.evaluation.validation import evaluate
from charrnn.evaluation.windows import Reader
from charrnn.explaining.model import explain_model
from charrnn.exporting.about import about
from charrnn.looking.neurons import follow
from charrnn.page.content import content_of
from charrnn.runs.draft import Draft
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import Model, load_model
from charrnn.tasks import lm
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.lm import TextData
from charrnn.text.corpora import Corpus
from charrnn.training import course, kept, planner
from charrnn.training.course import SETTLING
from charrnn.training.events import Averaged, Event, Finished, Settled, Stopped, Validated
from charrnn.training.loop import Step
from charrnn.training.members import generators
from charrnn.training.pace import Deadline
from charrnn.training.planner import Plan
from charrnn.training.run import Run
from charrnn.training.speed import Speed

SETTINGS: dict[str, Any] = {"cell": "gru", "dropout": 0.2, "members": 3, "epochs": 1}
"""17 updates for each member, with validations at 10 and 17."""


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lm, "PREVIEW_LENGTH", 20)
    return corpus_of(tmp_path)


def train(run: Run, stop: int | None = None, *, killed: bool = False) -> list[Event]:
    """Train to the end, or to an update counted over all members; then stop, or as if killed."""
    seen: list[Event] = []
    with closing(run.folder):
        for event in run.events(lambda: not killed and run.made == stop):
            seen.append(event)
            if killed and isinstance(event, Step) and event.number == stop:
                break
    return seen


def trained(folder: str, corpus: Corpus, **settings: Any) -> Model:
    train(begin(Path(folder), corpus, **SETTINGS | settings))
    return load_model(Path(folder) / "best.npz")


@contextmanager
def killed_after(run: Run, name: str, count: int) -> Iterator[list[int]]:
    """Die as soon as the folder has written a kind of file this many times."""
    write, written = getattr(run.folder, name), [0]

    def writes(*arguments: Any) -> None:
        write(*arguments)
        written[0] += 1
        if written[0] == count:
            raise KeyboardInterrupt

    setattr(run.folder, name, writes)
    yield written


# Training


def test_members_are_trained_one_by_one_and_saved_as_one(corpus: Corpus) -> None:
    events = train(begin(Path("run"), corpus, **SETTINGS))
    averages = [event for event in events if isinstance(event, Averaged)]
    assert [(a.members, a.of, a.step, a.total) for a in averages] == [
        (1, 3, 17, 51),
        (2, 3, 34, 51),
        (3, 3, 51, 51),
    ]
    assert [a.next for a in averages] == ["member 2 of 3", "member 3 of 3", ""]
    assert [e.number for e in events if isinstance(e, Step)] == list(range(1, 52))
    assert events[-1] == Finished(51)
    assert names(Path("run")) == ["best.npz", "last.npz", "metrics.jsonl", "previous.npz"]
    model = load_model(Path("run/best.npz"))
    assert model.members == 3
    assert {name.split(".")[1] for name in model.parameters} == {"1", "2", "3"}
    assert {row["member"] for row in metrics(Path("run"))} == {1, 2, 3}
    assert [row["step"] for row in metrics(Path("run")) if row["event"] == "averaged"] == [
        17,
        34,
        51,
    ]
    assert averages[-1].score is not None
    assert model.header["best"]["val"] == averages[-1].score.error


def test_only_the_first_member_equals_a_single_network(corpus: Corpus) -> None:
    average, one = trained("three", corpus), trained("one", corpus, members=1)
    first, second, third = (average.member(k).parameters.flat for k in (1, 2, 3))
    assert (first == one.parameters.flat).all()
    assert not (first == second).any()
    assert not (second == third).any()


def test_best_npz_always_averages_the_members_so_far(corpus: Corpus) -> None:
    run, there = begin(Path("run"), corpus, **SETTINGS), []
    with closing(run.folder):
        for event in run.events():
            if isinstance(event, Step) and event.number > 10 and event.number % 10 == 1:
                there.append(load_model(run.folder.best).members)
    assert there == [1, 1, 1, 2, 2], "at 11, 21, 31, 41, 51"


def test_each_member_has_its_best_weights_in_the_average(corpus: Corpus) -> None:
    settings = SETTINGS | {"lr": 0.5, "schedule": "constant", "eval_every": 2}
    events = train(begin(Path("run"), corpus, **settings))
    model, better = load_model(Path("run/best.npz")), 0
    ids = model.vocabulary.encode(corpus.codes, "the text")
    for k in (1, 2, 3):
        own = [e for e in events if isinstance(e, Validated) and 17 * k - 17 < e.step <= 17 * k]
        scores = [e.score.error for e in own if e.score is not None]
        one = model.member(k)
        found = evaluate(Reader(Engine(one.network)), one.parameters, ids, 540)
        assert found.error == min(scores)
        better += found.error < scores[-1]
    assert better, "everywhere the last weights are the best: this shows nothing"


def test_processes_make_no_difference(corpus: Corpus) -> None:
    settings = SETTINGS | {"batch_size": 24, "seq_len": 4, "members": 2}
    for threads in (1, 2):
        run = Run.begin(
            Config(**{"hidden": 8, **settings}),
            begin(Path(f"data-{threads}"), corpus).data,
            RunFolder(Path(f"run-{threads}"), resume=False),
            threads=threads,
        )
        with closing(run):
            for _ in run.events():
                assert run.task.engine.threads == threads
    assert fingerprint(Path("run-1"))["best.npz"] == fingerprint(Path("run-2"))["best.npz"]


def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(corpus: Corpus) -> None:
    """Also at a member's last update, when the next one has begun."""
    trained("whole", corpus)
    for point in (1, 16, 17, 18, 25, 34, 50):
        folder = Path(f"run-{point}")
        events = train(begin(folder, corpus, **SETTINGS), point)
        assert isinstance(events[-1], Stopped)
        assert load_model(folder / "last.npz").config.members == 3
        rest = train(resume(folder, corpus))
        assert next(e.number for e in rest if isinstance(e, Step)) == point + 1
        assert fingerprint(folder) == fingerprint(Path("whole")), point
        assert metrics(folder) == metrics(Path("whole")), point
        assert names(folder) == names(Path("whole")), point


@pytest.mark.parametrize("name", ["save_last", "save_best", "drop_best"])
def test_a_run_killed_after_any_file_and_resumed_is_unchanged(corpus: Corpus, name: str) -> None:
    """Whichever file was written last, in any member."""
    trained("whole", corpus, eval_every=17)
    for count in range(1, 20):
        run = begin(Path(f"run-{count}"), corpus, **SETTINGS | {"eval_every": 17})
        with killed_after(run, name, count) as written, suppress(KeyboardInterrupt):
            train(run)
        if written[0] < count:
            break
        if not run.folder.last.exists():  # killed before the first save
            continue
        train(resume(run.folder.path, corpus))
        assert fingerprint(run.folder.path)["best.npz"] == fingerprint(Path("whole"))["best.npz"]
        assert load_model(run.folder.last).parameters.flat.tolist() == (
            load_model(Path("whole/last.npz")).parameters.flat.tolist()
        )
        assert metrics(run.folder.path) == metrics(Path("whole")), count
        assert names(run.folder.path) == names(Path("whole")), count
    assert count > 3


def test_a_damaged_last_npz_is_replaced_by_previous_npz(corpus: Corpus) -> None:
    """Its member may already be part of the average."""
    trained("whole", corpus)
    for point in (18, 25, 28, 35):
        folder = Path(f"run-{point}")
        train(begin(folder, corpus, **SETTINGS), point, killed=True)
        (folder / "last.npz").write_bytes(b"PK\x03\x04 half of it")
        train(resume(folder, corpus))
        assert fingerprint(folder) == fingerprint(Path("whole")), point


def test_each_member_has_its_own_random_draws() -> None:
    draws = [[one.random() for one in generators(7, number)] for number in (1, 2, 3)]
    assert len(set(np.ravel(draws))) == 6
    first = np.random.SeedSequence(7).spawn(3)[1:]
    assert draws[0] == [np.random.default_rng(seed).random() for seed in first]


def test_each_member_has_its_own_patience(corpus: Corpus) -> None:
    settings = {"epochs": 12, "eval_every": 5, "patience": 1, "lr": 0.05, "schedule": "constant"}
    events = train(begin(Path("run"), corpus, **SETTINGS | settings | {"dropout": 0.0}))
    settled = [event for event in events if isinstance(event, Settled)]
    ends = [event.step for event in events if isinstance(event, Averaged)]
    assert [event.total for event in settled] == ends
    for event, before in zip(settled, [0, *ends], strict=False):
        steps = max(10, round(SETTLING * (event.best - before)))
        assert event.total == event.step + steps
        assert before < event.best < event.step
    assert len(settled) == 3


# Adding members


@pytest.mark.parametrize("before", [1, 2])
def test_members_are_added_to_a_run_that_is_complete(corpus: Corpus, before: int) -> None:
    """As if there had been this many from the beginning."""
    whole = trained("whole", corpus)
    trained("run", corpus, members=before)
    with library.resume("run", "corpus.txt", members=3) as run:
        before_it = run.complete
        run.finish()
        assert (before_it, run.complete) == (False, True)
    assert (load_model(Path("run/best.npz")).parameters.flat == whole.parameters.flat).all()
    assert fingerprint(Path("run"))["best.npz"] == fingerprint(Path("whole"))["best.npz"]


def test_members_are_added_to_a_run_that_is_not_complete(corpus: Corpus) -> None:
    whole = trained("whole", corpus)
    train(begin(Path("run"), corpus, **SETTINGS | {"members": 1}), 9)
    with library.resume("run", "corpus.txt", members=3) as run:
        run.finish()
    assert (load_model(Path("run/best.npz")).parameters.flat == whole.parameters.flat).all()


def test_what_cannot_be_resumed_says_so(corpus: Corpus) -> None:
    trained("run", corpus, members=2)
    for options, why in (
        ({"members": 2}, "already has 2"),
        ({"members": 1}, "already has 2"),
        ({"epochs": 9.0}, "is complete"),
        ({"members": 33}, "--members 33: must be 32 or less"),
    ):
        with pytest.raises(InputError, match=why):
            library.resume("run", "corpus.txt", **options)
    assert library.load("run").members == 2


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("stopped", "file"),
    [(12, "best.npz"), (30, "member-2.npz"), (30, "best.npz"), (51, "best.npz")],
)
def test_unreadable_best_weights_do_not_end_a_run(corpus: Corpus, stopped: int, file: str) -> None:
    """The current member's are replaced by its last weights; the average is made again."""
    whole = trained("whole", corpus)
    train(begin(Path("run"), corpus, **SETTINGS), stopped)
    damage(Path("run") / file)
    with library.resume("run", "corpus.txt") as run:
        (note,) = run.notes
        assert file in note
        # Any is better than what is lost.
        assert (run.members.best is None) == ("its last ones" in note)
        assert ("its last ones" in note) == ((stopped, file) != (30, "best.npz") and stopped < 51)
        assert load_model(Path("run/best.npz")).members == {12: 1, 30: 1, 51: 3}[stopped]
        run.finish()
    model = load_model(Path("run/best.npz"))
    assert model.members == 3
    # Each was best when it ended, so that nothing is lost here.
    assert (model.parameters.flat == whole.parameters.flat).all()
    with library.resume("run", "corpus.txt") as again:
        assert (again.complete, again.notes) == (True, ())


def test_best_weights_lost_at_the_end_of_a_member_are_replaced(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(Path("run"), corpus, **SETTINGS)
    save = run.folder.save_last

    def damages(*arguments: Any) -> None:
        save(*arguments)
        if run.made == 17:
            damage(run.folder.best)

    monkeypatch.setattr(run.folder, "save_last", damages)
    with pytest.raises(CheckpointError):
        train(run)
    with library.resume("run", "corpus.txt") as again:
        assert len(again.notes) == 1
        assert again.best is not None
        assert again.best.step == 17
        assert again.finish().members == 3


# What it writes and scores


def test_the_average_writes_as_the_mixture_of_its_members(corpus: Corpus) -> None:
    """``charrnn.mix`` averages in another way, in float64."""
    model = trained("run", corpus)
    mixed = library.mix([model.member(k) for k in (1, 2, 3)])
    ours, theirs = (m.sample("ab", length=60, seed=3) for m in (model, mixed))
    assert ours == theirs
    scores = [m.score(TEXT).nats[45:] for m in (model, mixed)]  # behind openings of their own
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4)


def test_eval_scores_an_average_as_the_mixture_of_its_members(corpus: Corpus) -> None:
    model = trained("run", corpus)
    codes, start = corpus.codes, 540
    reports = [
        report(
            Reader(Engine(one.network)),
            one.parameters,
            model.vocabulary,
            codes,
            start,
            train=codes[:start],
            adaptation=Adaptation(),
        )
        for one in (model, *(model.member(k) for k in (1, 2, 3)))
    ]
    average, *parts = reports
    mean = -np.log(np.mean([np.exp(-part.each) for part in parts], axis=0))
    np.testing.assert_allclose(average.each, mean, rtol=1e-4)
    figures = {one.name: one.nats for one in average.network}
    assert figures["adapted"] != figures["state carried"]
    assert figures["adapted"] == pytest.approx(figures["state carried"], abs=0.05)
    # Each member learns by its share, so the average learns about as each would alone.
    alone = [next(f.nats for f in part.network if f.name == "adapted") for part in parts]
    assert figures["adapted"] < np.mean(alone)


@pytest.mark.parametrize("cell", ["rnn,activation=relu", "lstm,gates=cell,output=identity"])
def test_runaway_states_of_members_are_reset(corpus: Corpus, cell: str) -> None:
    model = trained("run", corpus, members=2, cell=cell)
    assert len(model.sample("ab", length=150, seed=1)) == 152
    assert np.isfinite(model.score(TEXT).nats).all()


def test_members_states_go_back_together(corpus: Corpus) -> None:
    """The states of all members go back together."""
    model = trained("run", corpus)
    text = model.sample("ab", length=200, seed=1, max_repeat=3, max_copy=6)
    assert text != model.sample("ab", length=200, seed=1)
    draft = Draft(model, 1, "ab")
    assert len("".join(draft.go_on("characters", 20))) == 20


# Checkpoints


def test_a_checkpoint_of_one_network_does_not_mention_members(corpus: Corpus) -> None:
    trained("run", corpus, members=1)
    for name in ("best.npz", "last.npz"):
        header, arrays = checkpoint.read_checkpoint(Path("run") / name)
        assert "members" not in json.dumps(header)
        assert not any(array.startswith(("member", "finished")) for array in arrays)
    assert not any("member" in row for row in metrics(Path("run")))


@pytest.mark.parametrize("count", [0, 1, -1, 33, 2.0, "2", None, True, 4])
def test_a_checkpoint_of_a_wrong_number_of_members_is_refused(corpus: Corpus, count: Any) -> None:
    trained("run", corpus, members=2)
    header, arrays = checkpoint.read_checkpoint(Path("run/best.npz"))
    checkpoint.write_checkpoint(Path("run/best.npz"), header | {"members": count}, arrays)
    with pytest.raises(CheckpointError, match="does not hold a model"):
        load_model(Path("run/best.npz"))


@pytest.mark.parametrize(
    "change",
    [
        lambda header, arrays: header.update(members={}),
        lambda header, arrays: header["members"].update(number=0),
        lambda header, arrays: header["members"].update(number=3),
        lambda header, arrays: header["members"].update(before=-1),
        lambda header, arrays: header["members"].update(best={"step": 1}),
        lambda header, arrays: arrays.pop("finished.1"),
        lambda header, arrays: arrays.update({"finished.1": arrays["finished.1"][1:].copy()}),
        lambda header, arrays: arrays["finished.1"].__setitem__(0, np.nan),
    ],
)
def test_incomplete_members_are_refused(corpus: Corpus, change: Any) -> None:
    train(begin(Path("run"), corpus, **SETTINGS), 20)
    header, arrays = checkpoint.read_checkpoint(Path("run/last.npz"))
    change(header["training"], arrays)
    checkpoint.write_checkpoint(Path("run/last.npz"), header, arrays)
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        library.resume("run", "corpus.txt")


def test_a_member_is_a_separate_model(corpus: Corpus) -> None:
    model = trained("run", corpus)
    model.member(2).save("second.npz")
    second = library.load("second.npz")
    assert second.members == 1
    assert (second.parameters.flat == model.member(2).parameters.flat).all()
    model.save("copy.npz")
    assert library.load("copy.npz").members == 3
    for number in (0, 4):
        with pytest.raises(InputError):
            model.member(number)
    assert second.member(1) is second


# The command


def test_an_average_that_was_planned_but_not_made_is_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for of in (1, 6):
        Progress(0, 40, quiet=True).show(Averaged(40, 1, of, 40, None, ""))
    alone, first = capsys.readouterr().err.splitlines()
    assert alone == "step 40/40: there is no time for an average; one network is trained"
    assert first == "step 40/40: member 1 is trained"


def test_members_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    done = charrnn(
        *("train", "corpus.txt", *TINY, "--epochs", "1", "--members", "2", "--out", "run", "-q"),
        cwd=tmp_path,
    )
    told = done.stderr.decode()
    assert done.returncode == 0, told
    assert "the average of 2 networks, each 1 × 8" in told
    assert "member 2 of 2, step 34/34" in told
    assert "member 1 is trained: validation" in told
    assert "the average of 2 members is trained: validation" in told
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    more = charrnn("train", "--resume", "run", "--members", "3", "-q", cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    assert "the average of 3 members is trained" in more.stderr.decode()
    again = charrnn("train", "--resume", "other", "-q", cwd=tmp_path)
    assert "--members 3" in again.stderr.decode()
    for words, why in (
        (("--task", "forecast", "--members", "2"), "a forecast cannot be an average"),
        (("--members", "0"), "must be 1 or more"),
        (("--members", "33"), "must be 32 or less"),
        (("--init-from", "run", "--members", "2"), "exclude each other"),
        (("--members", "32", "--layers", "15"), "31 members with this many layers, or fewer"),
    ):
        refused = charrnn("train", "corpus.txt", *words, cwd=tmp_path)
        assert refused.returncode == 2, words
        assert why in refused.stderr.decode()
    begun = charrnn(
        *("train", "corpus.txt", "--init-from", "run", "--epochs", "1", "--out", "new", "-q"),
        cwd=tmp_path,
    )
    assert begun.returncode == 0, begun.stderr
    assert "starts from the first" in begun.stderr.decode()
    assert load_model(tmp_path / "new" / "best.npz").members == 1


# With --minutes


@pytest.fixture
def by_updates(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock on which an update of any member takes a fixed time, and nothing else takes any."""

    def starts(run: Run, seconds: float) -> None:
        for module in (course, kept):
            monkeypatch.setattr(module, "monotonic", lambda: seconds * run.made)

    return starts


def timed(corpus: Corpus, seconds: float, most_members: int, **settings: Any) -> Run:
    """A run with 17 updates for each member, planned for 3 members."""
    shape = {"hidden": 8, "seq_len": 8, "batch_size": 4, "minutes": 1.0, "eval_every": 5}
    config = Config(**{**shape, **SETTINGS, **settings})
    folder = RunFolder(Path(f"run-{seconds:g}-{config.members}"), resume=False)
    deadline = Deadline(seconds, config.epochs, most_members)
    return Run.begin(config, text_data(corpus), folder, threads=1, deadline=deadline)


@pytest.mark.parametrize(
    ("seconds", "members"),
    [(51, 3), (60, 3), (50, 3), (47, 2), (34, 2), (20, 1), (10, 1), (1000, 5)],
)
def test_the_time_decides_the_number_of_members(
    corpus: Corpus, by_updates: Any, seconds: float, members: int
) -> None:
    """At the measured speed the run ends on time, and no member is cut short."""
    run = timed(corpus, seconds, 5)
    by_updates(run, 1.0)
    events = train(run)
    assert load_model(run.folder.best).members == members
    assert run.complete
    assert isinstance(events[-1], Finished)
    assert min(seconds, 17 * members) - 4 <= events[-1].step <= seconds
    ends = [0, *(e.step for e in events if isinstance(e, Averaged))]
    if members > 1:
        assert all(b - a >= 0.85 * 17 for a, b in pairwise(ends))
    with library.resume(run.folder.path, "corpus.txt") as again:
        assert again.complete


@pytest.mark.parametrize("planned", [2, 1])
def test_members_that_lose_patience_leave_time_for_more(
    corpus: Corpus, by_updates: Any, planned: int
) -> None:
    """Also the only network of a plan; but not where one was asked for."""
    settings = {"epochs": 6, "patience": 1, "lr": 0.05, "schedule": "constant", "members": planned}
    run = timed(corpus, 204, 8, **settings)
    by_updates(run, 1.0)
    events = train(run)
    assert sum(isinstance(event, Settled) for event in events) >= 2
    assert load_model(run.folder.best).members == 5
    assert events[-1] == Finished(run.made)
    assert run.made <= 204
    with library.resume(run.folder.path, "corpus.txt") as again:
        assert again.complete
        assert again.config.members == 5


def test_a_single_network_that_is_asked_for_stays_alone(corpus: Corpus, by_updates: Any) -> None:
    settings = {"epochs": 6, "patience": 1, "lr": 0.05, "schedule": "constant", "members": 1}
    run = timed(corpus, 203, 0, **settings)
    by_updates(run, 1.0)
    assert any(isinstance(event, Settled) for event in train(run))
    assert load_model(run.folder.best).members == 1
    assert run.made < 100


def test_members_that_are_asked_for_share_the_time(corpus: Corpus, by_updates: Any) -> None:
    run = timed(corpus, 27, 0)
    by_updates(run, 1.0)
    events = train(run)
    assert load_model(run.folder.best).members == 3
    ends = [0, *(e.step for e in events if isinstance(e, Averaged))]
    assert all(7 <= b - a <= 11 for a, b in pairwise(ends))
    assert 24 <= ends[-1] <= 27


def planned(size: int, minutes: float, rate: float, monkeypatch: Any, **given: Any) -> Any:
    """The plan on a machine that trains on a fixed number of characters a second."""
    monkeypatch.setattr(planner, "monotonic", lambda: 0.0)
    monkeypatch.setattr(planner, "measure", lambda *_: Speed(1, rate))
    codes = np.arange(size, dtype=np.uint16) % 60 + 40
    data = TextData(Corpus("char", codes, "0" * 64), Paths(("text.txt",)))
    return planner.plan(data, minutes, given, begun=0.0)


def test_a_plan_has_members_where_more_epochs_do_not_help(monkeypatch: Any) -> None:
    """20,000 training characters, at most 5 epochs: a minute at 1,852 a second."""
    found = planned(22_222, 1.0, 1852, monkeypatch)
    assert (found.config.epochs, found.config.members) == (5.0, 1)
    assert "about 1 minute" in " ".join(found.reasons)
    found = planned(22_222, 3.0, 1852, monkeypatch)
    assert (found.config.epochs, found.config.members) == (5.0, 3)
    told = "up to 3 members of 1 minute each; their average writes 3 times slower"
    assert told in " ".join(found.reasons)
    told = " ".join(planned(22_222, 0.1, 55_560, monkeypatch).reasons)
    assert "up to 3 members of 2 seconds each" in told
    assert (found.deadline.most_epochs, found.deadline.most_members) == (5.0, planner.MOST_MEMBERS)
    assert planned(22_222, 1e3, 1852, monkeypatch).config.members == planner.MOST_MEMBERS


@pytest.mark.parametrize(
    ("minutes", "members"), [(1.2, 1), (1.8, 1), (1.95, 2), (2.8, 2), (2.95, 3)]
)
def test_members_have_equal_length_and_fill_the_time(
    monkeypatch: Any, minutes: float, members: int
) -> None:
    """Each has full length, or nearly so."""
    found = planned(22_222, minutes, 1852, monkeypatch)
    assert found.config.members == members
    epochs = min(5.0, 5 * minutes / members)
    assert found.config.epochs == pytest.approx(epochs, rel=0.01)
    if members > 1:
        assert found.deadline.most_epochs == found.config.epochs


def test_a_plan_does_not_choose_what_is_given(monkeypatch: Any) -> None:
    for given in ({"members": 1}, {"epochs": 5.0}):
        found = planned(22_222, 3.0, 1852, monkeypatch, **given)
        assert (found.config.members, found.deadline.most_members) == (1, 0)
    found = planned(22_222, 3.0, 1852, monkeypatch, members=6)
    assert (found.config.members, found.deadline.most_members) == (6, 0)
    assert found.config.epochs == pytest.approx(2.5, rel=0.01)


@pytest.mark.parametrize("epochs", [{}, {"epochs": 2.5}])
def test_a_plan_reports_the_given_members(monkeypatch: Any, epochs: Any) -> None:
    found = planned(22_222, 1.0, 1852, monkeypatch, members=2, **epochs)
    told = " ".join(found.reasons)
    assert "2 members of 30 seconds each; their average writes 2 times slower" in told
    assert "up to" not in told


@pytest.mark.parametrize(
    ("task", "limit"),
    [
        ({"task": "translate"}, 8),
        ({"task": "generate", "columns": "2,1"}, 8),
        ({"task": "classify"}, 3),
    ],
    ids=["translate", "generate", "classify"],
)
def test_a_plan_for_pairs_has_members_too(
    task: dict[str, str], limit: int, tmp_path: Path, monkeypatch: Any
) -> None:
    """Eighty pairs train; what is given stands."""
    rows = tmp_path / "rows.tsv"
    rows.write_text("".join(f"a{k}\t{k % 2}\n" for k in range(100)))
    monkeypatch.setattr(planner, "monotonic", lambda: 0.0)
    monkeypatch.setattr(planner, "measure", lambda *_: Speed(1, 80.0))

    def planned(passes: float, **given: Any) -> Plan:
        given = {**task, **given}
        data = Config.of(**given).kind.read(Paths((str(rows),)), Config.of(**given))
        return planner.plan(data, passes / 60 / planner.IN_USE, given, begun=0.0)

    most = planned(1e6).config.epochs
    assert limit <= planner.MOST_MEMBERS
    for times, members in ((0.5, 1), (1.7, 1), (1.95, 2), (3.0, 3), (1e3, limit)):
        found = planned(times * most)
        assert found.config.members == members
        assert found.config.epochs == pytest.approx(min(most, times * most / members))
        assert found.deadline.most_epochs == most
        assert found.deadline.most_members == limit
    assert "the average of 3 networks (--members 1: only one), each" in planned(3 * most).summary
    assert planned(4 * most, members=2).config.members == 2
    assert planned(4 * most, members=1).deadline.most_members == 0
    assert planned(4 * most, epochs=1.0).config.members == 1


def test_commands_on_one_network_take_a_member(tmp_path: Path) -> None:
    text = TEXT * 5
    (tmp_path / "corpus.txt").write_text(text, encoding="utf-8")
    words = ("train", "corpus.txt", *TINY, "--epochs", "0.1", "--members", "2", "--out", "run")
    assert charrnn(*words, "-q", cwd=tmp_path).returncode == 0
    model = load_model(tmp_path / "run" / "best.npz")
    model.member(2).save(tmp_path / "second.npz")
    for command in (
        ("explain", "--prime", "ab", "--json"),
        ("inspect", "--neurons", "corpus.txt", "--json"),
        ("inspect", "--gradient-flow", "--json"),
    ):
        alone = charrnn(command[0], "second.npz", *command[1:], cwd=tmp_path)
        second = charrnn(command[0], "run", "--member", "2", *command[1:], cwd=tmp_path)
        assert second.returncode == 0, second.stderr
        assert second.stdout.replace(b"run/best.npz", b"second.npz") == alone.stdout
        first = charrnn(command[0], "run", *command[1:], cwd=tmp_path)
        assert b"the average of 2 networks; this is the first" in first.stderr
        assert first.stdout != second.stdout
        third = charrnn(command[0], "run", "--member", "3", *command[1:], cwd=tmp_path)
        assert (third.returncode, b"there is no member 3" in third.stderr) == (2, True)
    for chosen, network in (([], "the average of 2 networks, each 1 "), (["--member", "2"], "1 ")):
        page = charrnn("export", "run", "page.html", *chosen, cwd=tmp_path)
        assert (page.returncode, b"note" in page.stderr) == (0, False)
        assert f'"Network","{network}' in (tmp_path / "page.html").read_text("utf-8")
    shown = json.loads(charrnn("inspect", "run", "--json", cwd=tmp_path).stdout)
    assert shown["members"] == 2
    assert shown["parameters"] == model.parameters.flat.size
    assert b"the average of 2 networks" in charrnn("inspect", "run", cwd=tmp_path).stdout
    assert b"mean of 2" in charrnn("inspect", ".", cwd=tmp_path).stdout
    for look in (["--show", "--format", "jsonl"], ["--by-line"], ["--copies"]):
        seen = charrnn("eval", "run", "corpus.txt", *look, cwd=tmp_path)
        assert seen.returncode == 0, seen.stderr
    checked = charrnn("gradcheck", "run", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    mixed = charrnn("eval", "run", "--mix", "--adapt", "--json", cwd=tmp_path)
    assert mixed.returncode == 0, mixed.stderr


@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
def test_a_file_for_one_network_has_the_first_member(corpus: Corpus, suffix: str) -> None:
    pytest.importorskip({".pt": "torch", ".onnx": "onnx"}[suffix])
    model = trained("run", corpus, members=2)
    with pytest.raises(InputError, match="average of 2 networks") as caught:
        library.export(model, f"model{suffix}")
    assert "model.member(1)" in str(caught.value.hint)
    for name, words in (("first", ["--member", "1"]), ("second", ["--member", "2"]), ("any", [])):
        made = charrnn("export", "run", f"{name}{suffix}", *words, cwd=Path.cwd())
        assert made.returncode == 0, made.stderr
        noted = (
            b"the average of 2 networks; this is the first (for another: --member K)" in made.stderr
        )
        assert noted == (not words)
    first, second, found = (Path(f"{n}{suffix}").read_bytes() for n in ("first", "second", "any"))
    assert found == first != second


@pytest.mark.parametrize("stopped", [5, 12, 20, 30])
def test_a_page_of_a_run_that_has_just_begun_a_member(corpus: Corpus, stopped: int) -> None:
    train(begin(Path("run"), corpus, **SETTINGS), stopped)
    for words in ([], ["--member", "1"]):
        made = charrnn("export", "run", "page.html", *words, cwd=Path.cwd())
        assert made.returncode == 0, made.stderr
    page = content_of(library.load("run"))
    assert ("members", "3") in page.data["about"]["settings"]


def test_safetensors_hold_all_members(corpus: Corpus) -> None:
    load_file = pytest.importorskip("safetensors.numpy").load_file
    model = trained("run", corpus)
    library.export(model, "model.safetensors")
    found = load_file("model.safetensors")
    assert set(found) == set(model.parameters)
    assert all((found[name] == model.parameters[name]).all() for name in found)
    assert about(model)["members"] == 3


def test_inspecting_from_python_takes_a_member(corpus: Corpus) -> None:
    model = trained("run", corpus)
    for look in (lambda: explain_model(model), lambda: follow(model, corpus.codes)):
        with pytest.raises(InputError, match="average of 3 networks") as caught:
            look()
        assert "model.member(1)" in str(caught.value.hint)
