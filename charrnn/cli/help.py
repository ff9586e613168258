"""The commands: their help pages, plain text in the terminal's width, and their usage errors."""

import re
from inspect import cleandoc
from typing import Any

from typer.core import TyperCommand, TyperGroup

from charrnn.cli.usage import usage_errors

__all__ = ["Command", "Commands"]

EXAMPLE = "charrnn "
"""How lines of examples begin, which are printed unchanged."""

KINDS = (
    (r"<int( range)?>|INTEGER( RANGE)?", "INT"),
    (r"<float( range)?>|FLOAT( RANGE)?", "NUMBER"),
    (r"<(list\[)?str\]?>", "TEXT"),
    (r"<(.*\|.*)>", r"\1"),
)
"""Typer's names for the types of values, and ours."""

RANGE = r"-?[\d.]*<?=?x[<>]=?-?[\d.]+|x[<>]=?-?[\d.]+"
"""An option's range of numbers, which is left out: the error for another number states it."""

KEPT = "\xa0"
"""A space at which no line is broken; the page has an ordinary one."""

NAMES = 26
"""The most columns for an option's names before its text goes to the next line."""


class Command(TyperCommand):
    """A command with a help page of this form."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments as Typer does, with errors in charrnn's form."""
        with usage_errors(ctx):
            return super().parse_args(ctx, args)

    def get_help(self, ctx: Any) -> str:
        """The help page."""
        return super().get_help(ctx).replace(KEPT, " ")

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the paragraphs in the terminal's width, and examples unchanged."""
        _write_text(self.help or "", formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options by group, in the order in which the groups first occur."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                argument = param.param_type_name == "argument"
                title = getattr(param, "rich_help_panel", None) or "Options"
                names, text = _plain(*record)
                if argument:
                    names, title = names.split()[0], "Arguments"
                groups.setdefault(title, []).append((names, text))
        general = groups.pop("Options", [])  # --help comes last
        for title, rows in [*groups.items(), *([("Options", general)] if general else [])]:
            with formatter.section(title):
                formatter.write_dl(rows, col_max=NAMES)


class Commands(TyperGroup):
    """All commands, each with the first sentence of its help page."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before a command; without any, print the help page."""
        if not args:
            return super().parse_args(ctx, args)
        with usage_errors(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was given."""
        with usage_errors(ctx):
            return super().invoke(ctx)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the text as for a command."""
        _write_text(self.help or "", formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands in the order in which they were added."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                first = cleandoc(command.help or "").partition("\n\n")[0]
                rows.append((name, " ".join(first.split())))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _write_text(text: str, formatter: Any) -> None:
    for paragraph in cleandoc(text).split("\n\n"):
        formatter.write_paragraph()
        with formatter.indentation():
            if paragraph.startswith(EXAMPLE):
                for line in paragraph.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
            else:
                formatter.write_text(" ".join(paragraph.split()))


def _plain(names: str, text: str) -> tuple[str, str]:
    """An option's names and its text, without what is for programs."""
    for pattern, name in KINDS:
        names = re.sub(pattern, name, names)
    text, _, extra = text.partition("  [")
    parts = [part for part in extra.removesuffix("]").split("; ") if part]
    parts = [re.sub(r"(\d)\.0$", r"\1", part) for part in parts if not re.fullmatch(RANGE, part)]
    if re.fullmatch(rf"\[({RANGE})\]", text):
        text = ""
    extra = f" [{'; '.join(parts)}]" if parts else ""
    return names, text + extra.replace(": ", f":{KEPT}")
