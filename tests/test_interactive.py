"""A text written in turns: the draft itself, the screen, and lines through a pipe."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from support import charrnn

import charrnn as package
from charrnn.cli.interactive import Desk
from charrnn.errors import InputError
from charrnn.runs.draft import MOST, Draft, Part, _end


@pytest.fixture(scope="module")
def model() -> Any:
    return package.load()


def draft(model: Any, start: str = "The with statement", **how: Any) -> Draft:
    return Draft(model, 1, start, **how)


def test_the_model_writes_a_sentence_a_line_or_some_characters(model: Any) -> None:
    found = draft(model)
    sentence = "".join(found.go_on("sentence"))
    assert sentence.rstrip()[-1] in ".!?" or sentence.endswith("\n") or len(sentence) == MOST
    line = "".join(found.go_on("line"))
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert len("".join(found.go_on("characters", 33))) == 33
    assert found.text.startswith("The with statement" + sentence + line)
    assert [part.by_model for part in found.parts] == [False, True, True, True]
    with pytest.raises(InputError, match="not one of sentence, line, characters"):
        next(found.go_on("page"))


def test_the_same_steps_give_the_same_text(model: Any) -> None:
    one, other = draft(model), draft(model)
    for each in (one, other):
        list(each.go_on("characters", 40))
        first = each.text
        list(each.again())
        assert each.text != first
        assert len(each.text) == len(first)
        each.type(" More")
        list(each.go_on())
    assert one.text == other.text


def test_steps_are_taken_back_one_by_one(model: Any) -> None:
    """A version, what was typed in one go, what was erased in one go, the end of the prime."""
    found = draft(model)
    list(found.go_on("characters", 20))
    version = found.text
    list(found.again())
    other = found.text
    found.type("a")
    found.type("b")
    assert found.parts[-1] == Part("ab", by_model=False)
    for _ in range(5):
        found.erase()
    assert found.text == other[:-3]
    for expected in (other + "ab", other, version, "The with statement"):
        assert found.undo()
        assert found.text == expected
    for typed in (" more", " again"):
        found.type(typed)
        assert found.undo()
        assert found.text == "The with statement"
    assert not found.undo()


def test_unknown_characters_are_not_accepted(model: Any) -> None:
    found = draft(model)
    with pytest.raises(InputError, match="does not know '∞'"):
        found.type("to ∞")
    assert found.text == "The with statement"
    with pytest.raises(InputError, match="wrote nothing here"):
        next(found.again())


def test_alternatives_are_distinct_and_one_is_taken(model: Any) -> None:
    found = draft(model)
    offered = list(found.alternatives(4, "characters", 12))
    assert len(set(offered)) == len(offered) == 4
    found.take(offered[2])
    assert found.text == "The with statement" + offered[2]
    greedy = draft(model, temperature=0.0)
    assert len(list(greedy.alternatives(4, "characters", 12))) == 1


def test_erasing_crosses_the_parts_of_a_text(model: Any) -> None:
    found = draft(model, "ab")
    found.take("c")
    for rest in ("ab", "a", "", ""):
        found.erase()
        assert found.text == rest


@pytest.mark.parametrize(
    ("before", "piece", "unit", "end"),
    [
        ("", "One. Two", "sentence", 5),
        ("", "One", "sentence", 0),
        ("One.", " Two", "sentence", 1),
        ("", "3.14 is", "sentence", 0),
        ("", 'He said "no." And', "sentence", 14),
        ("", "One.", "sentence", 0),  # 1.5 may follow
        ("", "a\nb", "sentence", 2),
        ("", "a\nb\n", "line", 2),
        ("", "\n\na\nb", "line", 4),
        ("x", "\nb", "line", 1),
    ],
)
def test_where_a_unit_ends(before: str, piece: str, unit: str, end: int) -> None:
    assert _end(before, piece, unit) == end


def keyed(model: Any, keys: str, tmp_path: Path, waits: float = 0.0) -> Desk:
    """The screen after these keys and Ctrl-Q; at each NUL, wait until the model has stopped."""
    inputs = pytest.importorskip("prompt_toolkit.input", reason="needs prompt_toolkit")
    outputs = pytest.importorskip("prompt_toolkit.output", reason="needs prompt_toolkit")
    desk = Desk(draft(model, "The "), str(tmp_path / "saved.txt"), 30)
    with inputs.create_pipe_input() as pipe:
        app = desk.application(input=pipe, output=outputs.DummyOutput())

        async def play() -> None:
            running = asyncio.ensure_future(app.run_async())
            for part in keys.split("\0"):
                pipe.send_text(part)
                await asyncio.sleep(0.05)
                while desk.busy:
                    await asyncio.sleep(0.01)
            pipe.send_text("\x11")
            await running

        asyncio.run(asyncio.wait_for(play(), 60))
    return desk


def test_the_keys_write_undo_save_and_leave(model: Any, tmp_path: Path) -> None:
    desk = keyed(model, "with\0\x07\0\x13", tmp_path)
    assert desk.draft.parts[0] == Part("The with", by_model=False)
    assert len(desk.draft.parts[1].text) == 30
    assert (tmp_path / "saved.txt").read_text() == desk.draft.text
    assert desk.note.startswith("saved 38 characters")
    desk = keyed(model, "with\0\x07\0\x1a", tmp_path)
    assert desk.draft.text == "The with"
    desk = keyed(model, "with\0\x07\0\x12\0\x7f\0\r", tmp_path)
    assert len(desk.draft.parts[1].text) == 29
    assert desk.draft.text.endswith("\n")


def test_the_keys_choose_and_change_the_temperature(model: Any, tmp_path: Path) -> None:
    desk = keyed(model, "\x0f\0" + "2", tmp_path)
    assert desk.draft.parts[1].by_model
    assert desk.offered == []
    desk = keyed(model, "\x1b[A\x1b[A\0\x1b[B\0∞", tmp_path)
    assert desk.draft.temperature == pytest.approx(0.85)
    assert "does not know '∞'" in desk.note


def slowly(desk: Desk, keys: list[str]) -> None:
    """Press keys while a slow model writes, and wait until it has stopped."""
    inputs = pytest.importorskip("prompt_toolkit.input", reason="needs prompt_toolkit")
    outputs = pytest.importorskip("prompt_toolkit.output", reason="needs prompt_toolkit")

    async def play() -> None:
        running = asyncio.ensure_future(app.run_async())
        for key in keys:
            pipe.send_text(key)
            await asyncio.sleep(0.1)
        while desk.busy:
            await asyncio.sleep(0.01)
        pipe.send_text("\x11")
        await running

    with inputs.create_pipe_input() as pipe:
        app = desk.application(input=pipe, output=outputs.DummyOutput())
        asyncio.run(asyncio.wait_for(play(), 60))


def test_keys_typed_while_the_model_stops_come_after_its_text(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(draft(model, "The "), None, 30)

    def going_on(unit: str, count: int) -> Iterator[str]:
        for _ in range(1000):
            sleep(0.3)
            yield "."

    monkeypatch.setattr(desk.draft, "_continued", going_on)
    slowly(desk, ["\x07", "\x03", "ab"])
    *_, written, typed = desk.draft.parts
    assert (set(written.text), typed) == ({"."}, Part("ab", by_model=False))


def test_alternatives_that_are_stopped_are_not_offered(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(draft(model, "The "), None, 30)

    def going_on(unit: str, count: int) -> Iterator[str]:
        sleep(0.3)
        yield str(number.pop())

    number = list(range(9))
    monkeypatch.setattr(desk.draft, "_continued", going_on)
    slowly(desk, ["\x0f", "\x03", "z"])
    assert desk.offered == []
    assert desk.draft.text == "The z"
    assert len(number) > 9 - 5


def test_each_author_has_a_colour_and_nothing_is_raw(model: Any) -> None:
    desk = Desk(draft(model, "a"), None, 10)
    desk.draft.parts.append(Part("b\x1b[2J\u202e", by_model=True))
    assert desk.shown()[:2] == [("class:person", "a"), ("class:model", "b\\x1b[2J\\u202e")]
    desk.note = "\x1b"
    assert ("class:note", "\\x1b\n") in desk.below()


def test_a_name_is_asked_for_and_a_bad_one_is_reported(model: Any, tmp_path: Path) -> None:
    desk = Desk(draft(model, "a"), None, 10)
    desk.save()
    for character in str(tmp_path / "no" / "x"):
        desk.typed(character)
    desk.entered()
    assert desk.note.startswith("cannot write")
    desk.save()
    for character in str(tmp_path / "x"):
        desk.typed(character)
    desk.typed("y")
    desk.erased()
    desk.entered()
    assert (tmp_path / "x").read_text() == "a"


def test_through_a_pipe_a_line_comes_for_each_line(tmp_path: Path) -> None:
    def answers(lines: bytes) -> Any:
        return charrnn("sample", "--interactive", "--seed", "3", cwd=tmp_path, stdin=lines)

    done = answers(b"The with statement\nThe for statement\n")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert all(done.stdout.splitlines())
    assert answers(b"The with statement\r\nThe for statement").stdout == done.stdout
    odd = answers("The with statement\n∞\nThe for statement\n".encode())
    assert odd.returncode == 2
    assert odd.stdout.splitlines()[1] == b""
    assert len(odd.stdout.splitlines()) == 3
    assert b"note: line 2: the model does not know" in odd.stderr


def test_through_a_pipe_answers_can_be_written_to_a_file(tmp_path: Path) -> None:
    flags = ("sample", "--interactive", "--seed", "3")
    shown = charrnn(*flags, cwd=tmp_path, stdin=b"The with\n").stdout
    done = charrnn(*flags, "--out", "x.txt", cwd=tmp_path, stdin=b"The with\n")
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "x.txt").read_bytes() == shown
    skipped = charrnn(*flags, "--unknown", "skip", cwd=tmp_path, stdin="∞The\n".encode())
    assert skipped.returncode == 0
    wrong = charrnn(*flags, "--prime", "∞", cwd=tmp_path, stdin=b"The\n")
    assert b"the prime has 1 character" in wrong.stderr


@pytest.mark.parametrize(
    "flags", [("-n", "2"), ("--lines", "3"), ("--stop", "x"), ("--prime-file", "-")]
)
def test_options_that_do_not_apply_to_turns_are_refused(
    tmp_path: Path, flags: tuple[str, str]
) -> None:
    done = charrnn("sample", "--interactive", *flags, cwd=tmp_path)
    assert done.returncode == 2
    assert b"--interactive" in done.stderr.splitlines()[0]
