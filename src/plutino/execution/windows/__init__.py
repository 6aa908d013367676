"""Window operators: which rows belong together, and when they are given out (sql reference §5)."""

from plutino.execution.windows.operator import Fired, WindowOperator

__all__ = ["Fired", "WindowOperator"]
