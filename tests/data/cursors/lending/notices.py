"""Letters to members whose books are due."""

from __future__ import annotations

import logging
import smtplib
from collections import defaultdict
from datetime import date
from email.message import EmailMessage

from loans import Desk, Loan

logger = logging.getLogger(__name__)

SENDER = "desk@library.example"


def group_by_member(loans: list[Loan]) -> dict[str, list[Loan]]:
    groups: dict[str, list[Loan]] = defaultdict(list)
    for loan in loans:
        groups[loan.member.email].append(loan)
    return groups


def make_notice(address: str, loans: list[Loan], today: date) -> EmailMessage:
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = address
    message["Subject"] = "Your books are due"
    lines = [f"{loan.book}: {loan.fee(today):.2f}" for loan in loans]
    message.set_content("\n".join(lines))
    return message


def send_notices(desk: Desk, today: date, host: str = "localhost") -> int:
    """Send one letter to each member and return how many were sent."""
    groups = group_by_member(desk.overdue(today))
    with smtplib.SMTP(host) as server:
        for address, loans in groups.items():
            try:
                server.send_message(make_notice(address, loans, today))
            except smtplib.SMTPException as error:
                logger.warning("no notice to %s: %s", address, error)
    return len(groups)
