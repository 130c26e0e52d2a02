"""How long a busy server asks to be left alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(text: str) -> float | None:
    """Return the seconds of a ``Retry-After`` header (RFC 9110, 10.2.3), from now on.

    Parameters
    ----------
    text
        A number of seconds or a date; one without a zone is in UTC, as all dates of HTTP.

    Returns
    -------
    float or None
        At least 0; None where the text is neither.
    """
    given = text.strip()
    if re.fullmatch(r"\d{1,9}", given, flags=re.ASCII):
        return float(given)
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)
