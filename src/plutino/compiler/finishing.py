"""Compiling what stands behind grouping: HAVING, row numbers, ORDER BY and the select list."""

from __future__ import annotations

from typing import Any

from plutino.compiler.exact import ExactEmitter
from plutino.compiler.pieces import Pieces, define, returning, tuple_form
from plutino.execution.finishing import FinishCode, NumberingCode
from plutino.planner.bound import Bound
from plutino.planner.plan import Aggregate, Having, Order, RulePlan

ARGUMENTS = "e, g, x, n, s"


def finish_functions(pieces: Pieces) -> dict[str, str]:
    """The generated functions of ``FinishCode``, by name."""
    plan = pieces.plan
    functions: dict[str, str] = {}
    having, order = plan.find(Having), plan.find(Order)
    if having is not None:
        functions["having"] = _having(pieces, having)
    if order is not None:
        emitter = emitter_of(pieces)
        exprs = [k.expr for k in order.keys]
        functions["order"] = _named_failure(returning("order", ARGUMENTS, exprs, emitter, tuple_form(len(exprs))), "order", "Order By")
    for i, numbering in enumerate(plan.root.numberings):
        if numbering.partition or numbering.order:
            exprs = [*numbering.partition, *(k.expr for k in numbering.order)]
            form = f"({tuple_form(len(numbering.partition))}, {tuple_form(len(numbering.order))})"
            functions[f"number{i}"] = returning(f"number{i}", ARGUMENTS, exprs, emitter_of(pieces), form)
    output = "records" if pieces.output == "pass" else pieces.output
    functions["emit"] = define("emit", ARGUMENTS, pieces.select_lines(emitter_of(pieces), output))
    return functions


def asked_behind(plan: RulePlan) -> list[Bound]:
    """The expressions of the clauses behind grouping."""
    having, order = plan.find(Having), plan.find(Order)
    exprs = [i.expr for i in plan.root.items]
    exprs += [] if plan.root.qualify is None else [plan.root.qualify]
    exprs += [] if having is None else [having.condition]
    exprs += [] if order is None else [key.expr for key in order.keys]
    for numbering in plan.root.numberings:
        exprs += [*numbering.partition, *(key.expr for key in numbering.order)]
    return exprs


def emitter_of(pieces: Pieces) -> ExactEmitter:
    """Expressions over a row with its aggregates: ``e, g, x, n, s``."""
    emitter = pieces.at_entry(of_group=pieces.aggregated)
    aggregate = pieces.plan.find(Aggregate)
    if aggregate is not None:
        emitter.aggregates = {i: f"g[{i}]" for i in range(len(aggregate.calls))}
    return emitter


def _having(pieces: Pieces, having: Having) -> str:
    emitter = emitter_of(pieces)
    lines = emitter.reads([having.condition])
    lines += [
        "try:",
        f"    t_ = {emitter.emit(having.condition)}",
        "    if t_ is None: raise EvaluationError('invalid condition that returns non-bool value <nil>(<nil>)')",
        "    passes = holds(t_)",
        "except EvaluationError as error:",
        "    raise StageError('having', 'run Having error: ' + str(error)) from error",
    ]
    if "having" in pieces.hits:
        lines.append(f"if passes: {pieces.hits['having']}.hit({emitter.access.time})")
    return define("having", ARGUMENTS, [*lines, "return passes"])


def _named_failure(text: str, stage: str, words: str) -> str:
    """A function whose failures carry the clause's name."""
    head, *body = text.splitlines()
    lines = [head, "    try:", *(f"    {line}" for line in body)]
    lines += [
        "    except EvaluationError as error:",
        f"        raise StageError('{stage}', 'run {words} error: ' + str(error)) from error",
    ]
    return "\n".join(lines)


def finish_code(pieces: Pieces, made: dict[str, Any]) -> FinishCode:
    """The code behind grouping out of the functions made."""
    plan = pieces.plan
    order = plan.find(Order)
    numberings = tuple(
        NumberingCode(made.get(f"number{i}"), tuple(k.descending for k in numbering.order))
        for i, numbering in enumerate(plan.root.numberings)
    )
    return FinishCode(
        emit=made["emit"],
        having=made.get("having"),
        once=not pieces.aggregated,
        order=made.get("order"),
        descending=() if order is None else tuple(k.descending for k in order.keys),
        numberings=numberings,
        limit=plan.root.limit,
        spread=pieces.output == "spread",
        qualified=plan.root.qualify is not None,
    )
