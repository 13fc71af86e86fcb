"""What holds when files, disks, memory, the clock or processes are not as they should be.

The docstrings are rows of a table in docs/reload.md: what was tried, and what holds.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from .site import FILES

# Root, but without the right to open what its modes forbid: with it, the tests would show nothing.
ORDINARY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
MODULES, FOLDERS = 100, 200
CLOCK = """
import os, time
real, file = time.time, {file!r}
time.time = lambda: real() + os.stat(file).st_mtime
"""


@pytest.fixture
def site(fresh_site):
    return fresh_site


@pytest.fixture(params=["wsgi", "asgi"])
def either_site(request):
    return request.getfixturevalue("fresh_site" if request.param == "wsgi" else "fresh_asgi_site")


def start_ordinary(site, **environment):
    return site.start(command=[*ORDINARY, site.python, "manage.py"], **environment)


def save(site, number: int) -> None:
    site.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
    assert site.get() == (200, f"{number + 1:04}".encode())


def begins_at(site) -> str:
    return site.status()["history"][-1]["before"]


def kinds(site) -> tuple[int, int, set[int]]:
    """Return the process ids of the supervisor, of the process that answers, and of all others."""
    live = json.loads(site.text("/state"))["pid"]
    return site.process.pid, live, set(site.family()) - {site.process.pid, live}


# ---- files


def test_a_large_project(site):
    """20,000 modules and 2,000 templates: a save goes on from itself, and only folders in use are watched"""
    for folder in range(FOLDERS):
        place = site.root / f"large/part{folder}"
        place.mkdir(parents=True)
        for number in range(MODULES):
            (place / f"module{number}.py").write_text(f"NUMBER = {number}\n")
        (site.root / f"templates/part{folder}").mkdir()
        for number in range(10):
            (site.root / f"templates/part{folder}/{number}.html").write_text("one")
    site.edit("blog/views.py", "import os", f"from large.part{FOLDERS - 1} import module7\nimport os")
    site.start()
    for number in range(2):
        save(site, number)
    assert begins_at(site) == "blog/views.py"
    assert site.status()["folders"] < FOLDERS + 60
    site.write("large/part0/module0.py", "NUMBER = 1\n")
    assert site.status()["generation"] == 3


@pytest.mark.parametrize("name", ["blog/words.py", "blog", "blog/data.json", "config/settings.py"])
def test_what_nobody_may_read(site, name):
    """`chmod 000` of a module, a data file, an app or the settings: an error page, gone with the `chmod` back"""
    start_ordinary(site)
    path = site.root / name
    mode = path.stat().st_mode
    for _ in range(2):
        path.chmod(0)
        assert site.get()[0] == 500
        path.chmod(mode)
        assert site.get() == (200, b"0000")


@pytest.mark.parametrize("name", ["templates/page.html", "templates"])
def test_a_template_that_nobody_may_read(site, name):
    """`chmod 000` of a template: Django's own error, gone with the `chmod` back; its folder's stops new ones only"""
    start_ordinary(site)
    assert site.text("/page") == "<p>0000 one</p>"
    path = site.root / name
    mode = path.stat().st_mode
    path.chmod(0)
    assert site.get("/page")[0] == (200 if path.is_dir() else 500)
    path.chmod(mode)
    assert site.text("/page") == "<p>0000 one</p>"
    site.edit("templates/page.html", "one", "two")
    assert site.text("/page") == "<p>0000 two</p>"
    assert site.status()["generation"] == 1


def test_an_app_that_goes_and_comes_back(site):
    """An app is deleted and made again: an error that names it, then the app as it is now"""
    site.start()
    for number in range(3):
        shutil.rmtree(site.root / "shop")
        status, text = site.get()
        assert (status, b"No module named 'shop'" in text) == (500, True)
        site.restore(*[name for name in FILES if name.startswith("shop/")])
        site.write("shop/views.py", FILES["shop/views.py"].replace('"shop"', f'"shop {number}"'))
        assert site.text("/shop/") == f"shop {number}"


def test_a_rename_of_case_alone(site):
    """`words.py` becomes `Words.py` and `words.py` again: an error that names it, then the page"""
    site.start()
    for _ in range(3):
        (site.root / "blog/words.py").rename(site.root / "blog/Words.py")
        status, text = site.get()
        assert (status, b"words" in text) == (500, True)
        (site.root / "blog/Words.py").rename(site.root / "blog/words.py")
        assert site.get() == (200, b"0000")


def test_a_checkout_of_many_files(site):
    """`git checkout` that changes 2,000 files, settings and models among them: at most two loads, no error between"""

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=site.root, check=True, capture_output=True)

    for number in range(2000):
        site.write(f"many/part{number // 100}/module{number}.py", "WORD = 'one'\n")
    site.edit("blog/views.py", "HttpResponse(VERSION)", "HttpResponse(SWITCHED)")
    site.edit("blog/views.py", "import os", "from many.part19.module1999 import WORD as SWITCHED\nimport os")
    git("init", "-b", "main")
    git("add", "config", "blog", "shop", "many", "templates")
    git("commit", "-m", "one")
    git("checkout", "-b", "other")
    for path in (site.root / "many").rglob("*.py"):
        path.write_text("WORD = 'two'\n")
    site.edit("config/settings.py", '"settings"', '"other settings"')
    site.edit("shop/models.py", "price", "cost")
    git("commit", "-am", "two")
    git("checkout", "main")
    site.start()
    for branch, word in (("other", "two"), ("main", "one"), ("other", "two")):
        generation = site.status()["generation"]
        git("checkout", branch)
        assert site.text() == word
        assert len(site.loads_since(generation)) <= 2
        assert all(not error for _, error in site.loads_since(generation))


# ---- disks and memory


def files_of_root() -> set[Path]:
    return {path for path in Path("/").iterdir() if path.is_file()}


def test_a_read_only_folder_for_temporary_files(site, tmp_path):
    """A `TMPDIR` that nobody may write to: modules are compiled each time, and nothing is written elsewhere"""
    folder = tmp_path / "temporary"
    folder.mkdir(mode=0o555)
    before = files_of_root()
    start_ordinary(site, TMPDIR=str(folder))
    for number in range(3):
        save(site, number)
    assert list(folder.iterdir()) == []
    assert files_of_root() == before


def test_a_full_folder_for_temporary_files(site, tmp_path):
    """A full `TMPDIR`: modules are compiled each time, and no half-written file is left"""
    folder = tmp_path / "temporary"
    folder.mkdir()
    fill = f'mount -t tmpfs -o size=64k none {folder} && mkdir {folder}/own && cat /dev/zero >{folder}/own/fill; "$@"'
    in_full = ["unshare", "--mount", "sh", "-c", fill, "sh"]
    done = subprocess.run([*in_full, "touch", str(folder / "new")], capture_output=True, text=True)
    if "No space left" not in done.stderr:
        pytest.skip(f"this machine does not let a test mount a file system: {done.stderr}")
    command = ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", *in_full, "exec", site.python, "manage.py"]
    site.start(command=command, TMPDIR=str(folder))
    for number in range(3):
        save(site, number)
    inside = Path(f"/proc/{site.process.pid}/root{folder}")
    assert [path for path in inside.glob("fast-reload-*/*") if not path.stat().st_size or "." in path.name] == []


@pytest.mark.parametrize("megabytes", [250, 400, 700])
def test_memory_limits(either_site, megabytes):
    """`ulimit -v` of 250 MB and more: saves are live, with as many snapshots as there is memory for"""
    command = ["sh", "-c", f'ulimit -v {megabytes * 1024}; exec "$@"', "sh", either_site.python, "manage.py"]
    either_site.start(command=command)
    for number in range(3):
        save(either_site, number)


# ---- the clock


def test_a_clock_that_is_set_back(site, tmp_path):
    """The clock is set back an hour: saves are live, and open pages still hear of changed templates"""
    clock = tmp_path / "clock"
    clock.mkdir()
    offset = clock / "offset"
    offset.touch()
    os.utime(offset, (0, 0))
    (clock / "sitecustomize.py").write_text(CLOCK.format(file=str(offset)))
    site.write("templates/page.html", "<body>one</body>")
    site.start(PYTHONPATH=str(clock))
    made = float(site.text("/page").partition('data-time="')[2].partition('"')[0])
    os.utime(offset, (-3600, -3600))
    site.write("templates/page.html", "<body>two</body>")
    assert "two" in site.text("/page")
    [[time, path]] = site.until(lambda: site.status()["touched"])
    assert path.endswith("templates/page.html")
    assert time > made
    for number in range(3):
        save(site, number)


@pytest.mark.parametrize("years", [-30, 30])
def test_files_of_another_time(site, years):
    """Files whose time is decades off, or goes back with each save: their content counts, and saves are live"""
    site.start()
    path = site.root / "blog/views.py"
    for number in range(3):
        time = path.stat().st_mtime + years * 365 * 86400 // (number + 1)
        site.write("new.py", path.read_text().replace(f'"{number:04}"', f'"{number + 1:04}"'))
        os.utime(site.root / "new.py", (time, time))
        (site.root / "new.py").rename(path)
        assert site.get() == (200, f"{number + 1:04}".encode())


# ---- processes


def test_all_are_stopped_and_go_on(either_site):
    """Ctrl-Z and `fg` (SIGSTOP and SIGCONT for all): what was saved meanwhile is live"""
    either_site.start()
    save(either_site, 0)
    for number in range(1, 4):
        os.killpg(either_site.process.pid, signal.SIGSTOP)
        either_site.edit("blog/views.py", f'"{number:04}"', f'"{number + 1:04}"')
        os.killpg(either_site.process.pid, signal.SIGCONT)
        assert either_site.get() == (200, f"{number + 1:04}".encode())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_snapshots_that_go(either_site, number):
    """Snapshots and the copies that stand by are killed or stopped: saves are live, loaded from the start"""
    either_site.start()
    save(either_site, 0)
    for count in (1, 2):
        others = kinds(either_site)[2]
        assert others
        for pid in others:
            os.kill(pid, number)
        save(either_site, count)


def test_the_process_that_answers_is_stopped(either_site):
    """The process that answers is stopped, then a file is saved: the next one answers"""
    either_site.start()
    save(either_site, 0)
    _, live, _ = kinds(either_site)
    os.kill(live, signal.SIGSTOP)
    save(either_site, 1)
    os.kill(live, signal.SIGCONT)
    either_site.until(lambda: live not in either_site.family())


def test_the_process_that_loads_is_killed(either_site):
    """The process that loads is killed, for its memory say: the project is loaded once more, from the start"""
    either_site.start()
    sign = either_site.root.with_name("loads")
    slow = f"import os, pathlib, time\npathlib.Path({str(sign)!r}).write_text(str(os.getpid()))\ntime.sleep(1)\n"
    either_site.write("shop/views.py", slow + FILES["shop/views.py"])
    os.kill(int(either_site.until(lambda: sign.exists() and sign.read_text())), signal.SIGKILL)
    assert either_site.get("/shop/") == (200, b"shop")


def test_the_supervisor_is_killed(either_site):
    """The supervisor is killed: all others end by themselves; the port is free for a new start"""
    either_site.start()
    save(either_site, 0)
    either_site.stop(signal.SIGKILL)
    either_site.start()
    save(either_site, 1)
