"""SQL front end: text to syntax tree and back.

``parse_statement``, ``parse_select`` and ``parse_expression`` raise ``SqlSyntaxError`` and nothing else; ``to_sql`` writes a tree. The
nodes are in ``plutino.sql.tree``. Nothing here knows functions, streams or types of values: that is the planner's.
"""

from plutino.sql.parser import is_select, parse_expression, parse_select, parse_statement
from plutino.sql.printer import to_sql
from plutino.sql.sources import sources_of
from plutino.sql.walking import calls_in, columns_in, selects_in

__all__ = [
    "calls_in",
    "columns_in",
    "is_select",
    "parse_expression",
    "parse_select",
    "parse_statement",
    "selects_in",
    "sources_of",
    "to_sql",
]
