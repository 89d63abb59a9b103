"""The table: its rows, as they are printed while the checks run, and as JSON for programs."""

import json
import shutil
import textwrap
from dataclasses import dataclass, field

YES = "yes"
NO = "NO"
NOT_ASKED = "not asked"
NOT_SEEN = "not seen"

# Wide enough for the longest of these and of the titles.
VERDICT_WIDTH = 11
TITLE_WIDTH = 30


@dataclass(frozen=True)
class Outcome:
    """What became of a check."""

    verdict: str
    said: str
    """What was seen, with its figures."""
    todo: str | None = None
    """What to do, where something is wrong or was not seen."""
    figures: dict = field(default_factory=dict)
    """For programs: milliseconds, counts and ids, by name."""


def yes(said, **figures):
    return Outcome(YES, said, figures=figures)


def no(said, todo, **figures):
    return Outcome(NO, said, todo, figures)


def not_asked(why):
    return Outcome(NOT_ASKED, why)


def not_seen(said, todo, **figures):
    return Outcome(NOT_SEEN, said, todo, figures)


class Report:
    """All rows so far. `print_line` prints a line."""

    def __init__(self, url, print_line):
        self._url = url
        self._print = print_line
        self._rows = []
        self._look = []
        # A pipe or a log has no width of its own.
        self._width = max(shutil.get_terminal_size((120, 24)).columns, 80)

    def add(self, id_, title, outcome):
        """Adds a row, and prints it."""
        self._rows.append((id_, title, outcome))
        head = f"{outcome.verdict:<{VERDICT_WIDTH}}{title:<{TITLE_WIDTH}}"
        self._print_wrapped(head, outcome.said)
        if outcome.todo:
            self._print_wrapped(" " * (VERDICT_WIDTH + 2) + "→ ", outcome.todo)

    def verdict(self, id_):
        """That of a row, or None where there is none."""
        return next((outcome.verdict for row, _, outcome in self._rows if row == id_), None)

    def look(self, what):
        """Asks the operator to look at something that can't be seen from here."""
        self._look.append(what)

    @property
    def passed(self):
        """Whether all that was asked for was seen, and is right."""
        return all(outcome.verdict in (YES, NOT_ASKED) for _, _, outcome in self._rows)

    def finish(self):
        """Prints what is left to be looked at, and the sum."""
        if self._look:
            self._print("")
            self._print("What can't be seen from here. Please look:")
            for number, what in enumerate(self._look, 1):
                self._print_wrapped(f"  {number}. ", what)
        self._print("")
        counts = (f"{self._count(verdict)} {verdict}" for verdict in (YES, NO, NOT_SEEN, NOT_ASKED))
        self._print(", ".join(counts))

    def as_json(self, run_ids):
        """The same for programs, with the ids of the runs that were asked for."""
        rows = [
            {
                "id": id_,
                "title": title,
                "verdict": outcome.verdict.lower(),
                "said": outcome.said,
                "todo": outcome.todo,
                "figures": {name: _rounded(value) for name, value in outcome.figures.items()},
            }
            for id_, title, outcome in self._rows
        ]
        document = {
            "url": self._url,
            "passed": self.passed,
            "rows": rows,
            "runs": run_ids,
            "look": self._look,
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def _count(self, verdict):
        return sum(outcome.verdict == verdict for _, _, outcome in self._rows)

    def _print_wrapped(self, head, text):
        lines = textwrap.wrap(
            text, self._width - len(head), break_long_words=False, break_on_hyphens=False
        )
        for number, line in enumerate(lines or [""]):
            self._print((head if number == 0 else " " * len(head)) + line)


def _rounded(value):
    return round(value, 1) if isinstance(value, float) else value


def duration(ms):
    """A time for people: milliseconds below a second, seconds with a tenth above."""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
