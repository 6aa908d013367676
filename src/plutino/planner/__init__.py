"""From syntax to a logical plan: names, types and functions bound, clauses checked. Opens nothing, runs nothing."""

from plutino.planner.explain import explain
from plutino.planner.plan import RulePlan
from plutino.planner.rule import plan_rule

__all__ = ["RulePlan", "explain", "plan_rule"]
