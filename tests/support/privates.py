"""Which private names of other packages a module of ours uses, by reading it."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

OWN = "_kai_"
"""How the names begin that we hang on objects of others ourselves."""


def private_names(path: Path) -> set[str]:
    """Private names that the module reads or sets on objects that are not its own, by dot or by ``getattr``, or overrides."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case (
                ast.Attribute(attr=name)
                | ast.Call(
                    func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr"),
                    args=[_, ast.Constant(value=str(name)), *_],
                )
            ):
                found.add(name)
            case ast.ClassDef(bases=[_, *_]):
                found |= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
            case _:
                pass
    return {name for name in found if re.fullmatch(r"_(?!_)\w+", name) and not name.startswith(OWN)}


@cache
def _source(package: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return "\n".join(
        path.read_text(encoding="utf-8") for path in sorted(Path(spec.origin).parent.rglob("*.py"))
    )


def stands_in(package: str, name: str) -> bool:
    """Whether the installed package has that private name; a mangled one in the class that it was mangled for."""
    text = _source(package)
    mangled = re.fullmatch(r"_([A-Z]\w*?)(__\w+)", name)
    if mangled is None:
        return re.search(rf"\b{name}\b", text) is not None
    body = re.search(rf"^class {mangled[1]}\b.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return body is not None and re.search(rf"\b{mangled[2]}\b", body[0]) is not None
