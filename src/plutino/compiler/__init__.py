"""From a logical plan to a program: Python source generated per rule shape, in two tiers."""

from plutino.compiler.ends import compile_ends, positions
from plutino.compiler.rule import CompiledRule, compile_plan
from plutino.compiler.shapes import why_other

__all__ = ["CompiledRule", "compile_ends", "compile_plan", "positions", "why_other"]
