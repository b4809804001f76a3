"""The stock of a small library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    AVAILABLE = "available"
    LENT = "lent"
    LOST = "lost"


@dataclass
class Book:
    """One copy of a book."""

    isbn: str
    title: str
    authors: list[str]
    year: int
    state: State = State.AVAILABLE

    def matches(self, words: list[str]) -> bool:
        text = " ".join([self.title, *self.authors]).lower()
        return all(word.lower() in text for word in words)

    def __str__(self) -> str:
        return f"{self.title} ({self.year})"


class Catalog:
    """All books by their number."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}

    def add(self, book: Book) -> None:
        if not is_valid_isbn(book.isbn):
            raise ValueError(f"{book.isbn} is not an ISBN")
        if book.isbn in self._books:
            raise ValueError(f"{book.isbn} exists already")
        self._books[book.isbn] = book

    def get(self, isbn: str) -> Book | None:
        return self._books.get(isbn)

    def search(self, query: str) -> list[Book]:
        words = query.split()
        found = [book for book in self._books.values() if book.matches(words)]
        return sorted(found, key=lambda book: book.title)

    def available(self) -> list[Book]:
        return [book for book in self._books.values() if book.state is State.AVAILABLE]


def is_valid_isbn(isbn: str) -> bool:
    """Check the last digit of a number of 13 digits."""
    digits = re.sub(r"[- ]", "", isbn)
    if len(digits) != 13 or not digits.isdigit():
        return False
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return total % 10 == 0
