"""From syntax to a logical plan: names, types and functions bound, clauses checked. Opens nothing, runs nothing."""

from plutino.planner.doubts import Doubt, doubts_of
from plutino.planner.explain import explain
from plutino.planner.plan import Plan, RulePlan, UnionPlan
from plutino.planner.rule import plan_rule

__all__ = ["Doubt", "Plan", "RulePlan", "UnionPlan", "doubts_of", "explain", "plan_rule"]
