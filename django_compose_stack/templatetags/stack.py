from datetime import UTC, datetime

from django import template

register = template.Library()


@register.filter
def ago(moment: datetime) -> str:
    """Return how long ago a moment was, in one unit. Without JavaScript the reader's time zone is unknown."""
    seconds = max(0, round((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


@register.filter
def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"
