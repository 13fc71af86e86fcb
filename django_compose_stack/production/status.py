"""`make status MODE=production`: whether the site is well, in ten lines."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import NamedTuple

from django_compose_stack.data.backups import NAME
from django_compose_stack.data.commands import of_project
from django_compose_stack.host import mode
from django_compose_stack.host.process import Failure
from django_compose_stack.host.project import ROOT
from django_compose_stack.production import certificates, engine, requests, swarm
from django_compose_stack.services.database import POSTGRES, chosen

DAY = 86_400  # seconds
BACKUP_AGE = 26 * 3600  # seconds: a night and two hours
FEW_DAYS = 14
FULL = 85  # percent of a disk
FAILING = 1.0  # percent of the requests of an hour
SLOW = 200  # milliseconds
STATEMENTS = "pg_stat_statements"


class Line(NamedTuple):
    """One line. text: what a person reads. values: the same for programs. problem: what is not well; else empty."""

    text: str
    values: dict
    problem: str = ""


def ago(seconds: float) -> str:
    for unit, length in (("days", DAY), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{int(seconds)} s ago"


def version() -> Line:
    name = swarm.serving()
    if name:
        service = swarm.inspect("web")
        deployed = service["UpdatedAt"][:19]
    else:
        template = '{{index .Config.Labels "org.opencontainers.image.version"}} {{.Created}}'
        name, deployed = engine.output("docker", "inspect", f"--format={template}", engine.container("web")).split()
    text = f"{name}, {'a stack' if swarm.serving() else 'a rehearsal'}, deployed {deployed[:16].replace('T', ' ')} UTC"
    return Line(text, {"version": name, "deployed": f"{deployed[:19]}Z", "stack": bool(swarm.serving())})


def counts() -> dict[str, tuple[int, int]]:
    """Return (running, wanted) of each service that runs on."""
    if swarm.serving():
        listed = engine.output("docker", "stack", "services", "--format={{.Name}} {{.Replicas}}", engine.stack())
        found = {}
        for line in listed.splitlines():
            name, replicas = line.split()[:2]
            found[name[len(engine.stack()) + 1 :]] = tuple(map(int, replicas.split("/")))
        return {name: found.get(name, (0, 1)) for name in engine.services()}
    label = f"--filter=label=com.docker.compose.project={engine.stack()}"
    template = '--format={{.Label "com.docker.compose.service"}}'
    running = engine.output("docker", "ps", label, template).split()
    described = engine.model()["services"]
    wanted = {name: int(described[name].get("deploy", {}).get("replicas", 1)) for name in engine.services()}
    return {name: (running.count(name), number) for name, number in wanted.items()}


def services() -> Line:
    found = counts()
    text = ", ".join(f"{name} {running}/{wanted}" for name, (running, wanted) in found.items())
    short = [name for name, (running, wanted) in found.items() if running < wanted]
    values = {name: {"running": running, "wanted": wanted} for name, (running, wanted) in found.items()}
    return Line(text, values, f"{' and '.join(short)}: fewer run than are wanted" if short else "")


def backup() -> Line:
    folder = ROOT / "backups" / engine.stack()
    paths = sorted(path for path in folder.glob("*") if NAME.fullmatch(path.name))
    if not paths:
        return Line("none in backups/ here", {"path": None}, "there is no backup: make backup MODE=production")
    state = paths[-1].stat()
    age = time.time() - state.st_mtime
    text = f"{paths[-1].relative_to(ROOT)}, {ago(age)}, {state.st_size / 1e6:.1f} MB"
    values = {"path": str(paths[-1]), "age_seconds": int(age), "bytes": state.st_size}
    return Line(text, values, f"the last backup was written {ago(age)}" if age > BACKUP_AGE else "")


def certificate() -> Line:
    found = certificates.current()
    if not found:
        return Line("none: HTTP only", {"days": None})
    values = {"days": found.days, "names": list(found.names), "issuer": found.issuer, "failure": found.failure}
    bad = found.failure or found.days < FEW_DAYS
    return Line(certificates.sentence(found), values, "the certificate, see above" if bad else "")


def disk() -> Line:
    listed = engine.output("docker", "exec", engine.container("db"), "df", "-Pk", chosen().folder)
    _, size, used, free, *_ = listed.splitlines()[-1].split()
    percent = round(100 * int(used) / (int(used) + int(free)))
    text = f"{percent} % of {int(size) / 1e6:.0f} GB are used where the database is, {int(free) / 1e6:.1f} GB are free"
    return Line(
        text, {"percent": percent, "free_bytes": int(free) * 1024}, "the disk is nearly full" * (percent > FULL)
    )


def traffic() -> Line:
    found = requests.of_last_hour()
    values = {"requests": found.count, "errors": found.failed, "error_percent": found.rate, "p95_seconds": found.p95}
    text = (
        f"{found.count} in the last hour, {found.rate:.2f} % failed, 95 of 100 took at most {found.p95 * 1000:.0f} ms"
    )
    return Line(text, values, f"{found.failed} requests of the last hour failed" if found.rate > FAILING else "")


def production():
    servers, _ = of_project()
    return servers["production"](patience=0)


def database() -> Line:
    server = production()
    name, size, used, most = server.usage()
    title, number, *_ = name.split()
    text = f"{title} {number}, {size / 1e6:.0f} MB, {used} of {most} connections"
    problem = ""
    if server.user != "postgres" and server.is_superuser():
        problem = f"{server.user} is a superuser of the database: make db-owner MODE=production"
    return Line(text, {"version": number, "bytes": size, "connections": used}, problem)


def slow_queries() -> Line:
    if chosen() is not POSTGRES:
        return Line(f"not known: {chosen().title} keeps no count of them here", {"known": False})
    server = production()
    try:
        server.sql(f"CREATE EXTENSION IF NOT EXISTS {STATEMENTS}")
        fields = "calls, round(mean_exec_time), regexp_replace(left(query, 200), '\\s+', ' ', 'g')"
        condition = f"datname = '{server.database}' AND mean_exec_time >= {SLOW}"
        source = f"{STATEMENTS} JOIN pg_database d ON d.oid = dbid WHERE {condition}"
        rows = server.sql(f"SELECT {fields} FROM {source} ORDER BY total_exec_time DESC LIMIT 5").splitlines()
    except Failure:
        return Line(f"not known: the server runs without {STATEMENTS}, docs/production.md", {"known": False})
    found = [dict(zip(("calls", "milliseconds", "query"), row.split("|", 2))) for row in rows]
    if not found:
        return Line(f"none takes {SLOW} ms on average", {"known": True, "slow": []})
    first = found[0]
    text = (
        f"{len(found)} take {SLOW} ms or more; {first['calls']} times {first['milliseconds']} ms: {first['query'][:60]}"
    )
    return Line(text, {"known": True, "slow": found})


LINES: dict[str, Callable[[], Line]] = {
    "Version": version,
    "Services": services,
    "Certificate": certificate,
    "Requests": traffic,
    "Database": database,
    "Slow queries": slow_queries,
    "Disk": disk,
    "Backup": backup,
}


def examine() -> dict[str, Line]:
    """Return the lines. What cannot be found out is a problem, and does not hide the rest."""
    found = {}
    for name, line in LINES.items():
        try:
            found[name] = line()
        except (Failure, ValueError, IndexError, OSError) as error:
            reason = str(error).partition(".\nFix")[0]
            found[name] = Line(f"not known: {reason}", {"known": False}, f"{name.lower()} cannot be found out")
    return found


def main(*words: str) -> int:
    """Print the status, as JSON with --json or JSON=1. Returns 1 if something is not well."""
    if mode.mode() != "production":
        raise Failure(
            "status tells about production", "make status MODE=production; in development: make ps, make doctor"
        )
    found = examine()
    problems = [line.problem for line in found.values() if line.problem]
    if "--json" in words or os.environ.get("JSON"):
        rows = {name.lower().replace(" ", "_"): line.values for name, line in found.items()}
        print(json.dumps({"well": not problems, "problems": problems, **rows}, indent=2))
    else:
        for name, line in found.items():
            print(f"{name:13}{line.text}")
        print(f"{'Problems':13}{'; '.join(problems)}" if problems else "The site is well.")
    return 1 if problems else 0
