"""What `init` writes into a project, and what it has to say about it."""

import re
from typing import Dict, List, NamedTuple

from django_compose_stack.scaffold import dockerfile, git, locks, reading, starter, wheel
from django_compose_stack.scaffold.manifest import TOOLS
from django_compose_stack.scaffold.notes import to_know
from django_compose_stack.scaffold.render import indent, render, template

COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
POSTGRES = {"postgresql", "postgis"}
# What the stack itself imports besides Django.
NEEDED = ("django-environ", "segno")
DRIVERS = ("psycopg", "psycopg2", "psycopg2-binary")
DEFAULT_DRIVER = "psycopg[binary]>=3.2"
# What the stack leaves behind, and a path in it to ask git about.
IGNORED = {".env": ".env", ".native/": ".native/x", ".postgres/": ".postgres/x", "/backups/": "backups/x"}
HERE = "${DB_SERVICE:-db}"
URL = f"postgres://${{POSTGRES_USER:-app}}:${{POSTGRES_PASSWORD:-app}}@{HERE}:5432/${{POSTGRES_DB:-app}}"
VALUES = {
    "HOST": HERE,
    "PORT": "5432",
    "NAME": "${POSTGRES_DB:-app}",
    "USER": "${POSTGRES_USER:-app}",
    "PASSWORD": "${POSTGRES_PASSWORD:-app}",
    "ENGINE": "django.db.backends.postgresql",
}
# What lets settings that name another database reach that of Compose.
REACH = (
    'DATABASES["default"].update({k: os.environ[f"POSTGRES_{k}"] for k in ("HOST", "USER", "PASSWORD")'
    ' if f"POSTGRES_{k}" in os.environ})'
)
PLAIN = {"true", "false", "yes", "no", "on", "off", "null"}


class Plan(NamedTuple):
    """files: new ones, their text or bytes by path. changes: of the user's files, (old, new) text by path.

    notes: what the user should know, or decide. facts: what was found, in a line. command: how commands begin, "make"
    say. undo: what takes all of it away again.
    """

    files: Dict[str, object]
    changes: Dict[str, tuple]
    notes: List[str]
    facts: str
    command: str
    undo: str


def database_of(project, wanted) -> str:
    """Return the database of development: "postgres", or what the settings have, "sqlite3" or "mysql" say."""
    settings, packages = project.settings, project.packages
    if wanted:
        return wanted
    has_driver = any(name in {**packages.packages, **packages.others} for name in DRIVERS)
    if settings.engines & POSTGRES or (settings.urls and has_driver):
        return "postgres"
    return next(iter(sorted(settings.engines)), "sqlite3" if not has_driver else "postgres")


def settings_path(project) -> tuple:
    """Return where the settings module of development goes, beside the project's own, and what it is called."""
    path, module = project.settings.files[-1], project.module
    if path.name == "__init__.py":
        return path.with_name("stack.py"), f"{module}.stack"
    parent, _, name = module.rpartition(".")
    new = "stack" if path.parent.name == "settings" else f"{name}_stack"
    return path.with_name(f"{new}.py"), f"{parent}.{new}".lstrip(".")


def reaches(settings) -> bool:
    """Return whether settings find the database of Compose by the variables that it sets."""
    return bool(settings.urls) or set(settings.database) >= {"HOST", "USER", "PASSWORD"}


def variables(project, database) -> Dict[str, str]:
    """Return what web's environment has for the project's own settings."""
    settings = project.settings
    found = dict(settings.debug)
    for name in sorted(read.name for read in settings.reads if read.required):
        if "SECRET_KEY" in name:
            found[name] = "insecure-key-of-development-with-docker"
    if database != "postgres":
        return found
    found["POSTGRES_HOST"], found["POSTGRES_PORT"] = HERE, "5432"
    found.update({f"POSTGRES_{key}": f"${{POSTGRES_{key}:-app}}" for key in ("DB", "USER", "PASSWORD")})
    found.update({name: VALUES[key] for key, name in settings.database.items()})
    found.update(dict.fromkeys(sorted(settings.urls), URL))
    found.update(settings.switches)
    return found


def quoted(value) -> str:
    return f'"{value}"' if value.lower() in PLAIN else value


def driver_of(project, database) -> str:
    """Return the requirement of a Postgres driver, where the project's files for development have none; else empty."""
    packages = project.packages
    if database != "postgres" or project.has(*DRIVERS):
        return ""
    for name in DRIVERS:
        if name in packages.others:
            extra = "[binary]" if "psycopg-binary" in packages.others and name == "psycopg" else ""
            return f"{name}{extra}{packages.others[name]}"
    return DEFAULT_DRIVER


def test_settings(project, database, module, notes) -> str:
    """Return the settings that the tests run with: the project's own wherever those reach the database."""
    own = project.test_module or project.module
    if database != "postgres":
        return own
    settings = reading.read_settings(own, project.roots)
    if reaches(settings) or not settings.engines & POSTGRES:
        return own
    if own == project.module:
        return module
    notes.append(f"the tests use {own}, which names its database itself. Write into it: {REACH}")
    return own


def make(project, wanted="") -> Plan:
    root, notes = project.root, list(project.packages.notes)
    names = git.tracked(root)
    database = database_of(project, wanted)
    uses_postgres, uses_gis = database == "postgres", "django.contrib.gis" in project.settings.strings
    has_compose = any((root / name).exists() for name in COMPOSE_NAMES)
    has_dockerfile, has_makefile = (root / "Dockerfile").exists(), (root / "Makefile").exists()
    compose = "compose.stack.yaml" if has_compose else "compose.yaml"
    docker = "Dockerfile.stack" if has_dockerfile else "Dockerfile"
    ignore = f"{docker}.dockerignore" if (root / ".dockerignore").exists() else ".dockerignore"
    command = "python3 .stack" if has_makefile else "make"
    module_file, module = settings_path(project)
    folder = project.folder.relative_to(root).as_posix()
    name = "".join(letter for letter in root.name.lower() if letter.isalnum() or letter in "_-").lstrip("_-") or "app"
    name = f"{name}-stack" if has_compose else name
    python = ".".join(map(str, project.python.version))
    image = "postgis/postgis:${POSTGRES_VERSION:-18}-3.6" if uses_gis else "postgres:${POSTGRES_VERSION:-18}"
    environment = variables(project, database)
    driver = driver_of(project, database)
    files: Dict[str, object] = {
        docker: render(
            "init/Dockerfile",
            python=python,
            system=dockerfile.system(project, names, uses_gis),
            install=dockerfile.install(project, driver),
        ),
        compose: render(
            "init/compose.yaml",
            command=command,
            plain=f", or: docker compose{f' -f {compose}' if has_compose else ''} up --build",
            name=f"# Not the name of the project's other Compose file, whose containers these are not.\nname: {name}\n"
            if has_compose
            else "",
            postgres=render("init/postgres.yaml", image=image) if uses_postgres else "",
            db=template("init/db.yaml") if uses_postgres else "",
            dockerfile=f"      dockerfile: {docker}" if has_dockerfile else "",
            python=python,
            working_dir=f"    working_dir: /app/{folder}" if folder != "." else "",
            base=project.module,
            settings=module,
            variables=indent([f"{name}: {quoted(value)}" for name, value in environment.items()], 6),
            depends_on="    depends_on:\n      db:\n        condition: service_healthy" if uses_postgres else "",
            volumes="\nvolumes:\n  db-data:" if uses_postgres else "",
        ),
        module_file.relative_to(root).as_posix(): render(
            "init/settings.py",
            base=project.module,
            compose=compose,
            databases="DATABASES = stack.databases(DATABASES)" if uses_postgres else "",
        ),
        ignore: template("init/dockerignore"),
        ".env.example": render(
            "init/env.example",
            command=command,
            python=python,
            postgres=template("init/env.postgres") if uses_postgres else "",
        ),
        "Makefile": render(
            "init/Makefile",
            dbshell="dbshell: ## A psql prompt on the database" if uses_postgres else "",
            data=template("init/Makefile.data") if uses_postgres else "",
        ),
        ".stack/__main__.py": starter.contents("managed")[".stack/__main__.py"],
        ".stack/project.ini": render(
            "init/project.ini",
            compose=compose,
            dockerfile=docker,
            name=name if has_compose else "",
            folder=folder,
            settings=module,
            database=database,
            test=project.runner,
            test_settings=test_settings(project, database, module, notes),
            install=" && ".join(" ".join(words) for words in project.packages.commands),
            requirements=" ".join(project.packages.files),
        ),
    }
    for each in [".env.example", "Makefile"]:
        if (root / each).exists():
            del files[each]
    if module_file.exists():
        del files[module_file.relative_to(root).as_posix()]
    files.update(wheels(project))
    notes += to_know(project, database, wanted, environment)
    changes = gitignore(root, names)
    refused = git.ignored(root, list(files))
    if any(name.endswith(".whl") for name in refused):
        files[".stack/.gitignore"] = "!*.whl\n"
    left_out = sorted(name for name in refused if not name.endswith(".whl"))
    if left_out:
        listed = " ".join(left_out)
        notes.append(f"git ignores files of the stack. To commit them: git add --force {listed}")
    django = project.packages.packages.get("django", "").lstrip("=") or "of no stated version"
    facts = (
        f"Django {django}, settings {project.module}, Python {python}"
        f"{f' ({project.python.place})' if project.python.place else ''}, {TOOLS[project.packages.tool]}, "
        f"{'Postgres' if uses_postgres else database}, tests: {project.runner}"
    )
    undo = f"git checkout . && git clean -fd{' && git clean -fdx ' + ' '.join(left_out) if left_out else ''}"
    return Plan(files, changes, notes, facts, command, undo)


def wheels(project) -> Dict[str, object]:
    """Return the two wheels, and the requirements file that names them by hash."""
    files: Dict[str, object] = {}
    lines = ["# What the stack adds to the project's own packages. `update` writes it anew."]
    for name, content in sorted(wheel.contents().items()):
        files[f".stack/{name}"] = content
        lines.append(locks.entry(name, content).rstrip())
    lock = starter.contents("locks")["requirements/dev.txt"].decode()
    for block in re.findall(r"^\S+==(?:.*\\\n)+.*$", lock, re.M):
        if block.partition("==")[0] in NEEDED and block.partition("==")[0] not in project.packages.packages:
            lines.append(block)
    files[".stack/requirements.txt"] = "\n".join(lines) + "\n"
    return files


def gitignore(root, names) -> Dict[str, tuple]:
    """Return the change of .gitignore, where what the stack leaves behind is not ignored yet."""
    ignored = git.ignored(root, list(IGNORED.values()))
    missing = [line for line, path in IGNORED.items() if path not in ignored and path not in names]
    if not missing:
        return {}
    path = root / ".gitignore"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    return {
        ".gitignore": (old, f"{old}{'' if not old or old.endswith(chr(10)) else chr(10)}" + "\n".join(missing) + "\n")
    }
