"""Rules: a SELECT statement, its sinks and its options."""

from plutino.resources.rule.kind import RuleKind

SPECS = (RuleKind(),)
