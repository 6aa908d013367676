"""Tree to Python pattern, for those patterns that Python's engine runs at bounded cost."""

from __future__ import annotations

from plutino.model.regex.tree import MAX_CODE, Choice, Edge, Group, OneOf, Part, Ranges, Repeat, Sequence, nullable


def open_repeats(part: Part) -> int | None:
    """How many repetitions without end follow one another; ``None`` when a backtracking engine may take exponential time.

    That can happen when a part is repeated that can be matched in several ways.
    """
    match part:
        case OneOf() | Edge():
            return 0
        case Group(inner, _):
            return open_repeats(inner)
        case Sequence(parts) | Choice(parts):
            found = [open_repeats(p) for p in parts]
            return None if None in found else sum(n for n in found if n is not None)
        case Repeat(inner, _, most, _):
            if most in (0, 1):
                return open_repeats(inner)
            if not _one_way(inner):
                return None
            return 1 if most is None else most.bit_length()


def _one_way(part: Part) -> bool:
    """Whether a part matches any text in one way at most."""
    match part:
        case OneOf():
            return True
        case Group(inner, _):
            return _one_way(inner)
        case Sequence(parts):
            return all(map(_one_way, parts)) and not nullable(part)
        case Repeat(inner, least, most, _):
            return least == most and least > 0 and _one_way(inner)
    return False


def to_python(part: Part) -> str:
    """The pattern for ``re.compile``; needs no flags."""
    match part:
        case OneOf(ranges):
            return _set(ranges)
        case Edge(place):
            return place
        case Sequence(parts):
            return "".join(f"(?:{to_python(p)})" if isinstance(p, Choice) else to_python(p) for p in parts)
        case Choice(parts):
            return "|".join(map(to_python, parts))
        case Group(inner, _):
            return f"({to_python(inner)})"
        case Repeat(inner, least, most, greedy):
            body = to_python(inner) if isinstance(inner, OneOf | Group) else f"(?:{to_python(inner)})"
            times = f"{{{least},{'' if most is None else most}}}"
            return body + times + ("" if greedy else "?")


def _set(ranges: Ranges) -> str:
    if not ranges:
        return r"[^\x00-\U0010ffff]"
    if ranges == ((0, MAX_CODE),):
        return "(?s:.)"
    inside = "".join(_code(low) if low == high else f"{_code(low)}-{_code(high)}" for low, high in ranges)
    return f"[{inside}]"


def _code(code: int) -> str:
    return f"\\U{code:08x}"
