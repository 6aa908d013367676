"""From a logical plan to a program: Python source generated per rule shape, in two tiers."""

from plutino.compiler.describe import describe
from plutino.compiler.rule import CompiledRule, compile_plan

__all__ = ["CompiledRule", "compile_plan", "describe"]
