"""What stock can't do: an error is a page, a changed lock is installed. See reload.py --kinds errors requirements."""

import socket
import statistics
import subprocess
import time
from pathlib import Path

FILES = ["config/settings.py", "config/urls.py", "apps/pages/apps.py", "apps/pages/models.py", "apps/pages/views.py"]
LOCK = "requirements/dev.txt"
PACKAGE = "humanize"  # small, and nobody needs it here
TYPO = "\nTYPO = = 1\n"
PAUSE = 0.005  # seconds between two requests
GIVE_UP = 30.0  # seconds


def status(port: int, path: str = "/bench") -> int:
    """Return the HTTP status of a page; 0 where nothing answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), GIVE_UP) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return int(sock.makefile("rb").readline().split()[1])
    except (OSError, IndexError):
        return 0


def wait_for(port: int, wanted: int, path: str = "/bench") -> tuple[float, int]:
    """Return the ms until the first answer with a status, and how many connections failed until then."""
    started, failed = time.perf_counter(), 0
    while (found := status(port, path)) != wanted:
        failed += found == 0
        if time.perf_counter() - started > GIVE_UP:
            raise SystemExit(f"Port {port} did not answer {wanted} within {GIVE_UP:.0f} s, but {found}.")
        time.sleep(PAUSE)
    return (time.perf_counter() - started) * 1000, failed


def measure_errors(root: Path, port: int, edits: int, compose: list[str]) -> str:
    """Break and fix each file `edits` times; return a table."""
    lines = ["| typo in | error page, median (p95) ms | recovery, median (p95) ms | refused |", "|---|---|---|---|"]
    for name in FILES:
        path = root / name
        text, shown, fixed, refused = path.read_text(), [], [], 0
        for _ in range(edits):
            for content, wanted, times in ((text + TYPO, 500, shown), (text, 200, fixed)):
                time.sleep(1)
                path.write_text(content)
                taken, failed = wait_for(port, wanted)
                times.append(taken)
                refused += failed
        lines.append(f"| {name} | {summary(shown)} | {summary(fixed)} | {refused} |")
    return "\n".join(lines)


def measure_requirements(root: Path, port: int, edits: int, compose: list[str]) -> str:
    """Add a package to the lock and take it out again; return a table.

    A view imports it: an error page until it is there. The first time is not counted, because it fills uv's cache.
    """
    lock, views, urls = root / LOCK, root / "bench_package.py", root / "config/urls.py"
    compile_one = ["exec", "-T", "web", "uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-deps", "-"]
    command = [*compose, *compile_one]
    found = subprocess.run(command, cwd=root, input=PACKAGE, capture_output=True, text=True, check=True)
    views.write_text(
        "from django.http import HttpResponse\ndef package(request):\n"
        f"    import {PACKAGE}\n    return HttpResponse({PACKAGE}.__version__)\n"
    )
    with urls.open("a") as file:
        file.write('\nimport bench_package\nurlpatterns.insert(0, path("package", bench_package.package))\n')
    without, added, removed = lock.read_text(), [], []
    for number in range(edits + 1):
        for content, wanted, times in ((without + found.stdout, 200, added), (without, 500, removed)):
            time.sleep(2)
            lock.write_text(content)
            taken, _ = wait_for(port, wanted, "/package")
            times += [taken] if number else []
    rows = [f"| added to {LOCK} | {summary(added)} |", f"| taken out of {LOCK} | {summary(removed)} |"]
    return "\n".join(["| package | live, median (p95) ms |", "|---|---|", *rows])


def summary(times: list[float]) -> str:
    return f"{statistics.median(times):.0f} ({p95(times):.0f})"


def p95(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(0.95 * len(times)))]


EXTRAS = {"errors": measure_errors, "requirements": measure_requirements}
