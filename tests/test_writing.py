"""Options of writing: beginning and end, passages to avoid, and output formats."""

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import charrnn, charrnn_apart, environment

import charrnn as package
from charrnn.engine import Engine
from charrnn.errors import InputError, StuckError
from charrnn.evaluation.windows import Reader, windowed_nats
from charrnn.runs.model import Model
from charrnn.tasks import writing
from charrnn.tasks.writing import SEPARATOR, Wanted
from charrnn.text.escapes import KNOWN_NATS, escape
from charrnn.text.vocab import codes_of

NAMES = ["anna", "annette", "berta", "carla", "carlotta", "clara", "dora", "emma", "greta", "hanna"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of names, one of which also knows x and y; and one of two kinds of names."""
    place = tmp_path_factory.mktemp("names")
    rng = np.random.default_rng(0)
    drawn = [str(name) for name in rng.choice(NAMES, 400)]
    (place / "names.txt").write_text("\n".join(drawn) + "\n", encoding="utf-8")
    more = [name for one in drawn for name in (one, "xymena")[: 1 + (one == "dora")]]
    (place / "more.txt").write_text("\n".join(more) + "\n", encoding="utf-8")
    rows = [f"{'long' if len(name) > 5 else 'short'}\t{name}\n" for name in drawn]
    (place / "kinds.tsv").write_text("".join(rows), encoding="utf-8")
    small = ("--hidden", "24", "--threads", "1", "-q")
    for arguments in (
        ["names.txt", "--out", "lm", "--epochs", "30", "--seq-len", "16", "--batch-size", "8"],
        [
            "more.txt",
            "--out",
            "other",
            "--epochs",
            "20",
            "--seq-len",
            "16",
            "--batch-size",
            "16",
            "--seed",
            "2",
        ],
        ["kinds.tsv", "--out", "kinds", "--task", "generate", "--epochs", "12", "--dropout", "0"],
    ):
        done = charrnn("train", *arguments, *small, cwd=place)
        assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return package.load(folder / "lm")


def out(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """The output of ``charrnn sample``."""
    done = charrnn("sample", *arguments, "--seed", "1", cwd=folder, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def refused(folder: Path, *arguments: str, code: int = 2) -> str:
    done = charrnn("sample", *arguments, "--seed", "1", cwd=folder)
    assert done.returncode == code, done.stderr
    return done.stderr.decode()


LABEL = ("kinds", "--label", "long")


# Where a text begins


def test_a_prime_from_a_file_has_its_line_ends(folder: Path) -> None:
    """Also those of Windows, and from standard input; arguments cannot contain them."""
    (folder / "prime.txt").write_bytes(b"anna\r\nber\r\n")
    text = out(folder, "lm", "--prime-file", "prime.txt", "-l", "30")
    assert text.startswith("anna\nber\n")
    assert len(text) == 9 + 30 + 1
    assert out(folder, "lm", "--prime-file", "-", "-l", "30", stdin=b"anna\nber\n") == text
    alone = out(folder, "lm", "--prime-file", "prime.txt", "-l", "30", "--no-prime")
    assert text == "anna\nber\n" + alone
    assert package.load(folder / "lm").sample("anna\nber\n", length=30, seed=1) + "\n" == text
    assert "exclude each other" in refused(folder, "lm", "--prime-file", "prime.txt", "-p", "a")
    assert "nowhere" in refused(folder, "lm", "--prime-file", "nowhere")


def test_a_backslash_in_a_prime_is_explained(folder: Path) -> None:
    """It is an error if the model does not know it."""
    said = refused(folder, "lm", "-p", r"anna\nb")
    assert r"note: \n in --prime means two characters, a backslash and 'n'; --prime-file" in said
    assert "U+005C" in said
    assert "note" not in charrnn("sample", "lm", "-p", "anna", cwd=folder).stderr.decode()


def test_unknown_characters_of_a_prime_are_refused_or_skipped(folder: Path) -> None:
    assert "--unknown skip" in refused(folder, "lm", "-p", "aZnnQa")
    done = charrnn("sample", "lm", "-p", "aZnnQa", "--unknown", "skip", "--seed", "1", cwd=folder)
    assert done.stdout.decode() == out(folder, "lm", "-p", "anna")
    assert b"note: 2 characters that the model does not know were left out" in done.stderr
    label = out(folder, *LABEL, "-p", "cZa", "--unknown", "skip")
    assert label == out(folder, *LABEL, "-p", "ca")


# Which characters


def test_characters_can_be_allowed_and_forbidden(folder: Path, model: Model) -> None:
    """In UTF-8 or not, known or not; the end of a labelled text is always possible."""
    some = out(folder, "lm", "--allow", r"an\nbZ€", "-l", "300")
    assert set(some) == set("an\nb")
    assert not set(out(folder, "lm", "--allow", r"^an\n", "-l", "300")[:-1]) & set("an\n")
    assert set(model.sample(length=200, seed=1, allow="an")) == set("an")
    assert not set(model.sample(length=200, seed=1, forbid="an")) & set("an")
    assert set(out(folder, "lm", "--allow", r"\^an", "-l", "99")[:-1]) == set("an")
    for allow in ("Z€", "", "^" + "".join(map(chr, model.vocabulary.codes))):
        assert "no character is left" in refused(folder, "lm", "--allow", allow)
    assert set(out(folder, *LABEL, "--allow", "aln", "-n", "5")) <= set("aln-\n")
    assert len(out(folder, "lm", "--allow", "an", "--lines", "3").splitlines()) == 3
    assert len(out(folder, *LABEL, "--allow", "an", "--lines", "3").splitlines()) == 3


# Where it ends


def test_a_text_ends_before_its_stop(folder: Path, model: Model) -> None:
    whole = out(folder, "lm", "-l", "300")
    line = out(folder, "lm", "-l", "300", "--stop", r"\n")
    assert line == whole.split("\n")[0] + "\n"
    some = ("-l", "300", "-p", "c", "--stop", "nn", "--stop", "rt")
    text = out(folder, "lm", *some)
    begun = out(folder, "lm", "-l", "300", "-p", "c")
    assert text == re.split("nn|rt", begun)[0] + "\n"
    assert model.sample("c", length=300, seed=1, stop=["nn", "rt"]) == text[:-1]
    assert "".join(model.stream("c", length=300, seed=1, stop=["nn", "rt"])) == text[:-1]
    assert "new to the model" in refused(folder, "lm", "--stop", "Z")
    assert "empty" in refused(folder, "lm", "--stop", "")
    assert "a" not in out(folder, *LABEL, "-n", "3", "--stop", "a", "--no-prime")


def test_lines_are_complete_and_all_different(folder: Path, model: Model) -> None:
    text = out(folder, "lm", "--lines", "25")
    lines = text.splitlines()
    assert len(set(lines)) == len(lines) == 25
    assert text.endswith("\n")
    assert all(lines)
    new = out(folder, "lm", "--lines", "25,new").splitlines()
    assert len(set(new)) == 25
    assert not set(new) & set(NAMES)
    assert set(lines) & set(NAMES)
    begun = out(folder, "lm", "--lines", "8", "-p", "anna\nca").splitlines()
    assert len(set(begun)) == 8
    assert all(line.startswith("ca") for line in begun)
    cut = out(folder, "lm", "--lines", "8", "-p", "anna\nca", "--no-prime").splitlines()
    assert ["ca" + line for line in cut] == begun
    assert list(model.lines(25, seed=1)) == lines
    assert list(model.lines(25, seed=1, new=True)) == new
    short = list(model.lines(4, length=4, temperature=1.5, seed=1))
    assert {len(line) for line in short} <= {1, 2, 3}  # and the line end
    cold = (*LABEL, "-t", "0.3", "--lines")
    assert set(out(folder, *cold, "9").splitlines()) & set(NAMES)
    labelled = out(folder, *cold, "9,new").splitlines()
    assert len(set(labelled)) == 9
    assert not set(labelled) & set(NAMES)


def test_a_model_without_line_ends_writes_no_lines(tmp_path: Path) -> None:
    run = package.train(text="abc " * 100, hidden=4, epochs=1, out=tmp_path / "run", threads=1)
    with pytest.raises(InputError, match="knows no line ends"):
        next(run.finish().lines(3))


def test_the_number_of_lines_written_at_a_time_does_not_matter(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: dict[str, Any] = {"seed": 3, "best_of": 2, "max_copy": 5, "temperature": 1.0}
    found = list(model.lines(12, **wanted))
    monkeypatch.setattr(writing, "TOGETHER", 3)
    assert list(model.lines(12, **wanted)) == found
    assert list(islice(model.lines(40, **wanted), 12)) == found


def test_too_few_lines_are_an_error_after_those_found(folder: Path) -> None:
    done = charrnn("sample", "lm", "--lines", "9", "-t", "0", "--seed", "1", cwd=folder)
    assert done.returncode == 1
    assert len(done.stdout.decode().splitlines()) == 1
    assert b"gave 1 of 9 lines" in done.stderr
    with pytest.raises(StuckError):
        list(package.load(folder / "lm").lines(5, length=0))


# The text as a whole


def copies(text: str, train: str, length: int) -> int:
    return sum(text[k : k + length] in train for k in range(len(text) - length + 1))


def test_nothing_is_copied_from_the_training_text(folder: Path, model: Model) -> None:
    train = (folder / "names.txt").read_text(encoding="utf-8")
    assert copies(out(folder, "lm", "-l", "400")[:-1], train, 6) > 20
    text = out(folder, "lm", "-l", "400", "--max-copy", "6")[:-1]
    assert len(text) == 400
    assert copies(text, train, 6) == 0
    assert model.sample(length=400, seed=1, max_copy=6) == text
    assert "".join(model.stream(length=400, seed=1, max_copy=6)) == text
    first, _, third = model.sample(length=400, n=3, seed=1, max_copy=6)
    assert first == text
    assert copies(third, train, 6) == 0
    (folder / "else.txt").write_text("annette\n" * 9, encoding="utf-8")
    other = out(folder, "lm", "-l", "400", "--max-copy", "6", "--train", "else.txt")
    assert copies(other, "annette\n" * 9, 6) == 0
    assert copies(other, train, 6) > 20
    whole = out(folder, *LABEL, "-n", "20", "--max-copy", "5").split("\n---\n")
    assert not any(copies(one.rstrip("\n"), "\n".join(NAMES), 5) for one in whole)


def test_characters_only_in_the_training_text_are_not_symbols(model: Model) -> None:
    """A window that contains one is never a copy."""
    codes = np.array([ord("a"), ord("Z"), SEPARATOR, ord("a")])
    author = model.author(Wanted())
    first, *unknown, last = author.symbols(codes).tolist()
    assert first == last == model.vocabulary.codes.index(ord("a"))
    assert unknown == [author.voice.size] * 2


def test_a_loop_is_broken(folder: Path, model: Model) -> None:
    def repeated(text: str) -> int:
        windows = [text[k : k + 12] for k in range(len(text) - 11)]
        return len(windows) - len(set(windows))

    assert repeated(out(folder, "lm", "-t", "0", "-l", "600")) > 300
    text = out(folder, "lm", "-t", "0", "-l", "600", "--max-copy", "own=12")[:-1]
    assert len(text) == 600
    assert repeated(text) == 0
    assert model.sample(length=600, temperature=0.0, max_repeat=12) == text
    both = out(folder, "lm", "-l", "300", "--max-copy", "8,own=14")
    assert model.sample(length=300, seed=1, max_copy=8, max_repeat=14) + "\n" == both


def test_without_the_training_text_max_copy_is_refused(folder: Path, tmp_path: Path) -> None:
    package.load(folder / "lm").save(tmp_path / "shared.npz")
    for rule in (["--max-copy", "6"], ["--lines", "3,new"]):
        assert "--train TEXT" in refused(tmp_path, "shared.npz", *rule)
    package.load(folder / "kinds").save(tmp_path / "kinds.npz")
    said = refused(tmp_path, "kinds.npz", "--label", "long", "--max-copy", "6")
    assert "does not say what it was trained on" in said
    train = ("--train", str(folder / "kinds.tsv"))
    rules = ("--max-copy", "6", "--seed", "1")
    done = charrnn("sample", "kinds.npz", *LABEL[1:], *rules, *train, cwd=tmp_path)
    assert done.stdout.decode() == out(folder, *LABEL, "--max-copy", "6")


def test_best_of_keeps_the_likeliest(folder: Path, model: Model) -> None:
    """Among texts 1 to 4 the first, among 5 to 8 the second; by unfiltered probabilities."""
    how: dict[str, Any] = {"length": 60, "seed": 1, "temperature": 1.3, "top_k": 9}
    texts = model.sample(n=8, **how)
    costs = [model.score(text).nats.mean() for text in texts]
    first, second = (texts[k + int(np.argmin(costs[k : k + 4]))] for k in (0, 4))
    assert model.sample(n=2, best_of=4, **how) == [first, second]
    assert model.sample(best_of=4, **how) == first
    assert first != texts[0] or second != texts[4]
    flags = ("-l", "60", "-t", "1.3", "--top-k", "9", "--best-of", "4")
    assert out(folder, "lm", *flags) == first + "\n"
    assert model.sample(length=0, best_of=3) == ""


def test_progress_is_shown_while_there_is_no_output(model: Model) -> None:
    """With --best-of, nothing is printed before all are written."""
    wanted, told = Wanted(length=600, best_of=3), [0]
    grown = writing.write(model.author(wanted), wanted, np.random.default_rng(1), told.append)
    assert [len(piece.data) for (piece,) in grown] == [0, 600]
    assert told == [0, writing.UNSEEN, writing.UNSEEN]


def test_a_repeat_penalty_makes_loops_rarer(model: Model) -> None:
    plain = model.sample(length=500, temperature=0.3, seed=1)
    other = model.sample(length=500, temperature=0.3, seed=1, repeat_penalty=1.5)
    assert len(set(other.split())) > len(set(plain.split()))


# How it comes out


def test_json_lines_say_what_the_model_expected(folder: Path, model: Model) -> None:
    """For the same text as without them; the model's own predictions, whatever is filtered."""
    flags = ("lm", "-l", "40", "-t", "0.6", "--top-p", "0.9", "--max-copy", "7")
    found = [json.loads(line) for line in out(folder, *flags, "--format", "jsonl").splitlines()]
    text = "".join(one["char"] for one in found)
    assert text + "\n" == out(folder, *flags)
    nats = model.score(text).nats - KNOWN_NATS
    np.testing.assert_allclose([-one["log_probability"] for one in found], nats, atol=2e-5)
    for one in found:
        assert set(one) == {"text", "char", "log_probability", "entropy", "best"}
        assert one["text"] == 0
        costs = [cost for _, cost in one["best"]]
        assert costs == sorted(costs, reverse=True)
        assert len(costs) == 5
        assert dict(one["best"]).get(one["char"], one["log_probability"]) == one["log_probability"]
        assert 0 <= one["entropy"] <= np.log(len(model.vocabulary))
    several = out(folder, *flags, "-n", "2", "--format", "jsonl").splitlines()
    by_text: dict[int, str] = {0: "", 1: ""}
    for one in map(json.loads, several):
        by_text[one["text"]] += one["char"]
    assert by_text[0] == text
    assert len(by_text[1]) == 40
    lines = out(folder, "lm", "--lines", "3", "--format", "jsonl").splitlines()
    names = ["", "", ""]
    for one in map(json.loads, lines):
        names[one["text"]] += one["char"]
    assert names == out(folder, "lm", "--lines", "3").splitlines()
    labelled = [json.loads(line) for line in out(folder, *LABEL, "--format", "jsonl").splitlines()]
    assert "".join(one["char"] for one in labelled) + "\n" == out(folder, *LABEL)
    assert any(char is None for one in labelled for char, _ in one["best"])  # the end


def test_a_file_gets_what_standard_output_would(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"x" * 5000)
    for flags in (["-n", "2"], ["--lines", "3"], ["--format", "jsonl", "-l", "9"]):
        text = out(folder, "lm", *flags)
        assert out(folder, "lm", *flags, "--out", str(path)) == ""
        assert path.read_bytes() == text.encode()
    assert "it is a directory" in refused(folder, "lm", "--out", str(tmp_path))


def test_the_number_of_threads_changes_no_text(folder: Path) -> None:
    flags = ("-l", "90", "--seed", "1", "-n", "3", "--max-copy", "8,own=20")
    one, two = (
        charrnn_apart("sample", "lm", *flags, cwd=folder, env=environment(**threads))
        for threads in ({"OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "2"})
    )
    assert one.returncode == 0
    assert one.stdout == two.stdout


def test_the_first_of_several_texts_equals_the_single_text(model: Model) -> None:
    how: dict[str, Any] = {
        "length": 120,
        "seed": 5,
        "min_p": 0.02,
        "repeat_penalty": 1.1,
        "max_copy": 9,
        "max_repeat": 20,
        "stop": ["dora"],
        "forbid": "g",
    }
    alone = model.sample("a", **how)
    assert model.sample("a", n=4, **how)[0] == alone
    assert "".join(model.stream("a", **how)) == alone


# Several models as one


def test_a_mixture_scores_by_the_mean_of_probabilities(folder: Path, model: Model) -> None:
    """The second one knows x and y; the other gives them no probability."""
    other = package.load(folder / "other")
    mixed = package.mix([model, other], [2, 1])
    assert set(mixed.vocabulary.codes) == set(other.vocabulary.codes) > set(model.vocabulary.codes)
    text = "anna\nxymena\nberta"
    expected = (2 * np.exp(-model.score(text).nats) + np.exp(-other.score(text).nats)) / 3
    np.testing.assert_allclose(np.exp(-mixed.score(text).nats), expected, rtol=1e-5)
    assert set("xy") & set(mixed.sample(length=2000, temperature=1.0, seed=1))
    assert "2/3" not in repr(mixed)
    assert "0.667 × " in repr(mixed)


def test_a_mixture_writes_as_one_model_does(folder: Path, model: Model) -> None:
    other = package.load(folder / "other")
    mixed = package.mix([model, other], [2, 1])
    text = out(folder, "lm", "other", "--weights", "2,1", "-l", "90")
    assert mixed.sample(length=90, seed=1) + "\n" == text
    assert "".join(mixed.stream(length=90, seed=1)) + "\n" == text
    assert mixed.sample(length=90, seed=1, n=3)[0] + "\n" == text
    assert package.mix([other]).sample("xy", length=90, seed=1) == other.sample(
        "xy", length=90, seed=1
    )
    train = (folder / "names.txt").read_text() + (folder / "more.txt").read_text()
    assert copies(mixed.sample("xy", length=300, seed=1, max_copy=6), train, 6) == 0
    assert [len(codes) for codes in mixed.trained_on()] == [
        len((folder / name).read_text()) for name in ("names.txt", "more.txt")
    ]
    assert len(mixed.trained_on([str(folder / "more.txt")])) == 1
    found = list(mixed.lines(9, seed=1, new=True))
    assert not set(found) & {*NAMES, "xymena"}
    lines = out(folder, "lm", "other", "--weights", "2,1", "-l", "9", "--format", "jsonl")
    scored = [-json.loads(line)["log_probability"] for line in lines.splitlines()]
    np.testing.assert_allclose(scored, mixed.score(text[:9]).nats - KNOWN_NATS, atol=2e-5)


def test_models_that_are_compared_are_scored_as_one_too(folder: Path, model: Model) -> None:
    """On the same text, with the given weights."""
    other = package.load(folder / "other")
    (folder / "held.txt").write_text("anna\nxena\ndorothea\n", encoding="utf-8")

    def score(*arguments: str) -> list[dict[str, Any]]:
        done = charrnn("eval", "lm", "other", *arguments, "--json", cwd=folder)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    one, two, both = score("held.txt", "--weights", "3,1")
    assert both["as_one"] == [one["checkpoint"], two["checkpoint"]]
    assert both["weights"] == [0.75, 0.25]
    ids = "anna\nxena\ndorothea\n"
    nats = []
    for each in (model, other):
        reader = Reader(Engine(each.network))
        text = escape(each.vocabulary, codes_of(ids, "char"))
        own = windowed_nats(reader, each.parameters, text.ids, [1, len(ids)])
        nats.append(text.charge(own, 1))
    expected = -np.log(0.75 * np.exp(-nats[0]) + 0.25 * np.exp(-nats[1])).mean()
    assert both["network"]["state carried"]["nats"] == pytest.approx(expected, rel=1e-6)
    table = charrnn("eval", "lm", "other", "held.txt", "--weights", "3,1", cwd=folder)
    assert re.search(rf"^their average +{expected:.4f} ", table.stdout.decode(), flags=re.MULTILINE)
    assert len(score()) == 2  # what either run held out
    done = charrnn("eval", "lm", "held.txt", "--weights", "1", cwd=folder)
    assert done.returncode == 2
    assert b"several models" in done.stderr


def test_models_that_do_not_mix_are_refused(folder: Path, model: Model) -> None:
    for weights in ("1", "1,2,3", "a,b", ""):
        assert "2 numbers are needed" in refused(folder, "lm", "other", "--weights", weights)
    for weights in ("1,0", "1,-1", "nan,1", "inf,1"):
        assert "positive" in refused(folder, "lm", "other", "--weights", weights)
    assert "several models" in refused(folder, "lm", "--weights", "1")
    assert "not a language model" in refused(folder, "lm", "kinds")
    assert "does not exist" in refused(folder, "lm", "nowhere")
    assert "no labels" in refused(folder, "lm", "other", "--label", "x")
    for wrong in ([], [model, 1]):
        with pytest.raises(InputError, match="list of models"):
            package.mix(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="1 weight for 2 models"):
        package.mix([model, model], [1])


# The command


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--lines", "0"], "--lines 0"),
        (["--lines", "5,old"], "--lines 5,old"),
        (["--lines", "x"], "--lines x"),
        (["--lines", "5", "-n", "2"], "exclude each other"),
        (["--max-copy", "1"], "--max-copy 1"),
        (["--max-copy", "20,20"], "--max-copy 20,20"),
        (["--max-copy", "else=20"], "--max-copy else=20"),
        (["--max-copy", "²"], "--max-copy ²"),
        (["--repeat-penalty", "0.9"], "repeat penalty"),
        (["--repeat-penalty", "nan"], "repeat penalty"),
        (["--min-p", "2"], "min-p must be in [0, 1]"),
        (["--best-of", "9", "-l", "100000000"], "too many at once"),
        (["--best-of", "60000", "-n", "60000"], "too many at once"),
    ],
)
def test_impossible_options_are_refused_on_one_line(
    folder: Path, arguments: list[str], what: str
) -> None:
    said = refused(folder, "lm", *arguments)
    assert what in said
    assert said.startswith("error: ")
    assert len(said.splitlines()) <= 2


def test_no_more_than_twenty_options_are_shown(tmp_path: Path) -> None:
    page = charrnn("sample", "--help", cwd=tmp_path).stdout.decode()
    options = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", page, flags=re.MULTILINE)
    assert options.count("--help") == 1
    assert len(options) <= 21
    for named in ("--cell", "--train", "--unknown"):  # where they matter
        assert named in page
