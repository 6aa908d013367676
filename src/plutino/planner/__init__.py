"""From syntax to a logical plan: names, types and functions bound, clauses checked. Opens nothing, runs nothing."""

from plutino.planner.plan import Plan, RulePlan, UnionPlan
from plutino.planner.rule import plan_rule

__all__ = ["Plan", "RulePlan", "UnionPlan", "plan_rule"]
