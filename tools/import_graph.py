"""The imports between this project's own modules, read from the source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = {name: ROOT / folder for name, folder in (("cg2ls", "."), ("cg2_quantize", "quantize"))} | {
    name: ROOT / folder for name, folder in (("cg2_runtimes", "quantize"), ("cg2_training", "training"))
}
"""Each product package and its folder."""

Graph = Mapping[str, Set[str]]
"""Every module with the modules that it imports."""


def product_files() -> dict[str, Path]:
    """Map every product module's dotted name to its file."""
    found: dict[str, Path] = {}
    for package, folder in SOURCES.items():
        for path in sorted((folder / package).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def import_graph() -> dict[str, set[str]]:
    """Read which product module imports which, imports for type checkers and inside functions included."""
    files = product_files()
    return {
        module: {
            target
            for name in imported_names(path)
            if (target := _longest_module(name, files)) not in {None, module}
        }
        for module, path in files.items()
    }


def imported_names(path: Path) -> Iterator[str]:
    """Yield the dotted names a file imports, `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def cycles(graph: Graph) -> list[list[str]]:
    """Return the strongly connected components of more than one module, the largest first (Tarjan 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for root in graph:
        if root in order:
            continue
        work = [(root, iter(sorted(graph[root])))]
        order[root] = lowest[root] = len(order)
        stack.append(root)
        while work:
            module, rest = work[-1]
            if (target := next(rest, None)) is not None:
                if target not in order:
                    order[target] = lowest[target] = len(order)
                    stack.append(target)
                    work.append((target, iter(sorted(graph[target]))))
                elif target in stack:
                    lowest[module] = min(lowest[module], order[target])
                continue
            work.pop()
            if work:
                lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[module])
            if lowest[module] == order[module]:
                cut = stack.index(module)
                component = stack[cut:]
                del stack[cut:]
                if len(component) > 1:
                    found.append(sorted(component))
    return sorted(found, key=len, reverse=True)


def _longest_module(name: str, files: Mapping[str, Path]) -> str | None:
    parts = name.split(".")
    candidates = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((candidate for candidate in candidates if candidate in files), None)
