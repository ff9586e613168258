"""The generated corpora: their bytes, their grammars and their exact entropies."""

import hashlib
import itertools
import math
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from data_modules import DATA, brackets, make_data, markov, reber

FILES = ["brackets.txt", "reber-test.txt", "reber-train.txt"]

# The same languages, written a second time. Read off the figure: after BP or X comes T…TV, which
# then ends in V or PS or goes round by PX.
AFTER_P = r"T*V(?:PXT*V)*(?:V|PS)"
REBER = re.compile(rf"B([TP])B(?:TS*X(?:S|X{AFTER_P})|P{AFTER_P})E\1E")


def read(name: str) -> list[str]:
    text = (DATA / name).read_bytes().decode("ascii")
    assert text.endswith("\n")
    return text[:-1].split("\n")


# --- the files -----------------------------------------------------------------------------------


@pytest.fixture
def made_before(generated: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files, so that the script need not make them again."""
    monkeypatch.setattr(make_data, "corpora", lambda: generated)
    return list(generated)


def test_the_files_are_what_the_script_writes(tmp_path: Path, made_before: list[str]) -> None:
    assert make_data.main([], folder=tmp_path) == 0
    assert sorted(path.name for path in DATA.glob("*.txt")) == FILES
    for name in made_before:
        assert (DATA / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_check_sees_a_changed_byte_and_a_missing_file(
    tmp_path: Path, made_before: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in made_before:
        shutil.copy(DATA / name, tmp_path / name)
    assert make_data.main(["--check"], folder=tmp_path) == 0
    changed = (tmp_path / "reber-test.txt").read_bytes().replace(b"T", b"P", 1)
    (tmp_path / "reber-test.txt").write_bytes(changed)
    (tmp_path / "brackets.txt").unlink()
    capsys.readouterr()
    assert make_data.main(["--check"], folder=tmp_path) == 1
    assert capsys.readouterr() == (
        "",
        "reber-test.txt differs; brackets.txt is missing: run  python data/make_data.py\n",
    )
    assert (tmp_path / "reber-test.txt").read_bytes() == changed  # --check writes nothing


def test_the_script_runs_from_anywhere(tmp_path: Path) -> None:
    script = [sys.executable, str(DATA / "make_data.py"), "--check"]
    done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_test_strings_are_distinct_and_new() -> None:
    train, test = read("reber-train.txt"), read("reber-test.txt")
    assert len(train) == 12_000
    assert len(test) == len(set(test)) == 1_000
    assert not set(test) & set(train)


def test_every_line_is_of_its_language() -> None:
    for string in read("reber-train.txt") + read("reber-test.txt"):
        assert REBER.fullmatch(string), string
        assert reber.bits(string) > 0
    for line in read("brackets.txt"):
        assert shrinks_to_nothing(line), line
        assert brackets.bits(line) > 0


def test_the_readme_is_true(generated: dict[str, bytes]) -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    train, test, lines = read("reber-train.txt"), read("reber-test.txt"), read("brackets.txt")
    for name in generated:
        content = (DATA / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() in readme, name
        assert f"{len(content):,}" in readme, name
    lengths = [reber.bits_of(train), reber.bits_of(test), brackets.bits_of(lines)]
    characters = lengths[1].characters
    figures = [f"{length.bits:,}" for length in lengths]
    figures += [f"{float(length.per_character):.4f}" for length in lengths]
    figures += [f"{reber.fitted_bits(test, by) / characters:.4f}" for by in (train, test)]
    figures += [f"{(lengths[1].bits + len(test)) / characters:.4f}"]
    figures += [f"{float(1 - reber.mass_of(train)):.2%}".replace("%", " %")]
    figures += [str(reber.entropy_rate()), str(brackets.entropy_rate())]
    assert [figure for figure in figures if figure not in readme] == []


# --- the embedded Reber grammar ------------------------------------------------------------------


def reber_strings(longest: int) -> Iterator[tuple[str, int]]:
    """All strings of at most `longest` characters, with the number of fair choices in each."""

    def after_p(room: int) -> Iterator[tuple[str, int]]:
        for k in range(room - 1):
            yield "T" * k + "VV", k + 2
            for rest, choices in after_x(room - k - 2):
                yield "T" * k + "VP" + rest, k + 2 + choices

    def after_x(room: int) -> Iterator[tuple[str, int]]:
        if room >= 1:
            yield "S", 1
        for rest, choices in after_p(room - 1):
            yield "X" + rest, 1 + choices

    for outer in "TP":
        frame = f"B{outer}B{{}}E{outer}E"
        for rest, choices in after_p(longest - 7):
            yield frame.format("P" + rest), choices + 2
        for k in range(longest):
            for rest, choices in after_x(longest - 8 - k):
                yield frame.format("T" + "S" * k + "X" + rest), k + 3 + choices


@pytest.mark.parametrize(
    "string", ["BTSSXXTVVE", "BPVVE", "BTXXVPSE", "BPVPXVPXVPXVVE", "BTSXXVPSE"]
)
def test_published_strings_are_accepted(string: str) -> None:
    """The examples in the course notes of N. Schraudolph and F. Cummins."""
    assert reber.probability(f"BT{string}TE") == reber.probability(f"BP{string}PE") > 0


@pytest.mark.parametrize("string", ["BTSSPXSE", "BPTVVB", "BTXXVVSE", "BPVSPSE", "BTSSSE"])
def test_published_counterexamples_are_refused(string: str) -> None:
    with pytest.raises(ValueError, match="is not an embedded Reber string"):
        reber.probability(f"BT{string}TE")


def test_reber_probabilities_by_enumeration() -> None:
    mass, entropy, length, seen = Fraction(0), Fraction(0), Fraction(0), set[str]()
    for string, choices in reber_strings(longest=30):
        assert REBER.fullmatch(string), string
        assert len(string) <= 30
        p = reber.probability(string)
        assert p == Fraction(1, 2**choices), string
        seen.add(string)
        mass, entropy = mass + p, entropy + p * choices
        length += p * (len(string) + 1)
    assert reber.mass_of(seen) == mass  # none came twice
    assert 0.995 < mass < 1
    assert 0.98 * 7 < entropy < reber.entropy_per_string() == 7
    assert 0.98 * 13 < length < reber.expected_length() == 13
    assert reber.entropy_rate() == Fraction(7, 13)


def test_corrupted_strings_are_refused() -> None:
    """Texts after one deletion, insertion, change or swap, judged by a second description."""
    refused = 0
    for string, _ in reber_strings(longest=13):
        for corrupted in corruptions(string, "BTPSXVE\n"):
            if REBER.fullmatch(corrupted):
                assert reber.probability(corrupted) > 0
            else:
                refused += 1
                with pytest.raises(ValueError, match="is not an embedded Reber string"):
                    reber.probability(corrupted)
    assert refused > 1_000


def test_the_second_last_letter_is_the_second() -> None:
    strings = read("reber-test.txt") + read("reber-train.txt")
    for string in strings:
        at = reber.long_range_index(string)
        assert at == len(string) - 2
        assert string[at] == string[1]
        swapped = string[:at] + {"T": "P", "P": "T"}[string[at]] + string[at + 1 :]
        with pytest.raises(ValueError, match=f"at position {at}, where '{string[1]}' can follow"):
            reber.long_range_index(swapped)
    text = "".join(f"{string}\n" for string in strings)
    positions = reber.long_range_positions(strings)
    assert [text[at] for at in positions] == [string[1] for string in strings]
    assert [text[at + 1 : at + 3] for at in positions] == ["E\n"] * len(strings)


def test_the_cost_of_the_test_strings() -> None:
    """Rare strings are long and costly; learnt probabilities make little difference."""
    train, test = read("reber-train.txt"), read("reber-test.txt")
    exact = reber.bits_of(test)
    assert exact.bits == sum(-round(math.log2(reber.probability(string))) for string in test)
    assert exact.characters == (DATA / "reber-test.txt").stat().st_size
    assert exact.per_character > 1.3 * reber.entropy_rate()
    assert reber.fitted_bits(test, train) == pytest.approx(exact.bits, rel=0.01)
    assert reber.fitted_bits(test, test) < 0.9 * exact.bits
    assert reber.fitted_bits(train, train) <= reber.bits_of(train).bits
    assert float(reber.bits_of(train).per_character) == pytest.approx(7 / 13, rel=0.01)
    assert min(reber.probability(string) for string in test) > 0
    with pytest.raises(ValueError, match="never taken"):
        reber.fitted_bits(test, train[:1])


# --- brackets ------------------------------------------------------------------------------------


def shrinks_to_nothing(line: str) -> bool:
    """Whether repeatedly removing adjacent pairs leaves an empty line."""
    rest, before = line, ""
    while rest != before:
        before, rest = rest, re.sub(r"\(\)|\[\]|\{\}", "", rest)
    return line != "" and rest == ""


def bracket_lines(pairs: int, depth: int = 0) -> Iterator[tuple[str, int]]:
    """All balanced texts with `pairs` pairs, and the bits of their kinds."""
    if pairs == 0:
        yield "", 0
        return
    for kind, bits in (("()", 1), ("[]", 2), ("{}", 2)):
        for inside in range(pairs):
            for inner, inner_bits in bracket_lines(inside):
                for rest, rest_bits in bracket_lines(pairs - 1 - inside):
                    yield kind[0] + inner + kind[1] + rest, bits + inner_bits + rest_bits


def depths(line: str) -> list[int]:
    return list(itertools.accumulate(1 if symbol in "([{" else -1 for symbol in line))


def test_bracket_probabilities_by_enumeration() -> None:
    """Up to four pairs: the bits of the kinds, and a fair coin after every symbol."""
    mass, seen = Fraction(0), set[str]()
    for pairs in range(1, 5):
        for line, kind_bits in bracket_lines(pairs):
            assert shrinks_to_nothing(line)
            p = brackets.probability(line)
            assert p == Fraction(1, 2 ** (kind_bits + 2 * pairs)), line
            mass += p
            seen.add(line)
    # Whatever the kinds, Catalan(n) shapes of n pairs, 2n coins each.
    assert len(seen) == sum(math.comb(2 * n, n) // (n + 1) * 3**n for n in range(1, 5))
    assert mass == sum(Fraction(math.comb(2 * n, n) // (n + 1), 4**n) for n in range(1, 5))


def test_the_deepest_bracket_must_close() -> None:
    deepest = "(" * 6 + ")" * 6
    assert brackets.bits(deepest) == 6 + 12 - 1
    assert max(max(depths(line)) for line in read("brackets.txt")) == 6
    with pytest.raises(ValueError, match="where 'close' can follow"):
        brackets.bits("(" * 7 + ")" * 7)


def test_corrupted_brackets_are_refused() -> None:
    for line in read("brackets.txt")[:40]:
        for corrupted in corruptions(line, "()[]{}x\n"):
            if shrinks_to_nothing(corrupted) and max(depths(corrupted)) <= 6:
                assert brackets.probability(corrupted) > 0
            else:
                with pytest.raises(ValueError, match="is not balanced to depth 6"):
                    brackets.probability(corrupted)


def test_bracket_entropy_by_hand() -> None:
    """A group has one step up and one down through each of the D levels on average, and a line two
    groups: 4D characters and a newline. Half of them open, at 1.5 bits for the kind. All steps toss
    a coin but the first of the line and those from depth D, two on average: 4D − 2 bits."""
    depth = brackets.MAX_DEPTH
    assert brackets.expected_length() == 4 * depth + 1 == 25
    assert brackets.entropy_per_line() == Fraction(3, 2) * 2 * depth + 4 * depth - 2 == 40
    assert brackets.entropy_rate() == Fraction(8, 5)


def test_the_cost_of_the_bracket_file_matches_its_source() -> None:
    cost = brackets.bits_of(read("brackets.txt"))
    assert cost.characters == (DATA / "brackets.txt").stat().st_size
    assert float(cost.per_character) == pytest.approx(1.6, rel=0.01)


# --- what both stand on --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain", "entropy", "length"),
    [
        (reber.EMBEDDED, reber.entropy_per_string, reber.expected_length),
        (brackets.DEPTHS, brackets.entropy_per_line, brackets.expected_length),
    ],
    ids=["reber", "brackets"],
)
def test_exact_entropy_is_the_sum_over_steps(
    chain: markov.Chain, entropy: Callable[[], Fraction], length: Callable[[], Fraction]
) -> None:
    """Forward instead of backward: the position after each step, and the next step's entropy."""
    where, bits, steps = {"start": 1.0}, 0.0, 0.0
    for _ in range(3_000):
        after = dict[str, float]()
        for state, p in where.items():
            steps += p
            assert sum(2.0**-arc.bits for arc in chain[state]) == 1
            for arc in chain[state]:
                q = 2.0**-arc.bits
                bits -= p * q * math.log2(q)
                if arc.to in chain:
                    after[arc.to] = after.get(arc.to, 0.0) + p * q
        where = after
    assert bits == pytest.approx(float(entropy()), rel=1e-12)
    assert steps == pytest.approx(float(length()), rel=1e-12)


@pytest.mark.parametrize(
    ("sample", "probability"),
    [(reber.sample_string, reber.probability), (brackets.sample_line, brackets.probability)],
    ids=["reber", "brackets"],
)
def test_samples_are_as_frequent_as_their_probability(
    sample: Callable[[random.Random], str], probability: Callable[[str], Fraction]
) -> None:
    rng, n = random.Random(7), 40_000
    counts = Counter(sample(rng) for _ in range(n))
    common = [line for line in counts if n * probability(line) >= 25]
    assert len(common) > 20
    for line in common:
        p = float(probability(line))
        assert abs(counts[line] - n * p) < 5 * math.sqrt(n * p * (1 - p)), line
    bits = [-math.log2(probability(line)) for line in counts.elements()]
    mean = sum(bits) / n
    spread = math.sqrt(sum((b - mean) ** 2 for b in bits) / n / n)
    entropy = {True: 7, False: 40}[sample is reber.sample_string]
    assert abs(mean - entropy) < 5 * spread


def test_a_chain_that_loses_probability_is_refused() -> None:
    chain = {"start": (markov.Arc("a", 3, "end"),)}
    with pytest.raises(ValueError, match="sum to less than one"):
        list(markov.walk(chain, "start", random.Random(0)))


def test_a_coin_tossed_until_heads() -> None:
    chain = {"start": (markov.Arc("t", 1, "start"), markov.Arc("\n", 1, "end"))}
    assert markov.expected(chain, "start", lambda _: 1) == 2
    assert [arc.bits for arc in markov.follow(chain, "start", "ttt\n")] == [1, 1, 1, 1]
    for line, what in [("tt", "stops after 2"), ("t\nt", "nothing can follow"), ("x", "'t', ")]:
        with pytest.raises(ValueError, match=what):
            markov.follow(chain, "start", line)


def corruptions(line: str, alphabet: str) -> Iterator[str]:
    """All texts that one deletion, change, insertion or swap of neighbours gives."""
    for at in range(len(line) + 1):
        before, after = line[:at], line[at:]
        yield from (before + symbol + after for symbol in alphabet)
        if after:
            yield before + after[1:]
            yield from (before + symbol + after[1:] for symbol in alphabet if symbol != after[0])
        if len(after) > 1 and after[0] != after[1]:
            yield before + after[1] + after[0] + after[2:]
