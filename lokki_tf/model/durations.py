"""Durations as texts."""


def duration(seconds: int) -> str:
    """Return a duration in its largest unit that is a whole number: ``30 s``, ``2 h``.

    Args:
        seconds: The duration.
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
