"""From a logical plan to a program: Python source generated per rule shape, in two tiers."""

from plutino.compiler.describe import describe
from plutino.compiler.ends import compile_ends, positions
from plutino.compiler.rule import CompiledRule, compile_plan
from plutino.compiler.shapes import why_other

__all__ = ["CompiledRule", "compile_ends", "compile_plan", "describe", "positions", "why_other"]
