"""Numbers and moments as people of the current language write them. Programs get JSON instead."""

from datetime import datetime

from viveiro.locale.languages import ENGLISH, PSEUDO, current_language
from viveiro.locale.pseudo import pseudo


def number(value: float, decimals: int = 0) -> str:
    """0.8734 is 0.873 to the one and 0,873 to the other."""
    if _locale() == ENGLISH:
        return f"{value:,.{decimals}f}"
    from babel.numbers import format_decimal

    pattern = f"#,##0.{'0' * decimals}" if decimals else "#,##0"
    return format_decimal(value, pattern, locale=_locale())


def moment(at: datetime) -> str:
    """To the minute, in this machine's time zone."""
    here = at.astimezone()
    if _locale() == ENGLISH:
        return f"{here:%Y-%m-%d %H:%M}"
    from babel.dates import format_datetime

    return format_datetime(here, "dd/MM/yyyy HH:mm", locale=_locale())


def since(at: datetime, now: datetime) -> str:
    """How long ago, roughly: `3 hours ago`."""
    from babel.dates import format_timedelta

    said: str = format_timedelta(at - now, add_direction=True, locale=_locale())
    return pseudo(said) if current_language() == PSEUDO else said


def language_name(code: str) -> str:
    """`pt` is Portuguese, or português: what a chip says, so it begins with a capital. An unknown code stays as it is."""
    from babel import Locale

    said: str | None = Locale.parse(_locale()).languages.get(code.replace("-", "_"))
    if said is None:
        return code
    said = said[:1].upper() + said[1:]
    return pseudo(said) if current_language() == PSEUDO else said


def _locale() -> str:
    return ENGLISH if current_language() == PSEUDO else current_language().replace("-", "_")
