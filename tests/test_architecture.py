"""The house holds: imports go down only, no two packages import each other, nothing in the library needs the lab."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

SRC = Path(__file__).parents[1] / "src"

LAYERS = (
    ("cli",),
    ("studio",),
    ("work",),
    ("editing",),
    ("records",),
    ("methods",),
    ("controls",),
    ("inversion", "energies"),
    ("models", "maps"),
    ("images",),
    ("core",),
)
"""Packages from the top down: a module may import from its own package and from those below."""

RANK = {package: rank for rank, packages in enumerate(LAYERS) for package in packages}
MODULES = sorted((SRC / "scumble").rglob("*.py"))


def package_of(path: Path) -> str:
    parts = path.relative_to(SRC / "scumble").parts
    return parts[0] if len(parts) > 1 else ""


def imports(path: Path) -> set[str]:
    """Modules of ours that a file imports when it runs, inside functions too, but not for type checkers only."""
    tree = ast.parse(path.read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.split(".")[0] in ("scumble", "scumble_lab")}


def packages_used(path: Path) -> set[str]:
    parts = (name.split(".") for name in imports(path) if name.startswith("scumble."))
    return {part[1] for part in parts if part[1] in RANK}


def test_every_package_of_the_library_has_a_place_in_the_order() -> None:
    packages = {package_of(path) for path in MODULES} - {"", "bundled"}
    assert packages <= set(RANK), f"say in LAYERS where {packages - set(RANK)} stands"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_go_down_only(path: Path) -> None:
    package = package_of(path)
    if package in RANK:
        wrong = {other for other in packages_used(path) if other != package and RANK[other] <= RANK[package]}
        assert not wrong, f"{path.name} in {package} imports from {', '.join(sorted(wrong))}, not below it"


def test_no_two_packages_import_each_other() -> None:
    edges = {(package_of(path), other) for path in MODULES for other in packages_used(path)}
    both = {tuple(sorted(edge)) for edge in edges if edge[0] != edge[1] and edge[::-1] in edges}
    assert not both, f"these import each other: {both}"


def test_only_commands_import_the_lab() -> None:
    users = {package_of(path) for path in MODULES if any(name.startswith("scumble_lab") for name in imports(path))}
    assert users <= {"cli"}


def test_core_imports_nothing_of_ours() -> None:
    for path in (SRC / "scumble" / "core").rglob("*.py"):
        foreign = {name for name in imports(path) if not name.startswith("scumble.core")}
        assert not foreign, f"{path.name} imports {foreign}"


def method_files() -> list[Path]:
    """The files in which a method's class is defined."""
    from scumble.methods.registry import METHODS

    modules = {where.partition(":")[0] for where in METHODS.values()}
    return sorted(SRC / f"{module.replace('.', '/')}.py" for module in modules)


def test_a_method_file_holds_the_method_and_nothing_else() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in method_files()}
    long = {name: lines for name, lines in lengths.items() if lines > 120}
    assert not long, f"split these by thought: {long}"
    assert median(lengths.values()) <= 70


def test_quirks_of_published_code_live_in_their_own_folder() -> None:
    conditionals = [
        f"{path.relative_to(SRC)}:{node.lineno}"
        for path in MODULES
        if "official" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.If | ast.IfExp | ast.Compare)
        and any(
            (isinstance(part, ast.Attribute) and part.attr == "compat")
            or (isinstance(part, ast.Name) and part.id == "compat")
            for part in ast.walk(node.test if isinstance(node, ast.If | ast.IfExp) else node)
        )
    ]
    assert len(conditionals) <= 15, conditionals


def test_drag_noise_is_read_in_eight_files() -> None:
    """Its own and those of its family that it names; the engine behind them is shared by all methods."""
    family = "scumble.methods.drag"
    path = SRC / f"{family.replace('.', '/')}" / "drag_noise.py"
    modules = {name for name in imports(path) if (SRC / f"{name.replace('.', '/')}.py").is_file()}
    assert len([name for name in modules if name.startswith(family)]) + 1 <= 8


def test_names_of_lazy_packages_are_where_they_say() -> None:
    import scumble.models

    assert all(getattr(scumble.models, name) is not None for name in scumble.models.__all__)
