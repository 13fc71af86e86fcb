"""Say what is likely to fix an error, for the mistakes that are made most."""

import difflib
import os
import pkgutil
import re
import sys
import traceback
from glob import iglob
from itertools import islice

from ..project_paths import ProjectPaths

SUGGESTION = re.compile(r"[Dd]id you (mean|forget to import):? '([\w.]+)'")
MODEL = re.compile(r"Model class ([\w.]+)\.\w+ doesn't declare an explicit app_label")
PARTIAL = re.compile(r"partially initialized module '([\w.]+)'")
TABLE = re.compile(r"no such (table|column)|(relation|column) .* does not exist|Table .* doesn't exist|Unknown column")
SHORTEST = 3  # letters of a name that is looked for in another
MAX_FILES = 5000  # templates to compare a name with


def chain(error: BaseException | None):
    """Yield the error, then what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def hint(error: BaseException, project: ProjectPaths) -> str:
    """Return a sentence or two; empty where nothing is known about this error."""
    for rule in (circular_import, close_name, missing_module, missing_app, missing_template, missing_migration):
        if text := rule(error, project):
            return text
    return ""


def circular_import(error: BaseException, project: ProjectPaths) -> str:
    match = PARTIAL.search(str(error)) if isinstance(error, (ImportError, AttributeError)) else None
    if match is None:
        return ""
    paths = [line.filename for line in traceback.extract_tb(error.__traceback__) if line.name == "<module>"]
    places = [os.path.relpath(path, project.root) for path in paths if project.locate(path, code=True)]
    again = getattr(sys.modules.get(match[1]), "__file__", None) or getattr(error, "path", None)
    if again:
        again = os.path.relpath(again, project.root)
        places = [*places[places.index(again) if again in places else 0 :], again]
    return (
        f"Modules import each other: {' → '.join(places)}. Move one of these imports into the function that needs it."
    )


def close_name(error: BaseException, project: ProjectPaths) -> str:
    """Say what Python itself suggests when it prints the error; for names in submodules it has nothing."""
    if isinstance(error, ImportError) and error.name_from:
        close = difflib.get_close_matches(error.name_from, dir(sys.modules.get(error.name)), 1)
        return f"Did you mean {close[0]}?" if close else ""
    if not isinstance(error, (NameError, AttributeError)):
        return ""
    printed = "".join(traceback.TracebackException.from_exception(error).format_exception_only())
    match = SUGGESTION.search(printed)
    if match is None:
        return ""
    return f"Did you mean {match[2]}?" if match[1] == "mean" else f"Is this line missing? import {match[2]}"


def missing_module(error: BaseException, project: ProjectPaths) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    parent, dot, name = error.name.rpartition(".")
    path = getattr(sys.modules.get(parent), "__path__", None)
    if dot and path is None:
        return f"{parent} is a module, not a package, so nothing can be imported from inside it."
    known = {module.name for module in pkgutil.iter_modules(path)} | (set() if dot else sys.stdlib_module_names)
    for at in range(SHORTEST, len(name) - SHORTEST + 1):
        if not dot and {name[:at], name[at:]} <= known:
            return f'Is a comma missing between "{name[:at]}" and "{name[at:]}", in INSTALLED_APPS perhaps?'
    if close := difflib.get_close_matches(name, known, 1, 0.7):
        return f"Did you mean {parent}{dot}{close[0]}?"
    return (
        "" if dot else f"If {name} is a package that is not installed yet, add it to the requirements and install it."
    )


def missing_app(error: BaseException, project: ProjectPaths) -> str:
    match = MODEL.search(str(error)) if isinstance(error, RuntimeError) else None
    return f'Add "{match[1].partition(".models")[0]}" to INSTALLED_APPS.' if match else ""


def missing_template(error: BaseException, project: ProjectPaths) -> str:
    if type(error).__name__ != "TemplateDoesNotExist":
        return ""
    name = str(error)
    places = [str(origin.name) for origin, _ in getattr(error, "tried", [])]
    folders = list(dict.fromkeys(place.removesuffix(f"/{name}") for place in places))
    found = (path for folder in folders for path in iglob("**", root_dir=folder, recursive=True))
    close = difflib.get_close_matches(name, islice(found, MAX_FILES), 1, 0.7)
    shown = ", ".join(os.path.relpath(folder, project.root) for folder in folders if project.locate(f"{folder}/"))
    own = f"The project's folders that were searched: {shown or 'none'}."
    return f"Did you mean {close[0]}? {own}" if close else own


def missing_migration(error: BaseException, project: ProjectPaths) -> str:
    if type(error).__name__ in ("OperationalError", "ProgrammingError") and TABLE.search(str(error)):
        return "A migration may be missing. Run: python manage.py makemigrations && python manage.py migrate"
    return ""
