"""Names inside syntax trees: which are read, and trees with other names."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from msgspec.structs import replace

from plutino.sql import columns_in, tree

N = TypeVar("N")

Change = Callable[[tree.Column | tree.Wildcard], tree.Expr]


def plain_names(node: object, sources: Collection[str]) -> set[str]:
    """Names that are read without the name of a source in front; of a path its first part."""
    found = set()
    for column in columns_in(node):
        if column.stream is None:
            found.add(column.name)
        elif column.stream not in sources:
            found.add(column.stream)
    return found


def rewritten(node: N, change: Change) -> N:
    """A tree with its columns and wildcards changed."""
    changed: N = _rewritten(node, change)
    return changed


def renamed(node: N, old: str, new: tree.Column, sources: Collection[str]) -> N:
    """A tree that reads the column ``new`` wherever it read the plain name ``old``."""

    def change(found: tree.Column | tree.Wildcard) -> tree.Expr:
        if isinstance(found, tree.Column):
            if found.stream is None and found.name == old:
                return new
            if found.stream == old and old not in sources:
                return tree.Arrow(new, found.name)
        return found

    return rewritten(node, change)


def of_groups(expr: tree.Expr, aggregates: Callable[[tree.Expr], bool], known: Callable[[tree.Column], bool]) -> tree.Expr:
    """A condition on groups: columns outside of aggregates become those of the first row, unless they are ``known`` to be of groups."""

    def change(found: tree.Column | tree.Wildcard) -> tree.Expr:
        if isinstance(found, tree.Wildcard) or known(found):
            return found
        return tree.Index(tree.Call("collect", (found,)), tree.Literal(0))

    def keep(node: tree.Node) -> bool:
        return isinstance(node, tree.Call) and aggregates(tree.Call(node.name, ()))

    changed: tree.Expr = _rewritten(expr, change, keep)
    return changed


def _nothing(node: tree.Node) -> bool:
    return False


def _rewritten(node: Any, change: Change, keep: Callable[[tree.Node], bool] = _nothing) -> Any:
    """A tree with its columns and wildcards changed, less what stands inside of nodes that are kept."""
    if isinstance(node, tree.Column):
        return change(node)
    if isinstance(node, tree.Wildcard):
        star = change(node)
        replaced = _rewritten(node.replaced, change, keep)
        return star if replaced is node.replaced or not isinstance(star, tree.Wildcard) else replace(star, replaced=replaced)
    if isinstance(node, tree.Node):
        if keep(node):
            return node
        changed = {}
        for field in node.__struct_fields__:
            old = getattr(node, field)
            if field != "span" and isinstance(old, tree.Node | tuple):
                new = _rewritten(old, change, keep)
                if new is not old:
                    changed[field] = new
        return replace(node, **changed) if changed else node
    if isinstance(node, tuple):
        members = tuple(_rewritten(member, change, keep) for member in node)
        return members if any(new is not old for new, old in zip(members, node, strict=True)) else node
    return node
