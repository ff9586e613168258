"""charrnn from Python: its public names, and equal results of library and commands."""

import inspect
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ROOT, TEXT, charrnn, environment, fingerprint, notebook_tools

import charrnn as package
from charrnn.training.events import Compared, Concluded, Finished, Stopped, Validated
from charrnn.training.loop import Step

SMALL: dict[str, Any] = {"hidden": 8, "seq_len": 8, "batch_size": 4, "epochs": 2.0, "threads": 1}
FLAGS = tuple(
    part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text(TEXT, encoding="utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run by the command; the tests must not change it."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "corpus.txt").write_text(TEXT, encoding="utf-8")
    done = charrnn("train", "corpus.txt", *FLAGS, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_public_names_are_exactly_those_documented() -> None:
    promised = [
        "CharrnnError",
        "CheckpointError",
        "DivergedError",
        "InputError",
        "Model",
        "Run",
        "StuckError",
        "cell",
        "export",
        "load",
        "mix",
        "resume",
        "train",
    ]
    assert package.__all__ == promised
    assert set(promised) <= set(dir(package))
    for name in promised:
        one = getattr(package, name)
        assert inspect.getdoc(one), name
        assert one.__module__.startswith("charrnn."), name
        parameters = inspect.signature(one).parameters.values() if inspect.isfunction(one) else ()
        assert all(p.annotation is not p.empty for p in parameters), name
    with pytest.raises(AttributeError, match="no attribute 'sample'"):
        _ = package.sample


def test_the_import_loads_no_numpy_and_the_help_shows_all() -> None:
    program = (
        "import sys, time; begun = time.perf_counter(); import charrnn\n"
        "took = time.perf_counter() - begun\n"
        "assert 'numpy' not in sys.modules and 'tqdm' not in sys.modules\n"
        "import io, contextlib, pydoc\n"
        "text = pydoc.render_doc(charrnn, renderer=pydoc.plaintext)\n"
        "assert all(name in text for name in charrnn.__all__), text\n"
        "assert 'minutes=5' in text\n"
    )
    subprocess.run([sys.executable, "-c", program], env=environment(), check=True, cwd=ROOT)


def test_the_example_of_the_front_page_runs_as_written() -> None:
    """The lines of the package's docstring, on a short text and in a short time."""
    model = package.load()
    text = model.sample("ROMEO:", length=500, temperature=0.8, seed=1)
    assert len(text) == len("ROMEO:") + 500
    assert "".join(model.stream("ROMEO:", length=500, temperature=0.8, seed=1)) == text
    score = model.score("To be, or not to be")
    assert score.nats.shape == (19,)
    assert score.total == pytest.approx(score.nats.sum())
    assert score.bits == pytest.approx(score.total / 19 / np.log(2))
    assert model.config.task == "lm"
    assert len(model.vocabulary) == 103
    assert model.parameters["head.b"].shape == (103,)
    model.save("shared.npz")
    assert package.load("shared.npz").sample(seed=2, length=9) == model.sample(seed=2, length=9)
    run = package.train("corpus.txt", minutes=0.02, hidden=8)
    kinds = {type(event) for event in run}
    assert {Compared, Step, Validated, Finished} <= kinds
    assert run.model.config.hidden == 8
    assert (run.best in run.history) == (run.config.members == 1)  # else it is the average's
    assert package.load("corpus-1").name.endswith("best.npz")


def test_predictions_are_records(place: Path) -> None:
    rows = "".join(f"{'ab' * (k % 5)}a{k}\t{'yes' if k % 2 else 'no'}\n" for k in range(80))
    Path("rows.tsv").write_text(rows, encoding="utf-8")
    model = package.train("rows.tsv", task="classify", hidden=4, epochs=1.0, threads=1).finish()
    found = model.predict(["aba1", " aba2 "])
    assert [one.text for one in found] == ["aba1", "aba2"]  # type: ignore[attr-defined]
    assert sum(found[0].probabilities.values()) == pytest.approx(1)  # type: ignore[attr-defined]
    assert found[0].label in ("yes", "no")  # type: ignore[attr-defined]
    command = charrnn("predict", str(model.path), "aba1", "aba2", "--format", "tsv", cwd=Path())
    lines = [line for one in found for line in one.lines("tsv")]
    assert command.stdout.decode().splitlines() == lines
    with pytest.raises(package.InputError, match="text 2 is empty"):
        model.predict(["a", " "])
    with pytest.raises(package.InputError, match="which has no steps"):
        model.predict(["a"], steps=3)
    with pytest.raises(package.InputError, match="a text must be a str, got 3"):
        model.predict([3])
    with pytest.raises(package.InputError, match="writes no texts"):
        model.sample()
    with pytest.raises(package.InputError, match="not a language model"):
        model.score("a")


def test_a_forecast_takes_numbers_or_a_file() -> None:
    values = np.sin(0.3 * np.arange(120))
    Path("wave.csv").write_text("x\n" + "".join(f"{v:.6f}\n" for v in values), encoding="utf-8")
    model = package.train("wave.csv", task="forecast", hidden=4, epochs=1.0, threads=1).finish()
    (by_file,) = model.predict("wave.csv", steps=3)
    (by_numbers,) = model.predict(np.round(values, 6), steps=3)
    np.testing.assert_array_equal(by_file.values, by_numbers.values)  # type: ignore[attr-defined]
    assert by_file.values.shape == (3, 1)  # type: ignore[attr-defined]
    with pytest.raises(package.InputError, match=r"shape \(4, 2\): the model reads rows of 1"):
        model.predict(np.zeros((4, 2)))


SETTINGS: list[dict[str, Any]] = [
    {},
    {"cell": "rnn"},
    {"cell": "gru,reset=before"},
    {"layers": 2, "dropout": 0.3},
    {"layers": 0},
    {"embedding": 5},
    {"task": "lm,head=tied"},
    {"task": "lm,mask=step", "dropout": 0.4},
    {"level": "byte"},
    {"val_fraction": 0.0},
    {"val_fraction": 0.3, "encoding": "utf-8,newlines=keep"},
    {"optimizer": "sgd", "lr": 0.1},
    {"optimizer": "rmsprop"},
    {"schedule": "step"},
    {"schedule": "cosine,warmup=0.2,final=0.1"},
    {"optimizer": "adamw,clip=0.1", "weight_decay": 0.01},
    {"seed": 7},
    {"eval_every": 5, "sample_every": 7},
    {"patience": 1, "eval_every": 4},
    {"encoding": "latin-1", "seq_len": 5, "batch_size": 3},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=[str(one) for one in SETTINGS])
def test_a_setting_gives_the_same_bytes_through_command_and_library(
    settings: dict[str, Any],
) -> None:
    together = {**SMALL, **settings}
    flags: list[str] = []
    for name, value in together.items():
        option = f"--{name.replace('_', '-')}"
        flags += [option] if value is True else [option, str(value)]
    done = charrnn("train", "corpus.txt", *flags, "--out", "command", "-q", cwd=Path())
    assert done.returncode == 0, done.stderr
    package.train("corpus.txt", out="library", **together).finish()
    assert fingerprint(Path("command")) == fingerprint(Path("library"))


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ([], {}),
        (["--prime", "abc", "--temp", "0.5"], {"prime": "abc", "temperature": 0.5}),
        (["--top-k", "3"], {"top_k": 3}),
        (["--top-p", "0.7", "-l", "33"], {"top_p": 0.7, "length": 33}),
        (["-t", "0", "-l", "40"], {"temperature": 0.0, "length": 40}),
    ],
)
def test_a_command_and_the_library_write_the_same_text(
    place: Path, flags: list[str], options: dict[str, Any]
) -> None:
    model = package.load(place / "checkpoints" / "corpus-1")
    done = charrnn("sample", "--seed", "5", *flags, cwd=place)
    assert done.stdout.decode() == model.sample(seed=5, **options) + "\n"
    several = charrnn("sample", "--seed", "5", "-n", "3", *flags, cwd=place)
    texts = model.sample(seed=5, n=3, **options)
    assert several.stdout.decode() == "---\n".join(text + "\n" for text in texts)


def test_a_text_in_memory_trains_and_resumes_as_its_file_does() -> None:
    package.train("corpus.txt", out="file", **SMALL).finish()
    run = package.train(text=TEXT, out="memory", **SMALL)
    for event in run:
        if isinstance(event, Step) and event.number == 20:
            run.stop()
    assert not run.complete
    with pytest.raises(package.InputError, match="on a text in memory"):
        package.resume("memory")
    again = package.resume("memory", text=TEXT)
    events = list(again)
    assert isinstance(events[-1], Finished)
    assert not any(isinstance(event, Compared) for event in events)  # it was said at the beginning
    for name in ("best", "last"):
        one, other = (package.load(f"{folder}/{name}.npz") for folder in ("file", "memory"))
        np.testing.assert_array_equal(one.parameters.flat, other.parameters.flat)
    with pytest.raises(package.InputError, match="not both"):
        package.train("corpus.txt", text=TEXT)


def test_library_and_command_can_resume_each_others_runs() -> None:
    package.train("corpus.txt", out="whole", **SMALL).finish()
    run = package.train("corpus.txt", out="parts", **SMALL)
    events = []
    for event in run:
        events.append(event)
        if isinstance(event, Step) and event.number == 13:
            run.stop()
    assert isinstance(events[-1], Stopped)
    assert run.model.path == Path("parts/last.npz")
    done = charrnn("train", "--resume", "parts", "-q", cwd=Path())
    assert done.returncode == 0, done.stderr
    assert fingerprint(Path("parts")) == fingerprint(Path("whole"))


def test_an_interrupt_saves_and_raises_keyboardinterrupt() -> None:
    """As Ctrl-C in a notebook: after the step, saved, as KeyboardInterrupt."""
    program = (
        "import os, signal, charrnn\n"
        "from charrnn.training.loop import Trainer\n"
        "steps = Trainer.steps\n"
        "def interrupted(self):\n"
        "    for step in steps(self):\n"
        "        if step.number == 9:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "        yield step\n"
        "Trainer.steps = interrupted\n"
        f"run = charrnn.train('corpus.txt', out='run', **{SMALL!r})\n"
        "try:\n"
        "    run.finish()\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted at', run.trainer.number)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, check=True
    )
    assert done.stdout == b"interrupted at 9\n"
    assert package.load("run/last.npz").header["training"]["step"] == 9


def test_a_script_is_quiet_unless_asked() -> None:
    for progress, shown in ((None, False), (True, True), (False, False)):
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            package.train("corpus.txt", out=f"run-{progress}", progress=progress, **SMALL).finish()
        assert out.getvalue() == ""
        assert ("loss " in err.getvalue()) == shown, err.getvalue()


def test_a_notebook_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class ZMQInteractiveShell: ...

    class IPython:
        get_ipython = staticmethod(ZMQInteractiveShell)

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    made: list[dict[str, Any]] = []

    class Shown:
        total = 0

        def __init__(self, **options: Any) -> None:
            made.append(options)

        def set_postfix_str(self, text: str, refresh: bool) -> None:
            made.append({"text": text})

        def update(self, by: int = 1) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr("tqdm.auto.tqdm", Shown)
    package.train("corpus.txt", out="run", **SMALL).finish()
    assert made[0]["total"] == 34
    assert "validation" in made[-1]["text"]


def test_the_test_of_a_task_is_the_last_event() -> None:
    rows = "".join(f"{'ab' * (k % 7)}{k}\t{'yes' if k % 2 else 'no'}\n" for k in range(80))
    Path("rows.tsv").write_text(rows, encoding="utf-8")
    *_, last = package.train("rows.tsv", task="classify", hidden=4, epochs=1.0, threads=1)
    assert isinstance(last, Concluded)
    assert "accuracy" in last.outcome.score.measures


def test_representations_are_informative(place: Path) -> None:
    model = package.load(place / "checkpoints" / "corpus-1")
    assert repr(model).endswith("best.npz: lm, 1 × 8 lstm, 821 parameters; 13 characters>")
    assert repr(model.parameters).startswith(
        "<Parameters: 821 float32 numbers: body.0.W_x (13, 32)"
    )
    assert repr(model.score("abc")).startswith("<3 characters: ")
    run = package.train("corpus.txt", **SMALL)
    assert repr(run) == "<Run checkpoints/corpus-1: lm, 0 of 34 steps>"
    run.finish()
    assert "34 of 34 steps, best " in repr(run)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: package.load("nowhere"), "checkpoint 'nowhere' does not exist"),
        (lambda: package.load().sample("x", temperature=-1), "temperature must be 0 or more"),
        (lambda: package.load().sample(n=0), "n must be 1 or more, got 0"),
        (lambda: package.load().sample("€"), "the prime has 1 character new to the model"),
        (lambda: package.load().sample(label="x"), "has no labels"),
        (lambda: package.load().score(""), "an empty text has no score"),
        (lambda: package.load().predict(["x"]), "writes texts; it does not predict"),
        (lambda: package.load().save("model.txt"), "'model.txt' is not the name of a checkpoint"),
        (lambda: package.train("nowhere.txt"), "file 'nowhere.txt' does not exist"),
        (
            lambda: package.train("corpus.txt", hidden="64"),
            "hidden must be a whole number, got '64'",
        ),
        (
            lambda: package.train("corpus.txt", hidden=True),
            "hidden must be a whole number, got True",
        ),
        (lambda: package.train("corpus.txt", hiden=64), "there is no setting 'hiden'"),
        (lambda: package.train("corpus.txt", cell=3), "cell must be a str, got 3"),
        (lambda: package.train("corpus.txt", task=3), "task must be a str, got 3"),
        (lambda: package.train("corpus.txt", cell="lstn"), "unknown cell 'lstn'"),
        (lambda: package.train(text="ab\ud800" * 50), "lone surrogates"),
        (lambda: package.train(text="a\tb", task="classify"), "needs a file to train on"),
        (lambda: package.resume("nowhere"), "'nowhere' holds no run to resume"),
        (lambda: package.cell("lstn", 4), "unknown cell 'lstn'"),
    ],
)
def test_mistakes_are_input_errors(call: Any, message: str) -> None:
    with pytest.raises(package.InputError) as caught:
        call()
    assert message in str(caught.value)
    assert not Path("checkpoints").exists()


def test_a_damaged_checkpoint_is_a_checkpoint_error() -> None:
    Path("damaged.npz").write_bytes(b"PK\x03\x04 not quite")
    with pytest.raises(package.CheckpointError, match=r"damaged\.npz is not a readable checkpoint"):
        package.load("damaged.npz")


def test_a_name_given_as_a_cell_is_reported() -> None:
    from charrnn.nn.models import SequenceModel

    with pytest.raises(TypeError) as caught:
        SequenceModel(3, 3, "rnn")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "cell must be a Cell, got 'rnn'; charrnn.cell('rnn', 64) makes one"
    )


def test_a_score_equals_the_networks_loss_of_each_character(place: Path) -> None:
    """Against one symbol at a time, from a line end on in the state in which samples begin; an
    unknown one costs its escape."""
    from charrnn.nn.stepper import Stepper
    from charrnn.sampling import opening
    from charrnn.text.escapes import KNOWN_NATS, UNKNOWN_NATS

    model = package.load(place / "checkpoints" / "corpus-1")
    text = "abc\nédΩ a"
    score = model.score(text)
    before, expected = model.vocabulary.start, []
    state = opening(model.network, model.parameters, before)
    stepper = Stepper(model.network, model.parameters, state, 1)
    for character in text:
        y = stepper.step(np.array([before]))[0].astype(np.float64)
        if ord(character) not in model.vocabulary.codes:
            expected.append(UNKNOWN_NATS)
            before = model.vocabulary.start
            continue
        before = model.vocabulary.codes.index(ord(character))
        expected.append(np.log(np.exp(y).sum()) - y[before] + KNOWN_NATS)
    np.testing.assert_allclose(score.nats, expected, rtol=1e-5)


def test_a_thread_of_a_script_may_train() -> None:
    """Signals can only be caught in the main thread; elsewhere a training works without that."""
    from threading import Thread

    found: list[Any] = []
    run = package.train("corpus.txt", out="run", **SMALL)
    thread = Thread(target=lambda: found.append(run.finish()))
    thread.start()
    thread.join()
    assert found[0].config.hidden == 8


def test_a_script_needs_no_main_guard() -> None:
    """Other processes must not run the script again."""
    Path("script.py").write_text(
        "import charrnn, json\n"
        f"run = charrnn.train('corpus.txt', out='run', **{ {**SMALL, 'batch_size': 24}!r} | "
        "{'threads': 2})\n"
        "run.finish()\n"
        "print(json.dumps({'threads': run.threads, 'alone': run.task.engine.lost}))\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "script.py"], env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"\n") == 1, done.stdout
    assert json.loads(done.stdout) == {"threads": 2, "alone": False}


@pytest.mark.parametrize("task", ["lm", "classify", "tag", "translate", "generate", "forecast"])
def test_settings_that_do_not_apply_to_a_task_are_refused(task: str) -> None:
    """By name in the given settings, by value in a Config; an old file may contain them."""
    from dataclasses import fields

    from charrnn.tasks.config import Config
    from charrnn.tasks.kinds import KINDS

    others: dict[str, Any] = {
        "head": "tied",
        "attention": "none",
        "readout": "last",
        "column": 3,
        "noise": 0.2,
    }
    others |= {"loss": "sigmoid", "mask": "step", "directions": "both", "seq_len": 5}
    others |= {"keep_newlines": True, "level": "byte", "embedding": 9}
    others |= {"lines": True, "columns": "1,2"}
    kind, refused = KINDS[task], []
    for name, value in others.items():
        setting = next(one for one in fields(Config) if one.name == name)
        own = setting.metadata.get("own", False)
        if (name in kind.own) if own else (name not in kind.without):
            assert getattr(Config.of(task, **{name: value}), name) == value
            continue
        refused.append(name)
        with pytest.raises(package.InputError, match=f"does not apply to --task {task}"):
            Config(task=task, **{name: value})
        written = {**Config.of(task).to_json(), name: value}
        assert Config.from_json(written) == Config.of(task)
    assert refused
    assert {"lm": "directions", "forecast": "level"}.get(task, "seq_len") in refused


def test_a_byte_level_model_is_scored_by_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    from charrnn.cli import app

    package.train("corpus.txt", level="byte", out="run", **SMALL).finish()
    app(["inspect", "run"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "nats/byte, validated at step" in shown
    assert "nats/char" not in shown


def test_a_notebook_trains_samples_scores_and_resumes() -> None:
    """In a real kernel, cell by cell; the notebook's widgets draw the bar."""
    nbformat, nbclient = notebook_tools()
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(source)
        for source in (
            "import charrnn",
            f"run = charrnn.train('corpus.txt', out='run', **{SMALL!r})",
            "from charrnn.training.loop import Step\n"
            "for event in run:\n"
            "    if isinstance(event, Step) and event.number == 9:\n"
            "        run.stop()",
            "model = charrnn.resume('run').finish()",
            "print(model.sample(seed=1, length=20))\nprint(model.score('abc').bits)",
            "model",
        )
    ]
    nbclient.NotebookClient(notebook, timeout=120).execute()
    printed = "".join(out.get("text", "") for out in notebook.cells[4].outputs)
    assert len(printed.splitlines()) >= 2
    (shown,) = notebook.cells[5].outputs
    assert shown["data"]["text/plain"].startswith("<Model run/best.npz: lm")
    assert any("34" in str(out) for out in notebook.cells[3].outputs)


def test_a_closed_run_cannot_train() -> None:
    """Another process may be using its folder by now."""
    run = package.train("corpus.txt", out="run", **SMALL)
    next(iter(run))
    run.close()
    assert not Path("run").exists()  # nothing was saved in it
    with pytest.raises(package.InputError, match="this run is closed"):
        run.finish()
    other = package.train("corpus.txt", out="run", **SMALL)
    events = iter(other)
    next(events)
    with pytest.raises(package.InputError, match="is being iterated over already"):
        next(iter(other))
    other.stop()
    *_, last = events
    assert isinstance(last, Stopped)
    with pytest.raises(package.InputError) as caught:
        other.finish()
    assert caught.value.hint == "to continue: charrnn.resume('run')"


def test_a_loop_that_was_left_can_be_continued() -> None:
    package.train("corpus.txt", out="whole", **SMALL).finish()
    run = package.train("corpus.txt", out="left", **SMALL)
    for event in run:
        if isinstance(event, Step) and event.number == 7:
            break
    run.finish()
    assert fingerprint(Path("left")) == fingerprint(Path("whole"))


def test_a_run_stopped_before_it_begins_is_saved_as_it_is() -> None:
    run = package.train("corpus.txt", out="run", **SMALL)
    run.stop()
    (event,) = list(run)
    assert event == Stopped(0)
    package.train("corpus.txt", out="whole", **SMALL).finish()
    package.resume("run").finish()
    assert fingerprint(Path("run")) == fingerprint(Path("whole"))


@pytest.mark.filterwarnings("ignore")  # that nobody closed its lock is the point
def test_no_process_outlives_a_deleted_run() -> None:
    import gc
    import multiprocessing

    run = package.train("corpus.txt", out="run", **{**SMALL, "batch_size": 24, "threads": 2})
    for event in run:
        if isinstance(event, Step):
            break
    assert multiprocessing.active_children()
    del run, event
    gc.collect()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample(5), "prime must be a str, got 5"),
        (lambda m: m.sample(b"x"), "prime must be a str, got b'x'"),
        (lambda m: m.sample(length=1.5), "length must be a whole number, got 1.5"),
        (lambda m: m.sample(n="2"), "n must be a whole number, got '2'"),
        (lambda m: m.sample(n=True), "n must be a whole number, got True"),
        (lambda m: m.sample(temperature="hot"), "temperature must be a number, got 'hot'"),
        (lambda m: m.sample(seed=-1), "seed must be 0 or more, got -1"),
        (lambda m: m.sample(seed="a"), "seed must be a whole number, got 'a'"),
        (lambda m: m.sample(label=3), "label must be a str, got 3"),
        (lambda m: m.score(5), "text must be a str, got 5"),
        (lambda m: package.train(5), "corpus must be the name of a file, got 5"),  # type: ignore[arg-type]
        (lambda m: package.train("corpus.txt", threads=-1), "threads must be 0 or more, got -1"),
        (lambda m: package.train("corpus.txt", own_cell=3), "there is no setting 'own_cell'"),
        (lambda m: package.train(text=b"x"), "text must be a str, got b'x'"),  # type: ignore[arg-type]
        (lambda m: package.resume(5), "run must be the name of a file, got 5"),  # type: ignore[arg-type]
        (lambda m: package.resume("run", "corpus.txt", text="x"), "not both"),
        (lambda m: package.cell("rnn", 0), "hidden_size must be 1 or more, got 0"),
        (lambda m: package.cell(5, 4), "text must be a str, got 5"),  # type: ignore[arg-type]
    ],
)
def test_wrong_types_are_named(call: Any, message: str) -> None:
    with pytest.raises(package.InputError) as caught:
        call(package.load())
    assert message in str(caught.value)


def test_models_are_compared_by_identity() -> None:
    one, other = package.load(), package.load()
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_completion_shows_the_public_names() -> None:
    assert {name for name in dir(package) if not name.startswith("_")} == set(package.__all__)
