"""One stream for several readers, and several outputs as one: needs, batches, messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from plutino.model import Batch, RowError
from plutino.spi import InputNeed, common_kind


def merged_needs(parts: Sequence[Mapping[str, InputNeed]]) -> dict[str, InputNeed]:
    """What several programs need of their streams together. Assumptions that they do not share are not made."""
    merged: dict[str, InputNeed] = {}
    for needs in parts:
        for stream, need in needs.items():
            known = merged.get(stream)
            merged[stream] = msgspec.structs.replace(need, guard=None, twin=None) if known is None else _both(known, need)
    return merged


def _both(a: InputNeed, b: InputNeed) -> InputNeed:
    kinds = {**a.kinds, **b.kinds}
    both = {name: common_kind(a.kinds.get(name, kind), b.kinds.get(name, kind)) for name, kind in kinds.items()}
    agreed = {name: kind for name, kind in both.items() if kind is not None}
    columns = tuple(dict.fromkeys((*a.columns, *b.columns)))
    return InputNeed(columns, a.whole or b.whole, a.meta or b.meta, a.times or b.times, agreed)


def keeps_promise(need: InputNeed, merged: InputNeed) -> bool:
    """Whether a batch that keeps the merged assumptions keeps those of one program."""
    return all(name in merged.kinds and common_kind(merged.kinds[name], kind) == merged.kinds[name] for name, kind in need.kinds.items())


def portion(batch: Batch, guarded: bool, errors: list[RowError] | None) -> Batch:
    """The batch for one of several readers."""
    if (guarded or not batch.guarded) and errors is batch.errors:
        return batch
    return Batch(
        batch.rows,
        payloads=batch.payloads,
        records=batch.records,
        whole=batch.whole,
        arrival=batch.arrival,
        times=batch.times,
        meta=batch.meta,
        guarded=batch.guarded and guarded,
        errors=errors,
    )


def joined(outputs: Sequence[Batch | None], arrival: int) -> Batch | None:
    """Several outputs as one, message by message."""
    made = [output for output in outputs if output is not None]
    if len(made) < 2:
        return made[0] if made else None
    if any(output.parts is not None for output in made):
        return _joined_parts(made, arrival)
    rows: list[object] = []
    sizes: list[int] = []
    errors: list[RowError] = []
    for output in made:
        errors += [RowError(len(rows) + e.at, e.text, e.stage) for e in output.errors or ()]
        part = output.dicts() if output.passthrough else output.rows
        sizes += output.sizes if output.sizes is not None else []
        rows += part
        if output.sizes is None:
            sizes += [1] * len(part)
    windowed = any(output.sizes is not None for output in made)
    return Batch(rows, arrival=arrival, sizes=sizes if windowed else None, errors=errors or None)


def _joined_parts(made: Sequence[Batch], arrival: int) -> Batch:
    """Outputs of a rule with several ends as one, end by end; errors from before the ways part belong to every end."""
    count = next(len(output.parts) for output in made if output.parts is not None)
    parts: list[list[Batch | None]] = [[] for _ in range(count)]
    for output in made:
        for end, part in zip(parts, output.parts if output.parts is not None else [output] * count, strict=True):
            end.append(part)
    out = Batch([], arrival=arrival, errors=[error for output in made for error in output.errors or ()] or None)
    out.parts = [joined(outputs, arrival) for outputs in parts]
    return out
