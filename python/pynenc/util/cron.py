"""Cron expressions of five fields: minute, hour, day of the month, month, day of the week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day of the week": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_DAY, _WEEKDAY = 2, 4


@dataclass(frozen=True)
class CronSchedule:
    """The minutes that an expression names."""

    text: str
    """The expression, with single spaces."""
    _allowed: tuple[frozenset[int], ...]
    _days_are_alternatives: bool
    """Both days are restricted: then either of them is enough, as cron has it."""

    @classmethod
    def parse(cls, text: Any) -> CronSchedule:
        """Parse an expression of five fields. Raises `ValueError` with the words after `must` for any other text."""
        parts = text.split() if isinstance(text, str) else []
        if len(parts) != len(_FIELDS):
            raise ValueError("must be a cron expression of five fields: minute, hour, day, month, weekday")
        allowed = [_numbers(part.lower(), *field) for part, field in zip(parts, _FIELDS, strict=True)]
        # 7 is Sunday as well.
        allowed[_WEEKDAY] = frozenset(day % 7 for day in allowed[_WEEKDAY])
        alternatives = not (parts[_DAY].startswith("*") or parts[_WEEKDAY].startswith("*"))
        return cls(" ".join(parts), tuple(allowed), alternatives)

    def matches(self, moment: datetime) -> bool:
        """Return whether the minute of `moment`, in its own time zone, matches."""
        minute, hour, day, month, weekday = self._allowed
        by_date, by_weekday = moment.day in day, moment.isoweekday() % 7 in weekday
        days = by_date or by_weekday if self._days_are_alternatives else by_date and by_weekday
        return moment.minute in minute and moment.hour in hour and moment.month in month and days


def _numbers(part: str, name: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for item in part.split(","):
        span, slash, step_text = item.partition("/")
        first_text, dash, last_text = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = _number(first_text, name, low)
            last = _number(last_text, name, low) if dash else high if slash else first
        step = int(step_text) if step_text.isdecimal() and step_text.isascii() else 0 if slash else 1
        if step < 1 or not low <= first <= last <= high:
            raise ValueError(f"must be a cron expression, and {item!r} is no {name} from {low} to {high}")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, name: str, low: int) -> int:
    names = _NAMES.get(name, [])
    if text in names:
        return names.index(text) + low
    # Refused by the bounds of every field.
    return int(text) if text.isdecimal() and text.isascii() else -1
