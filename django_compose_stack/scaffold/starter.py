"""The files of a new project: the repository's own at its root, and in the wheel a copy of them."""

import pkgutil
from pathlib import Path

# Each kind is a folder in the wheel, so that an update knows what an older version managed.
KINDS = {
    # An update merges what has changed in them into what a project has made of them.
    "managed": (
        ".dockerignore",
        ".env.example",
        ".gitattributes",
        ".gitignore",
        ".stack/__main__.py",
        "Dockerfile",
        "Makefile",
        "compose.yaml",
        "manage.py",
    ),
    # Written once. config/asgi.py, apps.py of the apps and the tests of accounts are not among them: Django needs
    # none of them, and a project of thirty files can be read.
    "seeds": (
        "apps/__init__.py",
        "apps/accounts/__init__.py",
        "apps/accounts/admin.py",
        "apps/accounts/migrations/0001_initial.py",
        "apps/accounts/migrations/__init__.py",
        "apps/accounts/models.py",
        "apps/pages/__init__.py",
        "apps/pages/admin.py",
        "apps/pages/migrations/0001_initial.py",
        "apps/pages/migrations/__init__.py",
        "apps/pages/models.py",
        "apps/pages/templates/pages/notes.html",
        "apps/pages/tests.py",
        "apps/pages/urls.py",
        "apps/pages/views.py",
        "config/__init__.py",
        "config/settings.py",
        "config/urls.py",
        "config/wsgi.py",
    ),
    # Written by the first `make debug`, then as managed.
    "debug": (".vscode/launch.json",),
    # Written by uv; they name the wheels only in a project.
    "locks": ("requirements.txt", "requirements/dev.txt", "requirements/native.txt", "requirements/prod.txt"),
}
EXECUTABLE = {"manage.py"}
# From here on the Makefile is that of the repository alone.
REPOSITORY_ONLY = b"\n# Of this repository alone"


def find_source():
    """Return the root of the repository that this program runs from; None where it runs from a wheel."""
    root = Path(__file__).parents[2]
    is_repository = all((root / name).is_file() for name in ("compose.yaml", "django_compose_stack/pyproject.toml"))
    return root if is_repository else None


SOURCE = find_source()


def contents(*kinds):
    """Return {name: bytes} of the files of these kinds as a new project gets them; locks still without the wheels."""
    return {name: content(kind, name) for kind in kinds for name in KINDS[kind]}


def content(kind, name):
    if SOURCE is None:
        return pkgutil.get_data("django_compose_stack", f"starter/{kind}/{name}")
    found = (SOURCE / name).read_bytes()
    return found.partition(REPOSITORY_ONLY)[0] if name == "Makefile" else found


def template(name):
    """Return the text of one of templates/."""
    return pkgutil.get_data("django_compose_stack.scaffold", f"templates/{name}-tpl").decode()
