"""Sums by month and category."""

from collections import defaultdict
from decimal import Decimal

from accounts import Account, Entry

WIDTH = 40


def sum_by_category(entries: list[Entry]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        sums[entry.category] += entry.amount
    return dict(sums)


def sum_by_month(entries: list[Entry]) -> dict[tuple[int, int], Decimal]:
    sums: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for entry in entries:
        sums[entry.day.year, entry.day.month] += entry.amount
    return dict(sums)


def largest_expenses(account: Account, count: int = 5) -> list[Entry]:
    expenses = [entry for entry in account.entries if entry.is_expense]
    return sorted(expenses, key=lambda entry: entry.amount)[:count]


def format_line(name: str, amount: Decimal) -> str:
    return f"{name:<{WIDTH - 12}}{amount:>12.2f}"


def print_report(account: Account) -> None:
    print(account.name)
    print("-" * WIDTH)
    for category, amount in sorted(sum_by_category(account.entries).items()):
        print(format_line(category, amount))
    print("-" * WIDTH)
    print(format_line("balance", account.balance))
