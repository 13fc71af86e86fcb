"""Reads Python source without running it: where modules are, and which variables expressions read."""

import ast
import re
from pathlib import Path
from typing import List, NamedTuple, Optional

VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
# What reads a variable: the last part of the function's name, in django-environ, python-decouple, os and by custom.
READER = re.compile(
    r"(env|getenv|config|get_?env\w*|env\w+|\w*_env|str|bool|int|list|json|db|db_url|cache_url|url|path)"
)


class Read(NamedTuple):
    """A variable that settings read. required: without a default; setting: what it is for, such as DEBUG."""

    name: str
    required: bool
    setting: str
    node: ast.AST


def module_path(module, roots) -> Optional[Path]:
    """Return the file of a module below one of the folders; None where there is none."""
    for root in roots:
        base = root.joinpath(*module.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def parse(path) -> Optional[ast.Module]:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def chain(module, roots) -> List[Path]:
    """Return the files of a settings module and of what it imports by *, in the order in which they count."""
    found: List[Path] = []

    def visit(name, path):
        if path is None or path in found:
            return
        tree = parse(path)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                parents = package.split(".") if package else []
                base = parents[: len(parents) - node.level + 1] if node.level else []
                target = ".".join([*base, *([node.module] if node.module else [])])
                visit(target, module_path(target, roots))
            elif isinstance(node, ast.Call) and called(node).endswith("include") and "split_settings" in ast.dump(tree):
                for argument in map(constant, node.args):
                    for each in sorted(path.parent.glob(argument)) if argument else ():
                        visit(f"{package}.{each.stem}", each)
        found.append(path)

    visit(module, module_path(module, roots))
    return found


def constant(node) -> str:
    """Return the text of a string in the source; empty for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def called(node) -> str:
    """Return the dotted name of what a call calls; empty where it is not a plain name."""
    return dotted(node.func)


def dotted(node) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return ""


def is_environ(node) -> bool:
    return dotted(node) in ("os.environ", "environ")


def read_of(node, setting="") -> Optional[Read]:
    """Return the variable that an expression reads; None where it reads none."""
    if isinstance(node, ast.Subscript) and is_environ(node.value):
        # Before Python 3.9 the key stands in an Index.
        key = constant(
            getattr(node.slice, "value", node.slice) if not isinstance(node.slice, ast.Constant) else node.slice
        )
        return Read(key, True, setting, node) if key else None
    if not isinstance(node, ast.Call) or not node.args or not VARIABLE.fullmatch(constant(node.args[0])):
        return None
    name = called(node)
    last = name.rpartition(".")[2]
    if isinstance(node.func, ast.Attribute) and last in ("get", "setdefault"):
        return Read(constant(node.args[0]), False, setting, node) if is_environ(node.func.value) else None
    if not READER.fullmatch(last) or (
        "." in name and last not in ("getenv",) and not re.search("env|config", name.lower())
    ):
        return None
    # Functions of the project's own, such as env_or_none, may have a default inside.
    is_strict = name in ("env", "config") or name.startswith(("env.", "config."))
    has_default = len(node.args) > 1 or any(word.arg == "default" for word in node.keywords)
    return Read(constant(node.args[0]), is_strict and not has_default, setting, node)


def targets(node) -> List[str]:
    """Return the names that a statement assigns to."""
    if isinstance(node, ast.Assign):
        return [dotted(each) or dotted(getattr(each, "value", each)) for each in node.targets]
    if isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        return [dotted(node.target)]
    return []
