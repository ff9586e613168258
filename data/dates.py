"""Dates as people write them, and as ISO 8601 does: "the third of March 1984" is 1984-03-03.

Every form has one reading. Where day and month are both numbers, either the year stands in front,
or the day is above twelve and can be no month. Years have all four digits or are spelt out, so that
no century is left open. Names of days fit their date.
"""

import datetime
import random

from draws import below, chance, pick, shuffled

FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2049, 12, 31)
MONTHS = str.split(
    "January February March April May June July August September October November December"
)
DAYS = str.split("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
ROMAN = str.split("i ii iii iv v vi vii viii ix x xi xii")
ONES = str.split(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"}
ORDINALS |= {"nine": "ninth", "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth"}


def number(n: int) -> str:
    """The words for 0 to 99."""
    if n < 20:
        return ONES[n]
    return TENS[n // 10] + (f"-{ONES[n % 10]}" if n % 10 else "")


def ordinal(n: int) -> str:
    """The words for first to ninety-ninth."""
    head, dash, last = number(n).rpartition("-")
    return head + dash + ORDINALS.get(last, f"{last}th")


def suffixed(n: int) -> str:
    """1st, 2nd, 3rd, 4th; but 11th, 12th and 13th."""
    ending = "th" if n // 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def year_words(year: int) -> str:
    """Nineteen hundred, nineteen oh five, nineteen eighty-four, two thousand and four."""
    century, rest = divmod(year, 100)
    if year // 10 == 200:
        return "two thousand" + (f" and {number(rest)}" if rest else "")
    if rest == 0:
        return f"{number(century)} hundred"
    return f"{number(century)} {'oh ' if rest < 10 else ''}{number(rest)}"


def forms(date: datetime.date) -> list[str]:
    """Every way of writing the date."""
    day, month, year = date.day, MONTHS[date.month - 1], date.year
    weekday, words = DAYS[date.weekday()], year_words(year)
    short = month[:3]
    written = [
        f"{day} {month} {year}",
        f"{month} {day}, {year}",
        f"{month} {suffixed(day)}, {year}",
        f"the {suffixed(day)} of {month} {year}",
        f"{weekday}, {day} {month} {year}",
        f"{weekday[:3]} {day} {short} {year}",
        f"{weekday} the {ordinal(day)} of {month} {year}",
        f"the {ordinal(day)} of {month} {words}",
        f"{month} the {ordinal(day)}, {words}",
        f"{day} {month} {words}",
        f"{day:02}-{short}-{year}",
        f"{year}, {month} {day}",
        f"{day}.{ROMAN[date.month - 1]}.{year}",
        f"{year}/{date.month}/{day}",
    ]
    if day > 12:
        written += [f"{day}/{date.month}/{year}", f"{date.month}/{day}/{year}"]
    return written


def source(date: datetime.date, rng: random.Random) -> str:
    """The date in one of its forms, in lower case now and then."""
    form = pick(rng, forms(date))
    return form.lower() if chance(rng, 1, 3) else form


def sample_dates(rng: random.Random, count: int) -> list[datetime.date]:
    """Different dates, in no order."""
    span = (LAST - FIRST).days + 1
    taken = dict[int, None]()
    while len(taken) < count:
        taken[below(rng, span)] = None
    return [FIRST + datetime.timedelta(days) for days in shuffled(rng, list(taken))]


def pairs(rng: random.Random, train: int, test: int) -> tuple[list[str], list[str]]:
    """Lines of source, tab and ISO date; all of different dates, the test's too."""
    dates = sample_dates(rng, train + test)
    lines = [f"{source(date, rng)}\t{date.isoformat()}" for date in dates]
    return lines[:train], lines[train:]
