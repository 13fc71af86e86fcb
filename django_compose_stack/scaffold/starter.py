"""The files of a new project: the repository's own at its root, and in the wheel a copy of them.

Python 3.8 or newer, standard library only.
"""

import pkgutil
from pathlib import Path

# The update merges them into what a project has made of them.
MANAGED = (
    ".dockerignore",
    ".env.example",
    ".gitattributes",
    ".gitignore",
    ".stack/__main__.py",
    "Dockerfile",
    "Makefile",
    "compose.yaml",
    "manage.py",
)
# Written once; nothing changes them later.
SEEDS = (
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
)
# Written by uv; they name the wheels only in a project.
LOCKS = ("requirements.txt", "requirements/dev.txt", "requirements/native.txt", "requirements/prod.txt")
FILES = (*MANAGED, *SEEDS, *LOCKS)
EXECUTABLE = {"manage.py"}
# From here on the Makefile is that of the repository alone.
REPOSITORY_ONLY = b"\n# Of this repository alone"


def find_source():
    """Return the root of the repository that this program runs from; None where it runs from a wheel."""
    root = Path(__file__).parents[2]
    is_repository = all((root / name).is_file() for name in ("compose.yaml", "django_compose_stack/pyproject.toml"))
    return root if is_repository else None


SOURCE = find_source()


def content(name):
    """Return the bytes of one of FILES as a new project gets them; locks still without the wheels."""
    if SOURCE is None:
        return pkgutil.get_data("django_compose_stack", f"starter/{name}")
    found = (SOURCE / name).read_bytes()
    return found.partition(REPOSITORY_ONLY)[0] if name == "Makefile" else found
