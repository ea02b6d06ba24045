"""What a public name's docstring must tell: every parameter and field, every error that it raises, the method's paper.

What overrides something (a method's ``run``, an energy's ``measure``) is told where it is declared; here are the names
that a user calls.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import scumble
from scumble import energies, errors, extras, maps
from scumble.energies.protocol import Energy
from scumble.methods.method import Method
from scumble.methods.registry import method_class, method_names

ERRORS = {name for name, thing in vars(errors).items() if inspect.isclass(thing) and issubclass(thing, Exception)}
OVERRIDDEN = (Method, Energy, extras.Extra)
"""Classes whose methods the package calls, and nobody else."""
ARXIV = re.compile(r"\d{4}\.\d{4,5}")


def public() -> Iterator[tuple[str, Any]]:
    """Every public class and function, by its name."""
    for package, prefix in ((scumble, ""), (maps, "maps."), (energies, "energies."), (extras, "extras.")):
        for name in package.__all__:
            thing = getattr(package, name)
            if not isinstance(thing, ModuleType) and (inspect.isclass(thing) or inspect.isfunction(thing)):
                yield prefix + name, thing


def called() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every function, and the methods of classes whose objects a user holds."""
    for name, thing in public():
        if inspect.isfunction(thing):
            yield name, thing
        elif not issubclass(thing, OVERRIDDEN):
            for member, value in vars(thing).items():
                function = inspect.unwrap(getattr(value, "__func__", value))
                if inspect.isfunction(function) and member[0] != "_" and _ours(function):
                    yield f"{name}.{member}", function


def _ours(function: Callable[..., Any]) -> bool:
    return function.__module__.startswith("scumble") and function.__name__ != "<lambda>"


CLASSES = {name: thing for name, thing in public() if inspect.isclass(thing)}
CALLED = dict(called())


def test_what_is_looked_at_is_all_there_is() -> None:
    assert {"Editor.edit", "batch", "redo", "extend", "Result.save", "maps.linear"} <= set(CALLED)
    assert {"Editor", "Inversion", "Recipe", "Request", "Words", "View", "energies.Shape"} <= set(CLASSES)


@pytest.mark.parametrize("name", sorted(CALLED))
def test_a_docstring_names_every_parameter_and_every_error(name: str) -> None:
    function = CALLED[name]
    text = inspect.getdoc(function)
    assert text, f"{name} has no docstring"
    if re.search(r"as for :(meth|func):`[~.\w]+`", text):  # told there, and named
        return
    given = [one for one in inspect.signature(function).parameters if one not in ("self", "cls")]
    words = set(re.findall(r"\w+", text.replace("*", "")))
    assert not [one for one in given if one.strip("*") not in words], f"{name} says nothing of these parameters"
    raised = {
        _name(node.exc)
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))
        if isinstance(node, ast.Raise) and node.exc is not None
    }
    assert not [error for error in raised & ERRORS if error not in text], f"{name} does not say that it raises these"


def _name(raised: ast.expr) -> str:
    return getattr(raised.func if isinstance(raised, ast.Call) else raised, "id", "")


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_class_tells_every_field(name: str) -> None:
    kind = CLASSES[name]
    assert inspect.getdoc(kind), name
    told = {
        target.id for base in kind.__mro__ if base.__module__.startswith("scumble") for target, _ in documented(base)
    }
    parts = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    fields = {*getattr(kind, "model_fields", ()), *(part.name for part in parts)}
    if not fields and kind.__init__ is not object.__init__ and not issubclass(kind, Exception):
        fields = set(inspect.signature(kind).parameters)
    words = {word for base in kind.__mro__[:-1] for word in re.findall(r"\w+", base.__doc__ or "")}
    untold = {field for field in fields if field[0] != "_"} - told - words - {"args", "kwargs"}
    assert not untold, f"{name} says nothing of {sorted(untold)}"


def documented(kind: type) -> Iterator[tuple[ast.Name, str]]:
    """The attributes of a class that have a string below them."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    for one, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(below, ast.Expr):
            yield one.target, ast.unparse(below)


@pytest.mark.parametrize("name", method_names())
def test_a_method_says_where_it_comes_from(name: str) -> None:
    """The papers that its page names stand in the docstring, too: the one that Python's help shows."""
    kind: type[Method] = method_class(name)
    assert kind.paper
    missing = [paper for paper in ARXIV.findall(kind.paper) if paper not in (kind.__doc__ or "")]
    assert not missing, f"{kind.__name__}: {kind.paper}"
