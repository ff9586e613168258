"""The generated data of the tasks: their bytes, their labels and the best possible result."""

import datetime
import hashlib
import random
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from data_modules import DATA, make_data

# isort: split
import abc_notation
import autoregression
import dates
import depth
import polarity
import spans
import tunes

FILES = {
    "dates-train.tsv": 10_000,
    "dates-test.tsv": 1_000,
    "depth-train.conll": 1_000,
    "depth-test.conll": 150,
    "spans-train.conll": 4_000,
    "spans-test.conll": 500,
    "polarity-train.tsv": 4_000,
    "polarity-test.tsv": 500,
    "tunes.tsv": 3_000,
    "ar.csv": 6_000,
}


def read(name: str) -> list[str]:
    text = (DATA / name).read_bytes().decode("ascii")
    assert text.endswith("\n")
    return text[:-1].split("\n")


def rows(name: str) -> list[tuple[str, str]]:
    """The two columns of a file of pairs."""
    pairs = [line.split("\t") for line in read(name)]
    assert all(len(pair) == 2 and all(pair) for pair in pairs)
    return [(pair[0], pair[1]) for pair in pairs]


def sentences(name: str) -> list[list[tuple[str, str]]]:
    """The sentences of a file of columns, read without the project's code."""
    found = [list[tuple[str, str]]()]
    for line in read(name):
        if line:
            token, tag = line.split("\t")
            found[-1].append((token, tag))
        else:
            found.append([])
    assert all(found)
    return found


# --- the files -----------------------------------------------------------------------------------


@pytest.fixture
def made_before(generated: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files, so that the script need not make them again."""
    monkeypatch.setattr(make_data, "corpora", lambda: generated)
    return list(generated)


def test_the_files_are_what_the_script_writes(tmp_path: Path, made_before: list[str]) -> None:
    assert make_data.main([], folder=tmp_path) == 0
    stored = [path for pattern in ("*.tsv", "*.conll", "*.csv") for path in DATA.glob(pattern)]
    assert sorted(path.name for path in stored) == sorted(FILES)
    for name in FILES:
        assert (DATA / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_check_sees_a_changed_byte_of_each_file(
    tmp_path: Path, made_before: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for file in made_before:
        shutil.copy(DATA / file, tmp_path / file)
    assert make_data.main(["--check"], folder=tmp_path) == 0
    for name in FILES:
        content = bytearray((tmp_path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
    capsys.readouterr()
    assert make_data.main(["--check"], folder=tmp_path) == 1
    found = "; ".join(f"{name} differs" for name in FILES)
    assert capsys.readouterr().err == f"{found}: run  python data/make_data.py\n"


def test_the_number_of_records_is_as_documented() -> None:
    for name, count in FILES.items():
        if name.endswith(".conll"):
            assert len(sentences(name)) == count, name
        else:
            assert len(read(name)) - name.endswith(".csv") == count, name


def test_the_readme_is_true() -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    figures = list[str]()
    for name, count in FILES.items():
        content = (DATA / name).read_bytes()
        figures += [f"| `{name}` | {count:,} | {len(content):,} |"]
        figures += [hashlib.sha256(content).hexdigest()]
    values = [round(10_000 * float(text)) for text in read("ar.csv")[1:]]
    figures += [
        f"{float(realised(values, 5_400)):.4f}"
        for realised in (autoregression.realised_error, autoregression.realised_last_value_error)
    ]
    figures += [f"{float(autoregression.series_variance()):.2f}"]
    figures += [f"{float(autoregression.last_value_error()):.2f}"]
    figures += [f"{polarity.order_blind_best(read('polarity-test.tsv'))} of 500"]
    assert [figure for figure in figures if figure not in readme] == []


# --- dates ---------------------------------------------------------------------------------------

FORMATS = (  # for strptime, as far as it goes; {m} is a month in Roman numerals
    "%d %B %Y",
    "%B %d, %Y",
    "%A, %d %B %Y",
    "%a %d %b %Y",
    "%d-%b-%Y",
    "%Y, %B %d",
    "%Y/%m/%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "the %d of %B %Y",
    "%A the %d of %B %Y",
    "%B the %d, %Y",
)
TWENTY = str.split(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
NUMERALS = str.split(
    "oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80}
VALUES = TENS | {"ninety": 90} | {word: n for n, word in enumerate(NUMERALS)}


def year_of(words: str) -> int:
    """The year in words, computed in another way than in dates.py."""
    values = [VALUES[word] for word in re.findall(r"[a-z]+", words) if word in VALUES]
    if "thousand" in words:
        return 2_000 + sum(values[1:])
    return 100 * values[0] + sum(values[1:])


def readings(source: str) -> set[datetime.date]:
    """Every possible date for a text."""
    text = source.lower()
    for n, word in reversed(list(enumerate([*TWENTY, "thirtieth"], start=1))):
        text = re.sub(rf"twenty-{word}\b", str(20 + n), text)
        text = re.sub(rf"thirty-{word}\b", str(30 + n), text)
        text = re.sub(rf"\b{word}\b", str(30 if word == "thirtieth" else n), text)
    text = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text)
    text = re.sub(r"\b(?:nineteen|twenty|two thousand)\b.*", lambda m: str(year_of(m[0])), text)
    if roman := re.fullmatch(r"(\d+)\.([ivx]+)\.(\d+)", text):
        values = {unicodedata.normalize("NFKC", chr(0x216F + m)).lower(): m for m in range(1, 13)}
        return {datetime.date(int(roman[3]), values[roman[2]], int(roman[1]))}
    found = set()
    for form in FORMATS:
        try:
            found.add(datetime.datetime.strptime(text, form).date())
        except ValueError:
            continue
    return found


@pytest.mark.parametrize("name", ["dates-train.tsv", "dates-test.tsv"])
def test_every_date_has_one_reading(name: str) -> None:
    pairs = rows(name)
    wrong = [
        (source, target)
        for source, target in pairs
        if readings(source) != {datetime.date.fromisoformat(target)}
    ]
    assert wrong == []
    for source, target in pairs:
        for day in dates.DAYS:
            if source.lower().startswith(day[:3].lower()):
                assert datetime.date.fromisoformat(target).strftime("%A") == day


def test_the_reader_of_dates_sees_ambiguity() -> None:
    assert len(readings("3/4/1984")) == 2
    assert readings("Thirty-first of march") == set()
    eighty_four = datetime.date(1984, 3, 3)
    for form in ("the third of march nineteen eighty-four", "March 3rd, 1984", "3.iii.1984"):
        assert readings(form) == {eighty_four}
        assert form.lower() in [written.lower() for written in dates.forms(eighty_four)]


def test_test_dates_are_new() -> None:
    train, test = (rows(f"dates-{half}.tsv") for half in ("train", "test"))
    assert len({target for _, target in train}) == 10_000
    assert len({target for _, target in test}) == 1_000
    assert not {target for _, target in train} & {target for _, target in test}
    assert not {source.lower() for source, _ in train} & {source.lower() for source, _ in test}


def test_no_text_means_two_dates() -> None:
    meaning = dict[str, datetime.date]()
    first = datetime.date(1999, 1, 1)
    for date in (first + datetime.timedelta(days) for days in range(5 * 365)):
        for form in dates.forms(date):
            assert meaning.setdefault(form.lower(), date) == date, form


# --- depth ---------------------------------------------------------------------------------------


def test_depths_by_removing_pairs() -> None:
    """The depth of a bracket is the number of pairs around it, including its own."""
    for name in ("depth-train.conll", "depth-test.conll"):
        for sentence in sentences(name):
            stack, partner = list[int](), dict[int, int]()
            for at, (bracket, _) in enumerate(sentence):
                if bracket == "(":
                    stack.append(at)
                else:
                    partner[stack.pop()] = at
            assert stack == []
            for at, (_, tag) in enumerate(sentence):
                around = sum(begin <= at <= end for begin, end in partner.items())
                assert tag == str(around)
                assert 1 <= around <= 8


def test_test_lines_of_depths_are_new_and_have_all_depths() -> None:
    train, test = (sentences(f"depth-{half}.conll") for half in ("train", "test"))
    lines = [["".join(token for token, _ in s) for s in half] for half in (train, test)]
    assert len(set(lines[1])) == len(lines[1])
    assert not set(lines[0]) & set(lines[1])
    for half in (train, test):
        assert {tag for s in half for _, tag in s} == set("12345678")
    assert depth.expected_length() == 4 * depth.MAX_DEPTH
    assert sum(map(len, lines[0])) / len(lines[0]) == pytest.approx(32, rel=0.15)


# --- spans ---------------------------------------------------------------------------------------

NAME = r"(?:[A-Z][a-z]+ )*?[A-Z][a-z]+"
FIXED = {"Yesterday", "In", "Last"}
SURE = {
    "ORG": re.compile(r" (?:Inc\.|Ltd\.|Bank|Motors|Press|& Sons)$"),
    "LOC": re.compile(r" (?:Valley|Bay|Island|Bridge|Hill)$"),
}
SAID_AFTER = {
    "PER": r"^(?:, who|said|smiled|was born|fell|married|met|thanked|bought|sued|founded|left)",
    "ORG": r"^(?:, which|went|issued|was founded|merged)",
    "LOC": r"^(?:, where|was flooded|were|lies|has|share)",
}
SAID_BEFORE = {
    "PER": r"\b(?:met|married|thanked|to)$",
    "ORG": r"\b(?:bought|sued|founded)$",
    "LOC": r"\b(?:left|reached|painted|near)$",
}


def tagged(words: list[str]) -> list[str]:
    """The tags, by rules on words alone, as a reader would find them."""
    tags = ["O"] * len(words)
    runs = list[tuple[int, int]]()
    at = 0
    while at < len(words):
        if words[at][0].isupper() and words[at] not in FIXED:
            start = at
            while words[at][0].isupper() or words[at] == "&":
                at += 1
            runs.append((start, at))
        at += 1
    for start, end in runs:
        kind = kind_of(words, start, end)
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    for at, word in enumerate(words):
        if word in ("pounds", "dollars", "euros", "crowns"):
            start = at
            while re.fullmatch(
                r"\d+|a|two|three|ten|twelve|forty|hundred|thousand|million", words[start - 1]
            ):
                start -= 1
            tags[start : at + 1] = ["B-AMT"] + ["I-AMT"] * (at - start)
    return tags


def kind_of(words: list[str], start: int, end: int) -> str:
    name, before, after = (
        " ".join(part) for part in (words[start:end], words[:start], words[end:])
    )
    for kind, words_inside in SURE.items():
        if words_inside.search(name):
            return kind
    for kind, pattern in SAID_BEFORE.items():
        if re.search(pattern, before):
            return kind
    # names of a list have the kind of the last
    after = re.sub(r"^(?:(?:, |and )(?:[A-Z][a-z]+ )+)+", "", after)
    for kind, pattern in SAID_AFTER.items():
        if re.search(pattern, after):
            return kind
    if re.search(r"^(?:sent|reached|painted)", after):
        return "PER"
    raise AssertionError((words, name))


@pytest.mark.parametrize("name", ["spans-train.conll", "spans-test.conll"])
def test_spans_follow_from_the_words(name: str) -> None:
    for sentence in sentences(name):
        words = [word for word, _ in sentence]
        assert tagged(words) == [tag for _, tag in sentence], " ".join(words)


def test_test_names_are_new() -> None:
    train, test = (
        {
            word
            for sentence in sentences(f"spans-{half}.conll")
            for word, tag in sentence
            if tag[2:] in ("PER", "ORG", "LOC")
        }
        for half in ("train", "test")
    )
    known = {"Inc.", "Ltd.", "Bank", "Motors", "Press", "&", "Sons"} | set(spans.PLACES)
    assert train & test == known
    assert len(test - known) > 250
    words = {word for sentence in sentences("spans-train.conll") for word, _ in sentence}
    assert not (test - known) & words


def test_the_words_before_do_not_decide() -> None:
    """Names of all kinds occur at the beginning, and numbers may or may not be amounts."""
    first = Counter(
        sentence[0][1] for sentence in sentences("spans-test.conll") if sentence[0][1] != "O"
    )
    assert sum(first.values()) > 200
    assert max(first.values()) < 0.6 * sum(first.values())
    assert set(first) == {"B-PER", "B-ORG", "B-LOC"}
    numbers = Counter(
        tag for s in sentences("spans-test.conll") for word, tag in s if word.isdigit()
    )
    assert 0.35 < numbers["B-AMT"] / sum(numbers.values()) < 0.65


def test_spans_of_a_sentence() -> None:
    sentence = [spans.Token(*pair) for pair in [("A", "B-PER"), ("B", "I-PER"), ("C", "B-PER")]]
    assert spans.spans([*sentence, spans.Token(".", "O")]) == [(0, 2, "PER"), (2, 3, "PER")]


# --- polarity ------------------------------------------------------------------------------------

PRAISE = re.compile(
    r"good|great|lovely|fine|superb|nice|excellent|pleasant|charming|delightful|splendid|perfect"
)


def judged(text: str) -> str:
    """The label, by counting in the clause that decides."""
    if text.startswith("although "):
        clause = text.split(" , ")[1]
    else:
        clause = text.split(" , although ")[0].split(" but ")[-1]
    negations = len(re.findall(r"\b(?:not|never|nobody)\b", clause))
    praise = PRAISE.search(clause) is not None
    return "positive" if praise != (negations % 2 == 1) else "negative"


@pytest.mark.parametrize("name", ["polarity-train.tsv", "polarity-test.tsv"])
def test_polarity_by_another_rule(name: str) -> None:
    pairs = rows(name)
    assert [text for text, label in pairs if judged(text) != label] == []
    labels = Counter(label for _, label in pairs)
    assert set(labels) == {"positive", "negative"}
    assert 0.45 < labels["positive"] / len(pairs) < 0.55


def test_test_texts_are_new() -> None:
    train, test = ([text for text, _ in rows(f"polarity-{half}.tsv")] for half in ("train", "test"))
    assert len(set(train)) == len(train)
    assert len(set(test)) == len(test)
    assert not set(train) & set(test)


@pytest.mark.parametrize("name", ["polarity-train.tsv", "polarity-test.tsv"])
def test_a_bag_of_words_gets_half_of_the_mirrored_texts(name: str) -> None:
    lines = read(name)
    double = [line for line in lines if " but " in line or "although " in line]
    assert len(double) == 0.5 * len(lines)
    assert polarity.order_blind_best(double) == len(double) / 2
    assert polarity.order_blind_best(lines) == 0.75 * len(lines)


# --- tunes ---------------------------------------------------------------------------------------


def test_every_tune_is_valid() -> None:
    pairs = rows("tunes.tsv")
    assert [text for label, text in pairs if tunes.problems(label, text)] == []
    assert len({text for _, text in pairs}) == len(pairs)
    keys = Counter(label for label, _ in pairs)
    assert set(keys) == set(tunes.KEYS)
    assert min(keys.values()) > 200


def test_bars_counted_by_hand() -> None:
    """The eighths of each bar, counted by a separate reader of letters and digits."""
    full = {"4/4": 8, "2/4": 4, "6/8": 6, "3/4": 6}
    for label, text in rows("tunes.tsv"):
        metre, key, body = re.fullmatch(r"M:(\d/\d) L:1/8 K:(\S+) \|:(.*):\|", text).groups()  # type: ignore[union-attr]
        assert key[0] == label[0]
        assert re.findall("[A-Ga-g]", body)[-1].upper() == label[0]
        for part in body.split(":|:"):
            lengths = [
                sum(int(length or 1) for length in re.findall(r"[A-Ga-g],?(\d?)", bar))
                for bar in part.split("|")
            ]
            if len(lengths) == 5:
                lengths = [*lengths[1:-1], lengths[-1] + lengths[0]]
            assert lengths == [full[metre]] * 4, text


def corruptions(text: str) -> Iterator[tuple[bool, str]]:
    """Each note left out, made longer or halved, and whether its bar is inside its part."""
    start = text.index("|:") + 2
    for match in re.finditer(r"([A-Ga-g],?)(\d?)", text[start:]):
        begin, end = match.start() + start, match.end() + start
        inside = (
            "|" in text[text.rindex(":", 0, begin) + 1 : begin]
            and "|" in text[end : text.index(":", end) - 1]
        )
        for length in (str(int(match[2] or 1) + 1), match[2] + "/"):
            yield inside, f"{text[:begin]}{match[1]}{length}{text[end:]}"
        yield inside, text[:begin] + text[end:]


def test_corrupted_tunes_are_refused() -> None:
    """Every change inside a part is noticed, and most of those at its edges."""
    missed, total = Counter[bool](), Counter[bool]()
    for _, text in rows("tunes.tsv")[:60]:
        for inside, corrupted in corruptions(text):
            total[inside] += 1
            missed[inside] += not abc_notation.check_tune(corrupted)
    assert total[True] > 2_000
    assert missed[True] == 0
    assert total[False] > 1_000
    assert missed[False] < 0.1 * total[False]


def test_a_tune_of_the_wrong_kind_is_refused() -> None:
    tune = "M:2/4 L:1/8 K:D |:d2 fa|d4:|"
    assert tunes.problems("D Major", tune) == []
    assert tunes.problems("G Major", tune) == [
        "the key is D Major, not G Major",
        "it ends on D, not on G",
    ]
    assert tunes.problems("D Major", tune.replace("fa", "^fa")) == [
        "it leaves the scale of its key"
    ]


# --- ABC -----------------------------------------------------------------------------------------

HEAD = "X:1\nT:A tune\nM:{}\nL:1/8\nK:D Major\n"


@pytest.mark.parametrize(
    ("metre", "body"),
    [
        ("4/4", "d2fa d'2c,2|D8|"),
        ("C", "A/B/c A3/2B/2c2 z2|"),
        ("C|", "A>B c<d e2 f2|A>>B A<<<B A4|"),
        ("C", "(3ABc (3ABc (3ABc (3ABc|"),
        ("6/8", "(2AB (4ABcd|[CEG]2A z3|[C2E2]A B3|"),
        ("6/8", '{gef}A2~B "Am"c.d+trill+e|u(A2v_B) ^c3-|c6|'),
        ("3/4", "ag|f2e2d2|d4:|\n|:ag|f2e2d2|d4:|"),
        ("9/8", "A3 B3 c3|"),
        ("12/8", "A3 B3 c3 d3|(3:2:3ABc A4 A6|"),
        ("4/4", "A8|1 B8:|2 c8|]"),
        ("4/4", "G2|A8|[1 B6:|[2 c6|]"),
        ("4/4", "|:A8::B8:|"),
        ("2/4", "A4|B2|!\nA2|B4|]"),  # one bar, cut where a line ends
        ("2/4", "A4|M:3/4\nA6|[M:2/4]A4|L:1/4\nA2|]"),
        ("none", "A17|B|"),
        ("2/4", "ab cd|!\nef ga|!\nW: words are no notes\n"),
    ],
)
def test_abc_that_is_valid_has_no_problems(metre: str, body: str) -> None:
    assert abc_notation.check_tune(HEAD.format(metre) + body) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("A8|B7|c8|", "bar 2 holds 7/8 of 1"),
        ("A8|B9|c8|", "bar 2 holds 9/8 of 1"),
        ("A9|B8|", "bar 1 holds 9/8 of 1"),
        ("A2|B8|c8|", "bar 1 holds 1/4 of 1"),  # a pickup that nothing completes
        ("A2|B8|c7:|", "bar 3 holds 7/8 of 1"),
        ("A8|(3ABc4|", "bar 2 holds"),
        ("A6 (3AB|c8|", "bar 1: a tuplet that lacks notes"),
        (">A8|B8|", "bar 1: > without a note before it"),
        ("A7B>|c8|", "bar 1: a broken rhythm without a note after it"),
        ("A8|&B8|", "bar 2: '&' is no part of a tune"),
        ("A8|A0B8|", "bar 2: a length of nothing"),
        ("A8|B8", "no bar line at the end"),
        ("A8| |B8|", "bar 2 holds 0 of 1"),
        ("A8|\n\nB8|", "an empty line inside the tune"),
        ("|:  :|", "no notes"),
    ],
)
def test_invalid_abc_is_explained(body: str, problem: str) -> None:
    found = abc_notation.check_tune(HEAD.format("4/4") + body)
    assert [text for text in found if problem in text], found


def test_fields_in_front_or_on_lines() -> None:
    assert abc_notation.check_tune("") == ["no tune"]
    assert abc_notation.check_tune("A8|") == ["no M:", "no L:", "no K:"]
    assert abc_notation.check_tune("M:C L:1/8 A8|") == ["no K:"]
    assert "no M:" in abc_notation.check_tune("M:4/0 L:1/8 K:D A7|")
    assert abc_notation.check_tune("M:C|\nK:G\nA8|") == ["no L:"]  # and an eighth is meant
    assert abc_notation.check_tune("M:C L:1/8 K:G A8| B8:| ! |: c8:|") == []
    assert abc_notation.check_tune("M:2/4 L:1/16 K:Em|:A8|B8:|") == []


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("D", "D Major"),
        ("Am", "A Minor"),
        ("Bb", "Bb Major"),
        ("F#m", "F# Minor"),
        ("A Dorian", "A Dorian"),
        ("Ador", "A Dorian"),
        ("D MIX", "D Mixolydian"),
        ("E Minor", "E Minor"),
        ("G maj", "G Major"),
    ],
)
def test_keys_of_tunes_are_read(field: str, key: str) -> None:
    for text in (f"M:C\nL:1/8\nK:{field}\nA8|", f"M:C L:1/8 K:{field} A8|"):
        assert abc_notation.key_of(text) == key
        assert abc_notation.check_tune(text) == []
    assert abc_notation.key_of("M:C\nA8|") is None


def test_any_text_of_a_model_can_be_checked() -> None:
    """Random characters of tunes are reported without exceptions."""
    rng = random.Random(3)
    text = "M:4/4 L:1/8 K:D |:AB"
    for _ in range(2_000):
        noise = "".join(rng.choice("ABcdg2/|:[]()<>{}!\"+-',^=z 3018MKL\n\t²é") for _ in range(40))
        assert abc_notation.check_tune(text[: rng.randrange(len(text) + 1)] + noise)
        abc_notation.key_of(noise)
        abc_notation.last_note(noise)


def test_people_write_valid_tunes(corpora: Path) -> None:
    text = (corpora / "irish-abc" / "irish.abc").read_text(encoding="utf-8")
    human = abc_notation.split_tunes(text)
    assert len(human) > 800
    valid = [tune for tune in human if not abc_notation.check_tune(tune)]
    assert len(valid) > 0.97 * len(human)
    # Cut a note out of a bar in the middle, or double it: what stands between two plain bar lines.
    missed = total = 0
    for tune in valid[::8]:
        start = tune.index("K:")
        for bar in re.finditer(r"[A-Ga-g2]\|([A-Ga-g]{4})(?=[ A-Ga-g2]*\|[A-Ga-g])", tune[start:]):
            before, after = tune[: start + bar.start(1)], tune[start + bar.end() :]
            for change in (bar[1][1:], bar[1][:2] + "2" + bar[1][2:]):
                total += 1
                missed += not abc_notation.check_tune(before + change + after)
    assert total > 500
    assert missed == 0


# --- autoregression ------------------------------------------------------------------------------


def test_the_noise_has_the_stated_size() -> None:
    lines = read("ar.csv")
    assert lines[0] == "x"
    assert all(re.fullmatch(r"-?\d+\.\d{4}", line) for line in lines[1:])
    x = np.array(lines[1:], dtype=float)
    noise = x[2:] - (1.6 * x[1:-1] - 0.9 * x[:-2])
    n = len(noise)
    assert abs(noise.mean()) < 4 / np.sqrt(n)
    assert noise.var() == pytest.approx(1, abs=4 * np.sqrt(2 / n))
    shifted = [np.corrcoef(noise[lag:], noise[:-lag])[0, 1] for lag in (1, 2, 3)]
    assert np.abs(shifted).max() < 4 / np.sqrt(n)
    units = [round(10_000 * value) for value in x]
    exact = autoregression.realised_error(units, 5_400)
    assert float(exact) == pytest.approx(float((noise[5_398:] ** 2).mean()), abs=1e-4)


def test_the_best_prediction_of_the_series() -> None:
    """Least squares on nine tenths reach the noise on the last tenth; the last value does not."""
    x = np.array(read("ar.csv")[1:], dtype=float)
    past, target = np.stack([x[1:-1], x[:-2]], axis=1), x[2:]
    fitted = np.linalg.lstsq(past[:5_398], target[:5_398], rcond=None)[0]
    assert fitted == pytest.approx([1.6, -0.9], abs=0.02)
    errors = ((target - past @ fitted) ** 2)[5_398:]
    units = [round(10_000 * value) for value in x]
    floor = float(autoregression.realised_error(units, 5_400))
    assert len(errors) == 600
    assert errors.mean() == pytest.approx(floor, rel=0.01)
    naive = ((x[5_400:] - x[5_399:-1]) ** 2).mean()
    assert naive == pytest.approx(
        float(autoregression.realised_last_value_error(units, 5_400)), rel=1e-6
    )
    assert naive > 5 * floor
    assert x.var() == pytest.approx(float(autoregression.series_variance()), rel=0.2)


def test_the_exact_figures_of_the_series_by_another_way() -> None:
    noise = autoregression.INNOVATION_VARIANCE
    assert noise == 1 - Fraction(1, 10**8)
    # By powers of the recursion instead of the equations of Yule and Walker.
    weights = [1.0, 1.6]
    for _ in range(2_000):
        weights.append(1.6 * weights[-1] - 0.9 * weights[-2])
    steps = np.diff([0.0, *weights])
    psi = np.array(weights)
    assert float(autoregression.series_variance()) == pytest.approx((psi**2).sum(), rel=1e-7)
    assert float(autoregression.last_value_error()) == pytest.approx((steps**2).sum(), rel=1e-7)


def test_values_of_the_series_can_be_read_back() -> None:
    for units in (-123_456, -10_000, -5, 0, 7, 9_999, 10_000, 123_456):
        assert round(10_000 * float(autoregression.as_text(units))) == units
    assert autoregression.as_text(-5) == "-0.0005"
    assert [autoregression.predict(*pair) for pair in [(1, 0), (0, 1), (0, 0), (5, 5)]] == [
        2,
        -1,
        0,
        4,
    ]
