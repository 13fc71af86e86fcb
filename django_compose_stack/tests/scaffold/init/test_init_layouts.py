"""What `init` promises of every layout: it says what it does, does no more, and git undoes it."""

import ast
import re

from django_compose_stack.tests.scaffold.init.projects import ALWAYS, LAYOUTS, git, make


def status(root):
    return git(root, "status", "--porcelain", "--ignored", "--untracked-files=all")


def test_writes_what_is_missing(root, layout, run):
    run(root, "--yes")

    written = {line[3:].strip('"') for line in status(root).splitlines() if line.startswith("??")}
    assert written - {".gitignore"} == ALWAYS | layout.new | {layout.module}


def test_changes_ten_lines_of_the_users_at_most(root, run):
    run(root, "--yes")

    numbers = re.findall(r"^(\d+)\t(\d+)", git(root, "diff", "--numstat"), re.M)
    assert sum(int(added) + int(removed) for added, removed in numbers) <= 10


def test_without_a_terminal_it_only_shows(root, layout, run):
    code, shown = run(root)

    assert (code, status(root)) == (0, "")
    assert "Nothing is written yet" in shown
    assert {line[2:] for line in shown.splitlines() if line.startswith("  ")} >= ALWAYS | layout.new | {layout.module}


def test_shows_the_change_as_a_diff(root, run):
    _, shown = run(root)

    assert "--- a/.gitignore\n+++ b/.gitignore\n" in shown
    assert "\n+/backups/\n" in shown


def test_a_last_line_without_an_end_is_shown_apart(tmp_path, run):
    root = make(tmp_path / "shop", {**LAYOUTS["single"].files, ".gitignore": ".env\n*.tmp"})

    _, shown = run(root)

    assert "-*.tmp\n\\ No newline at end of file\n+*.tmp\n" in shown


def test_git_undoes_it(root, run):
    run(root, "--yes")

    git(root, "checkout", ".")
    git(root, "clean", "-fdq")

    assert status(root) == ""


def test_a_second_run_has_nothing_to_do(root, run):
    run(root, "--yes")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message=Add the stack")

    code, shown = run(root, "--yes")

    assert (code, status(root)) == (0, "")
    assert shown.startswith("Nothing to do")


def test_a_dirty_tree_is_refused(root, layout, run):
    (root / "notes.txt").write_text("mine")

    code, shown = run(root, "--yes")

    assert code == 1
    assert "has changes that are not committed:\n  ?? notes.txt" in shown
    assert "Fix: git stash --include-untracked, or commit them." in shown
    assert not (root / ".stack").exists()


def test_its_settings_import_those_of_the_project(root, layout, run):
    run(root, "--yes")

    text = (root / layout.module).read_text()
    ast.parse(text)
    module = re.search(r'"DJANGO_SETTINGS_MODULE", "(.*)"', next(root.rglob("manage.py")).read_text())[1]
    assert f"from {module} import *" in text


def test_no_placeholder_is_left(root, layout, run):
    run(root, "--yes")

    for name in layout.new | {layout.module, ".stack/project.ini", ".stack/requirements.txt"}:
        assert "{{" not in (root / name).read_text(), name
