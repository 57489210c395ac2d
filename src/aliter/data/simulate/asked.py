"""What may be asked of a simulator."""

from aliter.core.errors import RequestError


def require_drawn(what: str, index: int, count: int, remedy: str = "raise the count") -> None:
    """Refuse what a simulator does not draw.

    Raises
    ------
    RequestError
        If ``index`` is none of the ``count``.
    """
    if not 0 <= index < count:
        raise RequestError(f"expected a {what} from 0 to {count - 1}, found {index}; {remedy}")


def require_cell(classes: tuple[str, ...], count: int, index: int, *labels: int) -> None:
    """Refuse a cell that a simulator of ``classes``, ``count`` cells each, does not draw; errors are as above."""
    for label in labels:
        require_drawn("class", label, len(classes), "see 'classes'")
    require_drawn("cell", index, count)
