"""Checks of a text before training, each against a good text."""

import importlib
import json
import pkgutil
import string
import sys
import unicodedata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support import charrnn

import charrnn.verdict as package
from charrnn.errors import InputError
from charrnn.tasks.config import Config
from charrnn.text import passages
from charrnn.text.corpora import read_corpus
from charrnn.training import planner
from charrnn.training.speed import Speed
from charrnn.verdict import repeats, wide
from charrnn.verdict.encodings import judge_encoding
from charrnn.verdict.guess import BEYOND, CONFIDENCE, INSTALL, LONGEST, SAMPLE, guess_encoding
from charrnn.verdict.judge import HELD_OUT, Finding, Verdict, judge
from charrnn.verdict.lines import count_line_ends, with_plain_line_ends
from charrnn.verdict.repeats import Passages, find_passages
from charrnn.verdict.wide import first_error

rng = np.random.default_rng(0)
WORDS = ["".join(rng.choice(list("etaoinshrdlu"), rng.integers(2, 9))) for _ in range(2000)]


def prose(words: int, seed: int = 1) -> str:
    """Random words in lines, without repeated passages and uniform throughout."""
    drawn = np.random.default_rng(seed).choice(WORDS, words)
    return "\n".join(" ".join(drawn[k : k + 9]) for k in range(0, words, 9)) + "\n"


GOOD = prose(50_000)


def verdict_of(text: str | bytes, **options: Any) -> Verdict:
    return judge([("text", text.encode() if isinstance(text, str) else text)], **options)


def of(verdict: Verdict, check: str) -> Finding:
    (found,) = [one for one in verdict.findings if one.check == check]
    return found


def flagged(verdict: Verdict) -> dict[str, str]:
    return {one.check: one.severity for one in verdict.findings if one.severity != "fine"}


# The whole


def test_a_good_text_has_no_warnings() -> None:
    verdict = verdict_of(GOOD)
    assert verdict.text == "good to train on"
    assert flagged(verdict) == {}
    assert verdict.size == len(GOOD)
    assert verdict.distinct == len(set(GOOD))
    checks = [one.check for one in verdict.findings]
    assert checks == [
        "encoding",
        "line ends",
        "size",
        "rare characters",
        "odd characters",
        "lines",
        "items",
        "repeats",
        "held-out repeats",
        "held-out end",
    ]


def test_each_warning_has_advice_and_a_rule() -> None:
    """Each rule is the value of the constant with that name, and each warning has advice."""
    constants: dict[str, Any] = {}
    for module in pkgutil.iter_modules(package.__path__):
        constants |= vars(importlib.import_module(f"{package.__name__}.{module.name}"))
    texts: list[str | bytes] = [
        GOOD,
        "short\r",
        GOOD * 2,
        GOOD + "\ufffd\x00\u200be\u0301" * 20,
        "Ã©tÃ© " * 5000,
        b"\xff\xfe\xfd",
        "d\xe9j\xe0 vu, \xe9t\xe9".encode("latin-1"),
        "d\xe9j\xe0 vu, \xe9t\xe9".encode("utf-16-le"),
        "d\xe9j\xe0 vu, \xe9t\xe9\n".encode() * 9 + b"\xe9\n",
        "d\xe9j\xe0 vu\n".encode() + b"\xe9t\xe9\n",
        "a" * 20_000,
    ]
    seen = set()
    for text in texts:
        for one in verdict_of(text).findings:
            for name, value in one.rules.items():
                assert constants[name] == value, name
                seen.add(name)
            assert bool(one.advice) == (one.severity != "fine"), one
    assert len(seen) > 20
    json.dumps([verdict_of(text).to_json() for text in texts], allow_nan=False)


def test_a_verdict_says_whether_a_text_is_fit_to_train_on() -> None:
    def said(*severities: str) -> str:
        findings = tuple(Finding("x", severity, "") for severity in severities)
        verdict = Verdict(("x",), "char", "utf-8", 1, 1, findings)
        assert verdict.severity == ("mend" if "mend" in severities else severities[0])
        assert verdict.to_json()["severity"] == verdict.severity
        return verdict.text

    assert said("fine", "fine") == "good to train on"
    assert said("note", "fine") == "usable, with 1 note"
    assert said("note", "note") == "usable, with 2 notes"
    assert said("mend", "fine") == "fix this first"
    assert said("mend", "note", "mend") == "fix these 2 problems first, and 1 note"


def test_the_checked_validation_set_is_that_of_training() -> None:
    assert Config.of("lm").val_fraction == HELD_OUT
    found = of(verdict_of(GOOD, held_out=0.25), "held-out end")
    assert found.measured["held_out"] == round(len(GOOD) * 0.25)
    assert of(verdict_of(GOOD, held_out=0.0), "held-out end").text == "there is no validation set"


def test_files_are_read_as_training_reads_them(tmp_path: Path) -> None:
    """Marks and carriage returns are removed from each file; the rest is counted."""
    files = {"a.txt": b"\xef\xbb\xbfone\r", "b.txt": b"\ntwo\r\n", "c.txt": b""}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    corpus = read_corpus([str(tmp_path / name) for name in files])
    verdict = judge(list(files.items()))
    assert verdict.size == len(corpus.codes) == len("one\n\ntwo\n")
    assert of(verdict, "line ends").measured == {"LF": 1, "CR LF": 1, "CR": 1}
    assert of(verdict, "encoding").severity == "fine"
    with pytest.raises(InputError, match="empty"):
        judge([("c.txt", b""), ("d.txt", b"")])
    with pytest.raises(InputError, match="unknown encoding"):
        judge([("a.txt", b"a")], encoding="klingon")


# Passages that stand twice


def naive(text: str, split: int, length: int) -> tuple[int, int]:
    """How much earlier windows cover; and how much after ``split`` those before it do."""
    count = len(text) - length + 1
    before: set[int] = set()
    held_out: set[int] = set()
    for i in range(count):
        window = text[i : i + length]
        if window in text[: i + length - 1]:
            before.update(range(i, i + length))
        if i >= split and window in text[:split]:
            held_out.update(range(i, i + length))
    return len(before), len(held_out)


def codes_of(text: str) -> Any:
    return np.array([ord(c) for c in text], dtype=np.uint32)


@pytest.mark.parametrize("seed", range(30))
def test_passages_equal_those_of_a_plain_search(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "BLOCK", 16)  # windows must not mind where blocks end
    monkeypatch.setattr(passages, "COMPARED", 3)
    rng = np.random.default_rng(seed)
    text = "".join(rng.choice(list("abcd")[: 2 + seed % 3], 150))
    if seed % 2:
        text = text[:100] + text[20 : 20 + seed] + text[100:]
    length, split = 1 + seed % 9, 130
    repeated, held_out = find_passages(codes_of(text), split, length)
    assert (repeated.characters, held_out.characters) == naive(text, split, length)
    for found in (repeated, held_out):
        there = text[found.start : found.start + found.length]
        assert there == text[found.earlier : found.earlier + found.length]
        assert found.earlier < found.start or not found.length


def test_the_longest_passage_and_its_place() -> None:
    text = prose(3000)
    twice = text[:9000] + text[2000:2700] + text[9000:] + text[5000:5200]
    repeated, held_out = find_passages(codes_of(twice), len(twice) - 300)
    assert (repeated.start, repeated.earlier) == (9000, 2000)
    assert 700 <= repeated.length <= 702  # what follows may happen to be the same
    assert 200 <= held_out.length <= 202
    assert held_out.start == len(twice) - 200


def test_equal_hashes_do_not_mislead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if every window has the same hash."""

    def same(codes: Any, lengths: Any) -> Any:
        return (np.zeros(len(codes) - length + 1, dtype=np.uint64) for length in lengths)

    monkeypatch.setattr(repeats, "window_hashes", same)
    assert find_passages(codes_of(prose(500)), 2000, 20) == (Passages(0, 0, 0, 0),) * 2
    assert find_passages(codes_of("x" * 300), 200, 100)[0].characters == 299


def test_a_doubled_text_must_be_fixed() -> None:
    verdict = verdict_of(GOOD * 2)
    assert flagged(verdict) == {"repeats": "mend", "held-out repeats": "mend"}
    measured = of(verdict, "repeats").measured
    assert measured["share"] == pytest.approx(0.5, abs=1e-3)
    assert measured["longest"]["start"] == len(GOOD)
    assert measured["longest"]["earlier"] == 0
    assert f"lines 1 and {GOOD.count(chr(10)) + 1:,}" in of(verdict, "repeats").text
    assert of(verdict, "held-out repeats").measured["share"] == 1.0


def test_a_repeated_end_is_told_apart_from_other_repeats() -> None:
    inner = GOOD[:200_000] + GOOD[:30_000] + GOOD[200_000:]
    assert flagged(verdict_of(inner)) == {"repeats": "note"}
    tail = GOOD + GOOD[:1500]
    assert flagged(verdict_of(tail)) == {"held-out repeats": "note"}


def test_a_stated_part_of_a_large_text_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "SEARCHED", 100_000)
    text = GOOD[:5000] * 2 + GOOD
    split = len(text) - round(len(text) * HELD_OUT)
    found = of(verdict_of(text), "repeats")
    assert found.severity == "fine"  # what stands twice lies before it
    assert found.measured["from"] < split < found.measured["to"]
    assert found.measured["to"] - found.measured["from"] == 100_000
    assert "100,000 characters searched" in found.text
    early, late = split - 60_000, split - 20_000
    inner = of(verdict_of(text[:late] + text[early : early + 10_000] + text[late:]), "repeats")
    assert inner.severity == "note"
    longest = inner.measured["longest"]
    assert (longest["start"], longest["earlier"]) == (late, early)
    assert f"characters {early + 1:,} and {late + 1:,}" in inner.text
    assert "only these were searched" in inner.text


# Encodings

CASES = {
    "French": "Ça alors ! Le garçon a été très gêné, où était-ce déjà ?",
    "German": "Über den Fluß ging der schöne Mann, müde und größer.",
    "Czech": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.",
    "Polish": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności.",
    "Turkish": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "Russian": "Все счастливые семьи похожи друг на друга, каждая несчастливая по-своему.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.",
    "Hebrew": "כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "Arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق",
    "Japanese": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系相待。",
    "Taiwanese": "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係相待。",
    "Korean": "모든 국민은 법 앞에 평등하다. 누구든지 성별에 의하여 차별을 받지 아니한다.",
}
ENCODINGS = {
    "French": ("cp1252", "mac_roman", "cp850"),
    "German": ("cp1252",),
    "Czech": ("cp1250", "iso8859-2"),
    "Polish": ("cp1250", "iso8859-2"),
    "Turkish": ("cp1254",),
    "Russian": ("cp1251", "koi8-r", "cp866", "iso8859-5"),
    "Greek": ("cp1253",),
    "Hebrew": ("cp1255",),
    "Arabic": ("cp1256",),
    "Japanese": ("shift_jis", "euc_jp"),
    "Chinese": ("gb18030",),
    "Taiwanese": ("big5",),
    "Korean": ("euc_kr",),
}
EVERY = [(name, e) for name in CASES for e in ("utf-16-le", "utf-16-be", *ENCODINGS[name])]


UNCLEAR = ("French", "German")  # of one sentence: few of its bytes tell


@pytest.mark.parametrize(("language", "encoding"), EVERY)
def test_an_encoding_is_suggested_with_an_excerpt_or_not_at_all(
    language: str, encoding: str
) -> None:
    """It is the one the text was written in; for a sentence with few accents none is clear."""
    text = f"{CASES[language]}\nplain letters 123\n{CASES[language]}\n"
    verdict = verdict_of(text.encode(encoding))
    (found,) = verdict.findings
    assert (found.check, found.severity, verdict.size) == ("encoding", "mend", 0)
    is_wide = encoding.startswith("utf-16")
    assert bool(found.measured["candidates"]) == (is_wide or language not in UNCLEAR)
    if found.measured["candidates"]:
        (offered,) = found.measured["candidates"]
        assert text.encode(encoding).decode(offered["encoding"]) == text
        assert offered["excerpt"] == CASES[language][:40].strip()
        assert f"--encoding {offered['encoding']} reads {offered['excerpt']!r}" in found.advice[0]
        read = verdict_of(text.encode(encoding), encoding=offered["encoding"])
        assert [one.check for one in read.findings][:2] == ["encoding", "line ends"]
    else:
        assert "is not clear" in found.text
        assert "--level byte" in found.advice[-1]
        assert not any("reads '" in advice for advice in found.advice)


@pytest.mark.parametrize("encoding", ["cp1252", "cp1250", "cp1251", "cp1253", "mac_roman", "cp850"])
def test_no_wrong_encoding_is_suggested_for_a_few_words(encoding: str) -> None:
    words = (
        "Un café noir. ",
        "¿Dónde está?",
        "Привет мир",
        "See Толстой",
        "Καλημέρα κόσμε",
        "Łódź",
    )
    for text in words:
        try:
            data = text.encode(encoding)
        except UnicodeEncodeError:
            continue
        assert [data.decode(named) for named in guess_encoding(data)[0]] in ([], [text])


RARE_ONES = [
    "cp862",
    "cp737",
    "cp857",
    "mac_greek",
    "mac_turkish",
    "iso8859-3",
    "iso8859-6",
    "cp500",
]


@pytest.mark.parametrize("encoding", RARE_ONES)
def test_no_wrong_encoding_is_suggested_for_a_rare_encoding(encoding: str) -> None:
    """Nor for EBCDIC, which is not even considered."""
    tried = 0
    for text in CASES.values():
        try:
            data = f"{text}\n".encode(encoding) * 4
        except UnicodeEncodeError:
            continue
        tried += 1
        named, _ = guess_encoding(data)
        assert [data.decode(name) for name in named] in ([], [data.decode(encoding)])
    assert tried


PARAGRAPHS = {
    "French": "Le matin, il sortit de la maison et descendit jusqu’à la rivière. Au-dessus\n"
    "de l’eau flottait une brume épaisse, et l’on ne voyait aucune barque. Le vieil homme était\n"
    "assis sur la berge et regardait en silence le soleil s’élever. « Tu es là de bonne heure »,\n"
    "dit-il sans se retourner. Le garçon s’assit à côté de lui et tira du pain de sa poche.\n",
    "German": "Am Morgen ging er aus dem Haus und hinunter zum Fluss. Über dem Wasser lag Nebel,\n"
    "und man sah keine Boote. Der Alte saß am Ufer und schaute zu, wie die Sonne höher stieg.\n"
    "„Früh bist du heute“, sagte er, ohne sich umzudrehen. „Möchtest du Brot? Es ist für\n"
    "beide genug da, und später wären wir hungrig.“ Der Junge setzte sich und schwieg.\n",
}


@pytest.mark.parametrize("language", PARAGRAPHS)
@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman"])
def test_the_encoding_of_a_paragraph_is_clear(language: str, encoding: str) -> None:
    text = PARAGRAPHS[language]
    data = text.encode(encoding)
    (named,), decodings = guess_encoding(data)
    assert data.decode(named) == text
    assert named == decodings[0].encodings[0] == encoding.replace("_", "-")


def test_the_figures_include_all_guesses() -> None:
    (found,) = verdict_of(CASES["Russian"].encode("koi8-r")).findings
    first, second, *_ = found.measured["decodings"]
    assert first["encodings"] == ["koi8-r", "koi8-u", "koi8-t"]
    assert first["text"] == CASES["Russian"][:40].strip()
    assert 1 >= first["confidence"] >= found.rules["CONFIDENCE"] > second["confidence"] >= 0
    assert second["text"] != first["text"]
    assert found.rules["BEYOND"] == BEYOND


def test_a_few_bytes_are_not_enough_however_confident_chardet_is() -> None:
    """And repeated lines add no information."""
    few = "كتاب".encode("cp1256")
    _, decodings = guess_encoding(few)
    assert len(few) == BEYOND - 1
    assert decodings[0].encodings == ["gb18030"]
    assert decodings[0].confidence >= CONFIDENCE
    assert guess_encoding(few)[0] == []
    line = "Fonction de type non valide à la ligne : « »\n".encode("mac_roman")
    assert guess_encoding(line)[1][0].encodings == ["iso8859-6"]
    assert guess_encoding(line * 3)[0] == []
    more = PARAGRAPHS["French"].encode("mac_roman")
    assert guess_encoding(line * 60 + more)[0] == ["mac-roman"]
    enough = "人人人".encode("gb18030")
    assert guess_encoding(enough)[0] == ["gb18030"]


def lines_of(language: str, number: int, quotes: str = "{}") -> list[str]:
    """Lines that are all different."""
    return [f"{k} {quotes.format(CASES[language][k % 20 :])}" for k in range(number)]


@pytest.mark.parametrize("turn", [1, -1])
def test_two_names_for_the_same_characters_are_one_encoding(turn: int) -> None:
    """One end may be ISO 8859-7 or cp1253; only the quotes at the other end decide."""
    texts = [lines_of("Greek", 200), lines_of("Greek", 200, "“{}”")][::turn]
    data = ["\n".join(text).encode("cp1253") for text in texts]
    assert [guess_encoding(end)[0] for end in data] == [["iso8859-7"], ["cp1253"]][::turn]
    assert guess_encoding(b"\n".join(data))[0] == ["cp1253"]


@pytest.mark.parametrize("added", ["Άλλα", "“"])
def test_each_byte_counts_wherever_it_is(added: str) -> None:
    """In ISO 8859-7 the first is another letter, the second a control character."""
    lines = lines_of("Greek", 5000)
    lines[3001] += added
    data = "\n".join(lines).encode("cp1253")
    named, decodings = guess_encoding(data)
    assert named == ["cp1253"]
    assert added in decodings[0].text
    assert SAMPLE / 2 < decodings[0].text.count("\n") < 2 * SAMPLE


def test_a_text_without_line_ends_is_cut() -> None:
    """Perhaps within a character."""
    for cut in range(4):
        data = b"x" * cut + (CASES["Chinese"] * 4000).encode("gb18030")
        named, decodings = guess_encoding(data)
        assert named == ["gb18030"]
        assert len(decodings[0].text) < 70_000
    late = b"a word " * LONGEST + (CASES["Chinese"] * 50).encode("gb18030")
    assert guess_encoding(late)[0] == ["gb18030"]
    lines = [b"x" * LONGEST + "été".encode("cp1252"), *(line.encode("koi8-r") for line in SHORT)]
    assert guess_encoding(b"\n".join(lines))[1][0].text == "\n".join(SHORT)


SHORT = [CASES["Russian"], "Привет мир"]


def test_encodings_equal_only_in_the_sample_are_not_clear() -> None:
    """Greek quotes differ between cp1253 and ISO 8859-7; here they are in a very long line."""
    text = f"{CASES['Greek']}\n" + CASES["Greek"] * 20
    data = text.encode("iso8859-7")
    assert guess_encoding(data)[0] == ["iso8859-7"]
    quoted = text.encode("iso8859-7") + "‘α’".encode("iso8859-7")
    assert quoted.decode("cp1253") != quoted.decode("iso8859-7")
    assert guess_encoding(quoted)[0] == []
    japanese = f"{CASES['Japanese']}\n{CASES['Japanese'] * 20}〜".encode("shift_jis")
    assert japanese.decode("cp932") != japanese.decode("shift_jis")  # but in a tilde only
    assert guess_encoding(japanese)[0] == ["cp932"]
    windows = text.encode("cp1253") + "“α”".encode("cp1253")  # in ISO 8859-7 control characters
    assert guess_encoding(windows)[0] == ["cp1253"]


def test_an_encoding_must_read_the_whole_file() -> None:
    """Not only the samples; and it must give the same bytes again."""
    text = f"{CASES['Korean']}\n"
    named, decodings = guess_encoding(text.encode("euc_kr"))
    assert named == ["cp949"]
    assert decodings[0].encodings == ["cp949", "euc_kr"]
    data = f"{CASES['Taiwanese']}\n".encode("big5")
    assert guess_encoding(data)[0] == ["big5"]
    twice = b"\xa2\xcc"  # big5 has some characters twice
    assert twice.decode("big5").encode("big5") != twice
    assert guess_encoding(data + twice + b"\n" + data)[0] == []
    damaged = data + b"x" * LONGEST + b"\xff\n"  # in a line that is not asked about
    assert guess_encoding(damaged)[1][0].encodings[0] == "big5"
    assert guess_encoding(damaged)[0] == []


def test_a_missing_package_is_reported_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Certain findings are reported anyway."""
    monkeypatch.setitem(sys.modules, "chardet", None)
    (found,) = verdict_of(CASES["Russian"].encode("koi8-r")).findings
    assert "byte 0xf7 at offset 0 (line 1)" in found.text
    assert "is not clear" in found.text
    assert found.advice[0].startswith("to have it guessed (")
    assert found.advice[0].endswith(f"): {INSTALL}")
    assert INSTALL == "python -m pip install 'chardet>=7.4'"
    assert found.measured["candidates"] == []
    (wide,) = verdict_of(CASES["Russian"].encode("utf-16-le")).findings
    assert "--encoding utf-16-le reads 'Все" in wide.advice[0]


@pytest.mark.parametrize("version", ["5.2.0", "7.3.9"])
def test_an_old_package_is_reported_with_the_command(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ModuleType("chardet")
    vars(old).update(__version__=version, detect_all=None)
    monkeypatch.setitem(sys.modules, "chardet", old)
    (found,) = verdict_of(CASES["Russian"].encode("koi8-r")).findings
    assert found.advice[0] == f"to have it guessed (chardet {version} is too old): {INSTALL}"
    assert found.measured["candidates"] == []


def test_utf16_of_ascii_is_valid_utf8_and_still_detected() -> None:
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le"):
        verdict = verdict_of(GOOD[:3000].encode(encoding))
        assert flagged(verdict) == {"encoding": "mend"}
        assert f"--encoding {encoding} reads" in of(verdict, "encoding").advice[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides(encoding: str) -> None:
    verdict = verdict_of(f"{GOOD}é".encode(encoding))
    assert "encoding" not in flagged(verdict)
    assert verdict.size == len(GOOD) + 1
    assert "byte order mark" in of(verdict, "encoding").text
    told = verdict_of(f"{GOOD}é".encode(encoding), encoding="cp1252").findings
    assert [one.check for one in told] == ["encoding"]
    assert told[0].advice == ("leave --encoding out: the mark decides",)
    assert "encoding" not in flagged(verdict_of(f"{GOOD}é".encode(encoding), encoding=encoding))


def test_utf8_read_as_something_else_is_detected() -> None:
    verdict = verdict_of(f"{GOOD}é", encoding="latin-1")
    assert flagged(verdict) == {"encoding": "mend"}
    assert of(verdict, "encoding").advice == ("leave --encoding out",)
    assert "encoding" not in flagged(verdict_of(GOOD, encoding="latin-1"))


def test_a_mark_that_was_kept_is_reported() -> None:
    """The message depends on how the text was read."""
    data = f"{GOOD}é".encode("utf-16")
    order = "utf-16-le" if data[:1] == b"\xff" else "utf-16-be"
    kept = np.array([0xFEFF, *map(ord, GOOD)], dtype=np.uint16)
    found = judge_encoding("text", data, order, kept)
    assert found.severity == "mend"
    assert found.advice == ("leave --encoding out: the mark decides",)
    found = judge_encoding("text", data, order, kept[1:])
    assert found.severity == "fine"
    assert "with a byte order mark, which is removed" in found.text


def test_a_file_with_a_mark_that_is_cut_off() -> None:
    (found,) = verdict_of("cut off é".encode("utf-16")[:-1]).findings
    assert "though its byte order mark says so" in found.text
    assert found.measured["candidates"] == []


def test_utf8_with_a_damaged_place_is_not_taken_for_something_else() -> None:
    data = ("déjà vu " * 100).encode()
    (found,) = verdict_of(data[:803] + b"\xe9" + data[803:]).findings
    assert "apart from this, it is UTF-8" in found.text
    assert "offset 803" in found.text
    assert len(found.advice) == 1
    assert "iconv -c" in found.advice[0]
    assert found.measured["damaged_places"] == 1
    assert found.measured["damaged"] == pytest.approx(1 / 401)
    cut = verdict_of(data[:2]).findings[0]
    assert cut.severity == "mend"
    (few,) = verdict_of("é “so” ".encode() + b"\xe9").findings
    assert "apart from this, it is UTF-8" in few.text


def test_damaged_places_are_named_by_their_lines() -> None:
    lines = ["déjà vu, été".encode()] * 200
    for k in (4, 9, 30, 31, 99, 150):
        lines[k] = b"d\xe9j\xe0 vu"
    (found,) = verdict_of(b"\n".join(lines)).findings
    assert "apart from 12 places (lines 5, 10, 31, 32, 100 ...), it is UTF-8" in found.text
    assert "iconv -c" in found.advice[0]


@pytest.mark.parametrize("language", ["French", "Polish", "Russian", "Japanese", "Chinese"])
@pytest.mark.parametrize("part", [15, 50, 85])
def test_utf8_joined_to_another_encoding_is_not_taken_for_either(language: str, part: int) -> None:
    line = f"{CASES[language]}\n"
    other = line.encode(ENCODINGS[language][0])
    for data in (
        line.encode() * part + other * (100 - part),
        other * (100 - part) + line.encode() * part,
    ):
        (found,) = verdict_of(data).findings
        assert "two encodings joined" in found.text
        assert found.measured["candidates"] == []
        assert "convert each part to UTF-8" in found.advice[0]
        first = part + 1 if data.startswith(line.encode()) else 1
        assert f"not lines {first}, {first + 1}, " in found.text


def test_two_other_encodings_joined_are_named() -> None:
    chinese, korean = CASES["Chinese"].encode("gb18030"), CASES["Korean"].encode("euc_kr")
    (found,) = verdict_of(chinese + b"\n" + korean).findings
    assert "its beginning looks like GB18030, its end like CP949" in found.text
    assert found.measured["candidates"] == []
    assert "convert each part to UTF-8" in found.advice[0]


def test_a_short_end_in_another_encoding_is_reported() -> None:
    """Although the whole can be decoded as the beginning is."""
    begin = "\n".join(lines_of("Russian", 200)).encode("cp866")
    end = "\n".join(lines_of("Russian", 20)).encode("koi8-r")
    assert guess_encoding(begin)[0] == ["cp866"]
    assert guess_encoding(begin + b"\n" + end)[0] == ["cp866", "koi8-r"]
    assert guess_encoding(end + b"\n" + begin)[0] == ["koi8-r", "cp866"]
    rubbish = b"\n".join(b"abc %d \xa4" % k for k in range(20))
    assert guess_encoding(rubbish)[0] == []
    assert guess_encoding(rubbish + b"\n" + begin)[0]
    assert guess_encoding(rubbish + b"\n" + begin + b"\n" + end)[0] == []


def test_bytes_at_random_are_not_called_text() -> None:
    data = np.random.default_rng(0).bytes(20_000)
    assert guess_encoding(data)[0] == []
    found = of(verdict_of(data), "encoding")
    assert "and does not look like text" in found.text
    assert "--level byte" in found.advice[0]
    high = bytes(0xA0 + byte % 96 for byte in data)
    assert "is not clear" in of(verdict_of(high), "encoding").text
    verdict = verdict_of(data, level="byte")
    assert verdict.size == 20_000
    assert not {"encoding", "rare characters"} & {one.check for one in verdict.findings}


def test_nul_bytes_alone_do_not_make_utf16() -> None:
    """Wherever they are: those of UTF-16 are in every other place."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        data = bytearray(rng.choice(list(string.ascii_letters.encode()), 200).astype(np.uint8))
        for at in rng.integers(200, size=4):
            data[at] = 0
        assert of(verdict_of(bytes(data)), "encoding").severity == "fine"
    numbers = np.arange(-3000, 3000, dtype="<i2").tobytes()
    assert of(verdict_of(numbers), "encoding").measured["candidates"] == []


@pytest.mark.parametrize("start", [b"%PDF-1.7", b"PK\x03\x04", b"\x1f\x8b\x08", b"{\\rtf1 x"])
def test_documents_and_archives_are_called_by_name(start: bytes) -> None:
    (found,) = verdict_of(start + GOOD.encode()).findings
    assert found.severity == "mend"
    assert "convert it to text" in found.advice[0]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 20])
def test_where_a_text_stops_decoding(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "CHUNK", chunk)
    assert first_error("déjà 漢字".encode(), "utf-8") is None
    assert first_error("déjà".encode() + b"\xe9 vu", "utf-8") == 6
    assert first_error("漢字".encode()[:-1], "utf-8") == 3


# Lines, size, characters


def test_line_ends_are_counted_and_made_alike(tmp_path: Path) -> None:
    """In exactly the same way as training does."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        text = "".join(rng.choice(["\r\n", "\r", "\n", "a", "\r\r\n"], 12))
        (tmp_path / "x").write_bytes(text.encode())
        codes = np.frombuffer(text.encode(), dtype=np.uint8)
        assert (
            with_plain_line_ends(codes).tolist()
            == read_corpus([str(tmp_path / "x")]).codes.tolist()
        )
        ends = count_line_ends(codes)
        assert ends.crlf == text.count("\r\n")
        assert ends.lf + ends.crlf == text.count("\n")
        assert ends.cr + ends.crlf == text.count("\r")


def test_line_ends_matter_to_bytes() -> None:
    mixed = GOOD[:100_000].replace("\n", "\r\n") + GOOD[100_000:]
    assert "line ends" not in flagged(verdict_of(mixed))
    assert flagged(verdict_of(mixed, level="byte"))["line ends"] == "note"
    whole = GOOD.replace("\n", "\r\n")
    assert "line ends" not in flagged(verdict_of(whole, level="byte"))


def test_long_lines_are_reported() -> None:
    assert flagged(verdict_of(GOOD.replace("\n", " "))) == {"lines": "note"}
    one = GOOD[:100_000] + GOOD[100_000:108_000].replace("\n", " ") + GOOD[108_000:]
    found = of(verdict_of(one), "lines")
    assert found.severity == "fine"
    assert 7900 < found.measured["longest"] < 8200


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        (GOOD[:9_999], "mend"),
        (GOOD[:10_000], "note"),
        (GOOD[:199_999], "note"),
        (GOOD[:200_000], "fine"),
        ("a" * 300_000, "mend"),
    ],
)
def test_the_size_of_a_text_is_judged(text: str, severity: str) -> None:
    assert of(verdict_of(text), "size").severity == severity


def test_rare_characters_are_reported() -> None:
    found = of(verdict_of(GOOD + "Q" * 9 + "Z" * 10), "rare characters")
    assert found.severity == "fine"
    assert found.measured["characters"] == {"U+0051": 9}
    assert found.measured["share"] == pytest.approx(9 / (len(GOOD) + 19))
    many = of(verdict_of(GOOD + "QXYJé"), "rare characters")
    assert many.severity == "note"
    assert "'é' (U+00E9 LATIN SMALL LETTER E WITH ACUTE) 1" in many.text
    assert many.measured["share_of_kinds"] == pytest.approx(5 / (len(set(GOOD)) + 5))


@pytest.mark.parametrize(
    ("character", "kind", "severity"),
    [
        ("\x00", "NUL", "mend"),
        ("\ufffd", "replacement character", "mend"),
        ("\ufeff", "byte order mark inside the text", "note"),
        ("\u2028", "line or page separator", "note"),
        ("\xad", "soft hyphen", "note"),
        ("\xa0", "odd space", "note"),
        ("\x1b", "control character", "note"),
        ("\u200b", "invisible format character", "note"),
        ("\u202e", "invisible format character", "note"),
        ("\ue000", "private use", "note"),
        ("\uffff", "unassigned", "note"),
    ],
)
def test_odd_characters_are_reported(character: str, kind: str, severity: str) -> None:
    found = of(verdict_of(GOOD + character * 2 + "x"), "odd characters")
    assert (found.measured["kind"], found.severity) == (kind, severity)
    assert found.measured["count"] == 2
    assert f"U+{ord(character):04X}" in found.text
    assert character not in found.text or character == "\ufffd"


def test_normal_characters_are_not_odd() -> None:
    for text in ("\t", "\u3000", "می\u200cخواهم", "é漢字 🙂", "naïve “quoted” – dash…"):
        assert "odd characters" not in flagged(verdict_of(GOOD + text * 20)), text


@pytest.mark.parametrize("meant", ["é", "’", "“", "ж", "漢", "ü", "š", "α"])
@pytest.mark.parametrize("wrong", ["cp1252", "latin-1"])
def test_mojibake_is_reported(meant: str, wrong: str) -> None:
    try:
        written = meant.encode().decode(wrong)
    except UnicodeDecodeError:
        pytest.skip("not in that encoding")
    verdict = verdict_of(GOOD[:250_000] + f"a{written}b " * 20 + GOOD[250_000:])
    found = of(verdict, "mojibake")
    assert found.severity == "mend"
    assert found.measured["count"] == 20
    assert found.measured["examples"] == {written: meant}
    few = verdict_of(GOOD + f"a{written}b " * 2)
    assert "mojibake" not in flagged(few)
    assert "mojibake" not in flagged(verdict_of(GOOD + f"a{meant}b " * 20))


def test_mojibake_is_counted_over_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from charrnn.verdict import odd

    for piece in (1, 2, 3, 5, 1000):
        monkeypatch.setattr(odd, "PIECE", piece)
        (found,) = odd._mojibake(codes_of("aÃ©bâ€™c" * 4 + "Ã©"))
        assert found.measured["count"] == 9


def test_european_typography_is_not_mojibake() -> None:
    text = "„Spaß“, sagte er – „À bientôt…“ «ÉTÉ» ¿QUÉ? ÅÄÖ ÇA’ ÎLE — Ñandú “Ñ” "
    assert "mojibake" not in flagged(verdict_of(GOOD + text * 2))


def test_decomposed_letters_are_reported() -> None:
    text = "déjà été Ångström " * 50
    apart = unicodedata.normalize("NFD", text)
    found = of(verdict_of(GOOD + apart), "composition")
    assert found.severity == "note"
    assert found.measured["count"] == len(apart) - len(text)
    assert "composition" not in flagged(verdict_of(GOOD + text))
    assert "composition" not in {one.check for one in verdict_of(GOOD + apart[:20]).findings}
    assert "composition" in flagged(verdict_of(GOOD + unicodedata.normalize("NFD", "한국어" * 20)))
    vietnamese = unicodedata.normalize("NFC", "ế ọ ữ " * 30)
    assert "composition" not in flagged(verdict_of(GOOD + vietnamese))


# The held-out end


def test_an_end_of_another_kind_is_reported() -> None:
    other = "".join(np.random.default_rng(0).choice(list("zxqvwkjypgbm \n"), 33_000))
    assert flagged(verdict_of(GOOD + other)) == {"held-out end": "note"}
    found = of(verdict_of(GOOD + other), "held-out end")
    assert found.measured["drift_nats"] > 1
    assert found.measured["usual_nats"] < 0.05
    assert found.measured["unseen_kinds"] == len(set(other) - set(GOOD))
    first = verdict_of(other + GOOD)
    assert "held-out end" not in flagged(first)  # at the beginning it does no harm


def test_a_sorted_text_is_reported() -> None:
    lines = "".join(sorted(f"{chr(97 + k % 26) * 3}{k % 7}\n" for k in range(60_000)))
    found = of(verdict_of(lines), "held-out end")
    assert found.severity == "note"
    assert "sorted" in found.advice[0]
    assert found.measured["chance_nats"] < 0.001


def test_few_of_many_kinds_differ_by_chance() -> None:
    """A small Chinese text is not odd only because its end lacks characters of the rest."""
    kinds = list(map(chr, range(0x4E00, 0x4E00 + 2500)))
    text = "".join(np.random.default_rng(0).choice(kinds, 30_000))
    found = of(verdict_of(text), "held-out end")
    assert found.measured["drift_nats"] > 0.3
    assert found.measured["chance_nats"] == pytest.approx(found.measured["drift_nats"], rel=0.1)
    assert found.severity == "fine"


def test_characters_only_in_the_end_are_reported() -> None:
    found = of(verdict_of(GOOD + "Q" * 50), "held-out end")
    assert found.measured["unseen"] == 50
    assert "'Q' (U+0051)" in found.text
    assert found.severity == "note"
    one = of(verdict_of(GOOD + "Q"), "held-out end")
    assert (one.measured["unseen"], one.severity) == (1, "fine")


# The command


@pytest.fixture(autouse=True)
def _no_networks_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is not part of a verdict."""
    monkeypatch.setattr(planner, "measure", lambda *_: Speed(1, 1e5))


def inspect(folder: Path, *arguments: str, stdin: bytes | None = None) -> dict[str, Any]:
    done = charrnn("inspect", "--json", *arguments, cwd=folder, stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_command_gives_the_verdict(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text(GOOD, encoding="utf-8", newline="")
    done = charrnn("inspect", "good.txt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = done.stdout.decode().splitlines()
    assert page[0] == "good.txt: good to train on"
    assert len([line for line in page if line.startswith("fine  ")]) == 10
    found = inspect(tmp_path, "good.txt")
    assert found["verdict"] == "good to train on"
    assert found["size"] == len(GOOD)
    assert inspect(tmp_path, "-", stdin=GOOD.encode())["names"] == ["standard input"]
    two = inspect(tmp_path, "good.txt", "good.txt")
    assert two["size"] == 2 * len(GOOD)
    assert two["verdict"] == "fix these 2 problems first"


def test_a_text_that_cannot_be_decoded_still_gets_a_verdict(tmp_path: Path) -> None:
    line = f"{CASES['Russian']}\n"
    (tmp_path / "koi.txt").write_bytes(line.encode("koi8-r") * 999)
    done = charrnn("inspect", "koi.txt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fix this first" in done.stdout.decode()
    assert f"--encoding koi8-r reads {line[:30]!r}"[:-1] in done.stdout.decode()
    assert "CONFIDENCE" not in done.stdout.decode()
    found = inspect(tmp_path, "koi.txt")["findings"]
    assert {"CONFIDENCE": 0.15, "BEYOND": 5} in [one["rules"] for one in found]
    assert inspect(tmp_path, "koi.txt", "--encoding", "koi8-r")["size"] == len(line) * 999
    assert inspect(tmp_path, "koi.txt", "--level", "byte")["level"] == "byte"


def test_a_text_does_not_control_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "evil.txt").write_bytes(("\x1b[31mé\u202e\x9b" * 200 + GOOD[:5000]).encode() * 3)
    done = charrnn("inspect", "evil.txt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.decode()) & {"\x1b", "\x9b", "\u202e"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt"], "does not exist"),
        (["empty.txt"], "empty"),
        (["nothing"], "the folder 'nothing' has no files"),
        (["/dev/null"], "is a device"),
        (["good.txt", "--plot", "x.png"], "--plot goes with a model"),
        (["good.txt", "--seed", "1"], "--seed goes with --gradient-flow"),
        (["good.txt", "--gradient-flow"], "is a text, not a model"),
        (["good.txt", "--gradient-flow", "--encoding", "latin-1"], "--encoding goes with a corpus"),
        (["good.txt", "--encoding", "klingon"], "unknown encoding"),
        (["damaged.npz"], "not a readable checkpoint"),
        (["damaged.npz", "--level", "byte"], "--level goes with a corpus"),
        (["damaged.npz", "good.txt"], "is a model"),
        (["damaged.npz", "more/damaged.npz"], "2 models"),
    ],
)
def test_mistakes_take_two_lines(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "good.txt").write_text("x", encoding="utf-8")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "good.txt").write_text("good\n", encoding="utf-8")
    (tmp_path / "more").mkdir()
    for place in (tmp_path, tmp_path / "more"):
        (place / "damaged.npz").write_bytes(b"PK\x03\x04")
    done = charrnn("inspect", *arguments, cwd=tmp_path)
    damaged = message == "not a readable checkpoint"
    assert done.returncode == (1 if damaged else 2)
    assert message in done.stderr.decode()
    assert len(done.stderr.splitlines()) <= 2
    assert not done.stdout


def test_a_document_is_not_a_model(tmp_path: Path) -> None:
    """Both are zip archives; their members tell them apart."""
    import zipfile

    with zipfile.ZipFile(tmp_path / "text.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", "x" * 500)
    (found,) = inspect(tmp_path, "text.docx")["findings"]
    assert "zip archive" in found["text"]
    np.savez(tmp_path / "weights.npz", x=np.zeros(3))
    (tmp_path / "weights.npz").rename(tmp_path / "weights")
    done = charrnn("inspect", "weights", cwd=tmp_path)
    assert done.returncode == 1
    assert "checkpoint" in done.stderr.decode()


def test_the_verdicts_on_real_corpora(tmp_path: Path, corpora: Path) -> None:
    plays = inspect(tmp_path, str(corpora / "tinyshakespeare" / "input.txt"))
    assert plays["verdict"] == "good to train on"
    poems = inspect(tmp_path, str(corpora / "tang-poems-zh" / "tang300.txt"))
    severity = {one["check"]: one["severity"] for one in poems["findings"]}
    assert severity["encoding"] == "fine"
    assert {name for name, word in severity.items() if word != "fine"} == {
        "size",
        "rare characters",
        "held-out end",
    }


def test_advice_names_the_file(tmp_path: Path) -> None:
    """So that it can be pasted, at a terminal or through a pipe, without constants of the code."""
    (tmp_path / "a text.txt").write_text("cafe\u0301 " * 2000, encoding="utf-8")
    page = charrnn("inspect", "a text.txt", cwd=tmp_path).stdout.decode()
    assert "< 'a text.txt' > 'a text-new.txt'" in page
    assert "UNCOMPOSED" not in page
    piped = charrnn("inspect", "-", cwd=tmp_path, stdin=(GOOD + "e\u0301" * 2000).encode()).stdout
    assert b"< FILE > NEW" in piped
    (tmp_path / "my book.pdf").write_bytes(b"%PDF-1.7 ...")
    done = charrnn("train", "my book.pdf", cwd=tmp_path)
    assert b"pdftotext 'my book.pdf' -" in done.stderr
