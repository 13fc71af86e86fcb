"""What `init` says instead of guessing, with the line to write."""

from django_compose_stack.scaffold.packages import NEEDS

SERVERS = {"redis": "redis:8", "pymemcache": "memcached:1.6", "elasticsearch": "elasticsearch:9"}
TESTED = (5, 2)  # the oldest Django that the development server is tested with


def to_know(project, database, wanted, environment):
    """Return sentences about what is not as usual in a project.

    wanted: the database that the user named. environment: the variables that Compose sets.
    """
    settings, packages = project.settings, project.packages.packages
    for name in sorted({read.name for read in settings.reads if read.required} - set(environment)):
        yield f"the settings need {name}. Write into .env: {name}=..."
    if database not in ("postgres", "sqlite3"):
        yield f"the database is {database}, which the stack does not run: add it to the Compose file yourself"
    if database == "sqlite3" and not wanted:
        yield "the database stays SQLite. For Postgres: init again with --database postgres"
    for name in settings.databases if database == "postgres" else ():
        if name != "default":
            yield f"DATABASES has {name!r} too. If pages use it, make it once: python3 .stack dbshell, CREATE DATABASE"
    asgi = [name for name in ("daphne", "channels") if name in settings.strings]
    if asgi and "uvicorn" not in packages:
        yield f"the settings name {asgi[0]}, and the development server needs uvicorn for it. Add: uvicorn websockets"
    for name, image in SERVERS.items():
        if name in packages:
            yield f"the packages name {name}. If pages need it, write below services: {name}: {{image: {image}}}"
    unknown = ", ".join(sorted(project.packages.unbuilt - set(NEEDS)))
    if unknown:
        yield f"these come as source alone; if a header is missing, add its package to the Dockerfile: {unknown}"
    match = packages.get("django", "").lstrip("=~> ").split(".")[:2]
    if len(match) == 2 and all(part.isdigit() for part in match) and tuple(map(int, match)) < TESTED:
        yield f"Django {'.'.join(match)} is older than 5.2, from which on the development server is tested"
    yield from settings.unknown
    if (project.root / "Makefile").exists():
        yield "the project's Makefile stays as it is. Where a message says `make up`, type: python3 .stack up"
