"""Measure how long a save takes to be live: stock runserver, others that reload, and this one.

    reload.py                     the generated project, all servers in turn
    reload.py --compose           this project in Compose, on the bind mount
    reload.py --compose --kinds view errors requirements
    reload.py --edits 40 --kinds view model --svg docs/reload-bench.svg
    reload.py --servers daphne uvicorn "this, ASGI" --kinds "async view" websocket events

Each save writes a number into a file. A client then asks over fresh connections, 5 ms apart, until the answer carries
that number. The time is from the end of the write to the end of that answer. Refused: connections that failed.
Stale: requests sent after the save and answered by older code. For websockets and events see streams.py.
"""

import argparse
import json
import math
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from plot import plot
from project import COMMANDS, COMPOSE_SERVERS, NATIVE_SERVERS, RUNSERVER, compose_copy, environment, generate
from stack import EXTRAS, p95
from streams import CLIENTS, follow

PAUSE = 0.005  # seconds between two requests
GIVE_UP = 30.0  # seconds
QUIET = 10.0  # seconds over which idle CPU is measured


@dataclass
class Result:
    server: str
    kind: str
    times: list[float] = field(default_factory=list)  # ms
    refused: int = 0
    lost: int = 0  # streams that ended in no order
    stale: int = 0
    asked: int = 0

    def median(self) -> float:
        return statistics.median(self.times)

    def p95(self) -> float:
        return p95(self.times)


def ask(port: int, path: str) -> dict | None:
    """Return the numbers that the server's code holds; None where it can't be reached."""
    try:
        with socket.create_connection(("127.0.0.1", port), GIVE_UP) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while part := sock.recv(65536):
                data += part
    except OSError:
        return None
    body = data.partition(b"\r\n\r\n")[2]
    try:
        return json.loads(body)
    except ValueError:
        return None


def wait_for(port: int, kind: str, number: int, result: Result | None = None) -> None:
    end = time.monotonic() + GIVE_UP
    path = "/bench"
    if kind in ("async view", *CLIENTS):
        kind, path = "async view", "/later"
    while time.monotonic() < end:
        answer = ask(port, path)
        if answer and answer[kind] == number:
            return
        if result is not None:
            result.asked += 1
            if answer is None:
                result.refused += 1
            else:
                result.stale += 1
        time.sleep(PAUSE)
    raise SystemExit(f"Port {port} did not answer {kind} {number} within {GIVE_UP:.0f} s. Its last answer: {answer}")


def measure(name: str, root: Path, port: int, edits: int, kinds: list[str], files: dict) -> list[Result]:
    results, chance = [], random.Random(1)
    for kind in (kind for kind in kinds if kind in files):
        result, path, pattern = Result(name, kind), root / files[kind][0], files[kind][1]
        for number in range(1, edits + 1):
            # More than a second, for the same reason as below; not in step with a reloader that looks once a second.
            time.sleep(1.1 + chance.random())
            text = path.read_text().replace(pattern.format(number - 1), pattern.format(number))
            if client := kind in CLIENTS and CLIENTS[kind](port):
                client.next()
            path.write_text(text)
            saved = time.perf_counter()
            is_heard = not client or follow(client, CLIENTS[kind], port, number, result)
            if not client:
                wait_for(port, kind, number, result)
            result.times.append((time.perf_counter() - saved) * 1000 if is_heard else math.inf)
            wait_for(port, kind, number)
        # Stock would take a save of the same length within the same second for the compiled one, and stay with it.
        time.sleep(1.1)
        path.write_text(text.replace(pattern.format(edits), pattern.format(0)))
        wait_for(port, kind, 0)
        results.append(result)
        print(f"  {name}, {kind}: median {result.median():.1f} ms", file=sys.stderr, flush=True)
    return results


def stat_of(name: str) -> str:
    try:
        return Path(name, "stat").read_text() if name[6:].isdigit() else ""
    except OSError:
        return ""  # It has ended.


def family(pid: int) -> list[int]:
    """Return the processes of a session."""
    stats = [(name, stat) for name in map(str, Path("/proc").iterdir()) if (stat := stat_of(name))]
    return [int(name[6:]) for name, stat in stats if int(stat.rpartition(")")[2].split()[3]) == pid]


def cpu(pids: list[int]) -> float:
    """Return the CPU seconds that processes have used."""
    stats = [stat.rpartition(")")[2].split() for pid in pids if (stat := stat_of(f"/proc/{pid}"))]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int]) -> float:
    """Return MB, shared pages counted once."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def run_native(name: str, root: Path, python: Path, options) -> tuple[list[Result], str]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [str(python), *COMMANDS.get(name, RUNSERVER).format(port=port).split()]
    variables = {**os.environ, "BENCH_SERVER": name}
    with (root.parent / f"{name}.log").open("w") as log:
        server = subprocess.Popen(command, cwd=root, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(port, "view", 0)
        time.sleep(2)
        results = measure(name, root, port, options.edits, options.kinds, NATIVE_SERVERS[name])
        time.sleep(5)
        before = {pid: cpu([pid]) for pid in family(server.pid)}
        time.sleep(QUIET)
        pids = [pid for pid in family(server.pid) if pid in before]  # Some may have ended meanwhile.
        used = cpu(pids) - sum(before[pid] for pid in pids)
        idle = f"{used / QUIET:.2%} | {memory(pids):.0f} MB"
    finally:
        server.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):  # Some wait for streams that have no end.
            server.wait(20)
        for pid in family(server.pid):
            os.kill(pid, signal.SIGKILL)
        server.wait()
    return results, idle


def run_compose(name: str, root: Path, options) -> tuple[list[Result], str]:
    files = COMPOSE_SERVERS[name](root)
    compose = ["docker", "compose", "-p", "bench-reload"]
    port = 18433
    variables = {**os.environ, "WEB_PORT": str(port)}
    subprocess.run([*compose, "up", "-d", "--build", "--wait"], cwd=root, env=variables, check=True, stdout=sys.stderr)
    try:
        wait_for(port, "view", 0)
        time.sleep(2)
        results = measure(name, root, port, options.edits, [kind for kind in options.kinds if kind in files], files)
        if name == "this":
            for kind in EXTRAS.keys() & set(options.kinds):
                print(EXTRAS[kind](root, port, options.edits, compose), end="\n\n")
        return results, ""
    finally:
        subprocess.run([*compose, "down", "-v", "--timeout", "2"], cwd=root, env=variables, check=True)


def table(results: list[Result], idle: dict[str, str]) -> str:
    stock = {result.kind: result.median() for result in results if result.server == "stock"}
    has_streams = any(result.kind in CLIENTS for result in results)
    names = ["edit", "server", "median ms", "p95 ms", "times faster", "refused", "stale", *["lost"] * has_streams]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    kinds = list(dict.fromkeys(result.kind for result in results))
    for result in sorted(results, key=lambda result: kinds.index(result.kind)):
        ratio = f"{stock[result.kind] / result.median():.1f}" if result.kind in stock else ""
        lines.append(
            f"| {result.kind} | {result.server} | {shown(result.median())} | {shown(result.p95())} | {ratio} "
            f"| {result.refused} | {result.stale} |{f' {result.lost} |' * has_streams}"
        )
    if any(idle.values()):
        lines += ["", "| server | idle CPU | memory |", "|---|---|---|"]
        lines += [f"| {name} | {text} |" for name, text in idle.items()]
    return "\n".join(lines)


def shown(milliseconds: float) -> str:
    return "never" if math.isinf(milliseconds) else f"{milliseconds:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compose", action="store_true")
    parser.add_argument("--edits", type=int, default=15, help="of each kind, for each server")
    parser.add_argument("--kinds", nargs="+")
    parser.add_argument("--servers", nargs="+")
    parser.add_argument(
        "--python", default=sys.executable, help="what the generated project's environment is made from"
    )
    parser.add_argument("--keep", type=Path, help="a folder for the project and its environment, used again if there")
    parser.add_argument("--svg", type=Path, help="where to draw the result")
    options = parser.parse_args()
    options.kinds = options.kinds or (["view"] if options.compose else list(NATIVE_SERVERS["stock"]))
    folder = options.keep or Path(tempfile.mkdtemp(prefix="bench-reload-"))
    results, idle = [], {}
    try:
        if options.compose:
            root = compose_copy(folder / "stack")
            for name in options.servers or COMPOSE_SERVERS:
                found, idle[name] = run_compose(name, root, options)
                results += found
        else:
            python, root = environment(folder / "env", options.python), generate(folder / "project")
            for name in options.servers or NATIVE_SERVERS:
                found, idle[name] = run_native(name, root, python, options)
                results += found
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(results, idle))
    if options.svg:
        options.svg.write_text(plot(results))


if __name__ == "__main__":
    main()
