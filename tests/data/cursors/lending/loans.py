"""Who has which book, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from books import Book, Catalog, State

LOAN_DAYS = 28
MAX_LOANS = 5
FEE_PER_DAY = 0.25


class LoanError(Exception):
    """A book cannot be lent or returned."""


@dataclass
class Member:
    name: str
    email: str


@dataclass
class Loan:
    book: Book
    member: Member
    due: date
    renewals: int = 0

    def is_overdue(self, today: date) -> bool:
        return today > self.due

    def fee(self, today: date) -> float:
        if not self.is_overdue(today):
            return 0.0
        return (today - self.due).days * FEE_PER_DAY


class Desk:
    """Lends books and takes them back."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.loans: list[Loan] = []

    def loans_of(self, member: Member) -> list[Loan]:
        return [loan for loan in self.loans if loan.member == member]

    def lend(self, isbn: str, member: Member, today: date) -> Loan:
        book = self.catalog.get(isbn)
        if book is None:
            raise LoanError(f"there is no book {isbn}")
        if book.state is not State.AVAILABLE:
            raise LoanError(f"{book} is {book.state.value}")
        if len(self.loans_of(member)) >= MAX_LOANS:
            raise LoanError(f"{member.name} has {MAX_LOANS} books already")
        book.state = State.LENT
        loan = Loan(book, member, today + timedelta(days=LOAN_DAYS))
        self.loans.append(loan)
        return loan

    def give_back(self, isbn: str, today: date) -> float:
        """Take a book back and return the fee."""
        for loan in self.loans:
            if loan.book.isbn == isbn:
                self.loans.remove(loan)
                loan.book.state = State.AVAILABLE
                return loan.fee(today)
        raise LoanError(f"{isbn} is not lent")

    def overdue(self, today: date) -> list[Loan]:
        return [loan for loan in self.loans if loan.is_overdue(today)]
