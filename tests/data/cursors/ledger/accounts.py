"""Accounts of a household and what is booked on them."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


class OverdrawnError(Exception):
    """An account has not enough money."""


@dataclass(frozen=True)
class Entry:
    """One amount that was booked; negative for money that was spent."""

    day: date
    amount: Decimal
    category: str
    note: str = ""

    @property
    def is_expense(self) -> bool:
        return self.amount < 0


@dataclass
class Account:
    """Money in one place."""

    name: str
    limit: Decimal = Decimal(0)
    entries: list[Entry] = field(default_factory=list)

    @property
    def balance(self) -> Decimal:
        return sum((entry.amount for entry in self.entries), Decimal(0))

    def book(self, entry: Entry) -> None:
        if self.balance + entry.amount < -self.limit:
            raise OverdrawnError(f"{self.name} has only {self.balance}")
        self.entries.append(entry)

    def between(self, start: date, end: date) -> list[Entry]:
        return [entry for entry in self.entries if start <= entry.day < end]

    def in_category(self, category: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.category == category]


def transfer(source: Account, target: Account, amount: Decimal, day: date) -> None:
    """Move money from one account to another."""
    source.book(Entry(day, -amount, "transfer", f"to {target.name}"))
    target.book(Entry(day, amount, "transfer", f"from {source.name}"))
