"""Read the statements that banks offer for download."""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from accounts import Account, Entry

DAY_FORMAT = "%d.%m.%Y"


class StatementError(Exception):
    """A statement cannot be read."""


def read_statement(path: Path) -> Iterator[Entry]:
    """Yield the entries of one file."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, delimiter=";")
        for number, row in enumerate(reader, 1):
            try:
                yield parse_row(row)
            except (KeyError, ValueError, InvalidOperation) as error:
                raise StatementError(f"{path}: row {number}: {error}") from error


def parse_row(row: dict[str, str]) -> Entry:
    day = datetime.strptime(row["Date"], DAY_FORMAT).date()
    amount = parse_amount(row["Amount"])
    return Entry(day, amount, row.get("Category", ""), row["Text"].strip())


def parse_amount(text: str) -> Decimal:
    """Return an amount such as `-1.234,50`."""
    return Decimal(text.replace(".", "").replace(",", "."))


def import_folder(folder: Path, account: Account) -> int:
    """Book every statement of a folder and return how many entries there were."""
    count = 0
    for path in sorted(folder.glob("*.csv")):
        for entry in read_statement(path):
            account.book(entry)
            count += 1
    return count
