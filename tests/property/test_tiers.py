"""The fast tier and the exact tier compute the same, whatever the rule and the rows."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from corpus.in_process import FixedEnvironment, exact_only, registry, stream_of
from corpus.random_rules import Grammar, plain
from plutino.compiler import compile_plan
from plutino.errors import PlutinoError
from plutino.model import Batch, Ref
from plutino.planner import plan_rule
from plutino.spi import ArgCheck, DecodePlan, RuleOptions
from plutino.sql import parse_select

COLUMNS = ("a", "b", "s", "f")
SCHEMAS = ("", "a bigint, b float, s string, f boolean")
PATHS = "a bigint, b float, s string, f boolean, l array(bigint), m struct(k bigint), ts bigint"

literals = st.one_of(
    st.integers(-5, 5).map(str),
    st.sampled_from(["0.5", "2.0", "-1.25"]),
    st.sampled_from(["'x'", "'ab'", "''"]),
    st.sampled_from(["true", "false"]),
)
columns = st.sampled_from(COLUMNS)
operands = st.one_of(columns, literals)


def _binary(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["+", "-", "*", "/", "%", "=", "!=", "<", "<=", ">", ">=", "AND", "OR"])
    return st.tuples(inner, operator, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")


def _others(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(columns, literals, literals).map(lambda t: f"({t[0]} between {t[1]} and {t[2]})"),
        st.tuples(columns, st.lists(literals, min_size=1, max_size=3)).map(lambda t: f"({t[0]} in ({', '.join(t[1])}))"),
        st.tuples(columns, st.lists(literals, min_size=1, max_size=3)).map(lambda t: f"({t[0]} not in ({', '.join(t[1])}))"),
        st.tuples(columns, st.sampled_from(["'a%'", "'_'", "'%b'"])).map(lambda t: f"({t[0]} like {t[1]})"),
        st.tuples(inner, literals).map(lambda t: f"(case when {t[0]} = {t[1]} then 1 else 2 end)"),
    )


expressions = st.recursive(operands, lambda inner: st.one_of(_binary(inner), _others(inner)), max_leaves=6)
values = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([0.5, 2.0, -1.25, 1e300]),
    st.sampled_from(["x", "ab", ""]),
    st.booleans(),
    st.none(),
    st.just([1]),
    st.just({"k": 1}),
)
usual = {"a": st.integers(-5, 5), "b": st.sampled_from([0.5, 2.0]), "s": st.sampled_from(["x", "ab"]), "f": st.booleans()}
rows = st.lists(st.one_of(st.fixed_dictionaries(usual), st.dictionaries(columns, values)), min_size=1, max_size=6)


def _environment(schema: str) -> FixedEnvironment:
    definition = stream_of("demo", f'({schema}) WITH (FORMAT="json")')
    return FixedEnvironment({definition.ref: definition})


ENVIRONMENTS = {schema: _environment(schema) for schema in (*SCHEMAS, PATHS)}


def _results(batch: Batch | None) -> tuple[list[Any], list[tuple[int, str]]]:
    if batch is None:
        return [], []
    return [plain(row) for row in batch.dicts()], [(e.at, e.text) for e in batch.errors or ()]


def _agree(sql: str, schema: str, payloads: list[bytes]) -> None:
    """A statement gives the same in both tiers, if it is one."""
    env = ENVIRONMENTS[schema]
    try:
        compiled = compile_plan(plan_rule(parse_select(sql), env, RuleOptions(), rule_id="r"))
    except PlutinoError:
        return
    need, spec = compiled.needs["demo"], registry().formats["json"]
    content = env.definitions[Ref("stream", "demo")].content
    decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds, content.schema), spec.options())
    fast, exact = decoder.decode(payloads), decoder.decode(payloads)
    program, other = compiled.factory(), exact_only(compiled.factory())
    for each in (program, other):
        each.start(1000)
    assert _results(program.push("demo", fast)) == _results(other.push("demo", exact)), f"{sql!r} over {payloads}"


@given(schema=st.sampled_from(SCHEMAS), where=expressions, item=expressions, records=rows)
def test_fast_and_exact_tier_agree(schema: str, where: str, item: str, records: list[dict[str, Any]]) -> None:
    """A generated rule over generated rows gives the same rows and the same errors in both tiers."""
    _agree(f"select a, {item} as x, s as t from demo where {where}", schema, [msgspec.json.encode(record) for record in records])


PER_EXAMPLE = 20


@given(st.integers(0, 2**48))
def test_tiers_agree_on_functions_and_paths(seed: int) -> None:
    """Calls of every function that gives the same for the same arguments, paths, aliases and stars: the same in both tiers."""
    for number in range(PER_EXAMPLE):
        chance = Random(seed + number)
        grammar = Grammar(chance, repeatable=True)
        items = f"{grammar.expression()} as x, {chance.choice(('a', '*', 'x as y', 'm->k', grammar.expression(1)))}"
        where = f" where {grammar.expression(2)}" if chance.random() < 0.5 else ""
        _agree(f"select {items} from demo{where}", chance.choice(("", PATHS)), grammar.rows())


@given(st.integers(0, 2**48))
def test_tiers_agree_on_expressions_of_fitting_kinds(seed: int) -> None:
    """Expressions whose operands are of the kinds that operators and functions want, which the fast tier takes most of the time."""
    for number in range(PER_EXAMPLE):
        chance = Random(seed + number)
        items = ", ".join(f"{fitting(chance, chance.choice(KINDS), 3)} as x{i}" for i in range(2))
        where = f" where {fitting(chance, 'boolean', 2)}" if chance.random() < 0.6 else ""
        star = chance.choice(("", "", ", *", ", s"))
        _agree(f"select {items}{star} from demo{where}", chance.choice(("", PATHS)), Grammar(chance).rows())


KINDS = ("number", "string", "boolean")
LEAVES = {
    "number": ("a", "b", "a", "b", "m->k", "1", "2", "0", "-3", "2.5", "0.5"),
    "string": ("s", "s", "'x'", "'ab'", "''"),
    "boolean": ("f", "true", "a > 1", "s = 'x'"),
}
RETURNS = {"number": ("float", "bigint"), "string": ("string",), "boolean": ("boolean",)}
FUNCTIONS = {name: spec for name, spec in registry().functions.items() if spec.pure and spec.kind_blind and spec.validate is None}
CALLS = {kind: sorted(name for name, spec in FUNCTIONS.items() if spec.returns in RETURNS[kind]) for kind in KINDS}
WANTED = {ArgCheck.NUMBER: "number", ArgCheck.INT: "number", ArgCheck.STRING: "string", ArgCheck.BOOL: "boolean"}


def fitting(chance: Random, kind: str, depth: int) -> str:
    """An expression of a kind."""
    if depth == 0 or chance.random() < 0.2:
        return chance.choice(LEAVES[kind])

    def inner(wanted: str) -> str:
        return fitting(chance, wanted, depth - 1)

    shape = chance.random()
    if shape < 0.35:
        spec = registry().functions[chance.choice(CALLS[kind])]
        given_out = len(spec.args) - chance.randint(0, spec.optional)
        args = ("a" if arg.check is ArgCheck.INT else inner(WANTED.get(arg.check, "number")) for arg in spec.args[:given_out])
        return f"{spec.name}({', '.join(args)})"
    if shape < 0.45:
        otherwise = chance.choice(("", f"else {inner(kind)}"))
        return f"case when {inner('boolean')} = {chance.choice(('true', 'false'))} then {inner(kind)} {otherwise} end"
    match kind:
        case "number":
            return f"({inner(kind)} {chance.choice('+-*/%')} {inner(kind)})"
        case "string":
            return f"concat({inner(kind)}, {inner(kind)})"
        case _:
            other = chance.choice(("number", "number", "string"))
            few = ", ".join(leaf for leaf in LEAVES[other] if leaf[0] in "'0123456789-")
            return chance.choice(
                (
                    f"({inner(kind)} {chance.choice(('AND', 'OR'))} {inner(kind)})",
                    f"({inner(other)} {chance.choice(('=', '!=', '<', '<=', '>', '>='))} {inner(other)})",
                    f"({inner(other)} {chance.choice(('', 'not '))}in ({few}))",
                    f"({inner(other)} {chance.choice(('', 'not '))}between {inner(other)} and {inner(other)})",
                    f"({inner('string')} {chance.choice(('', 'not '))}like '{chance.choice(('a%', '_', '%b', 'x'))}')",
                )
            )
