"""Broken .env files, on a machine without Docker: the finding, its cure, and what FIX=1 makes of them."""

import shutil
import subprocess

import pytest

from django_compose_stack.tests.doctor.conftest import example, free_port, write_env

KEY = "k3Y_-" * 10


def test_fresh_clone_has_no_findings(bare):
    assert bare.findings(WEB_PORT=str(free_port())) == {}


def test_copy_of_the_example_has_no_findings(bare):
    write_env(bare, example(bare))

    assert bare.findings() == {}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("DEBUG=true # for now", "line 55, DEBUG: Compose reads 'true', Django reads 'true # for now'"),
        ("EMAIL_URL=smtp://a$b@c", "line 55, EMAIL_URL: Compose reads a secret of 10 characters, Django reads a"),
        ("DEBUG=false", "line 55, DEBUG: set on line "),
        ("DEBUG", "line 55, DEBUG: is not of the form NAME=value"),
    ],
)
def test_line_that_the_readers_take_differently_is_found(bare, line, problem):
    text = "\n".join(each for each in example(bare).splitlines() if "EMAIL_URL=" not in each)
    text = text if "DEBUG=false" in line else text.replace("\nDEBUG=true\n", "\n")
    write_env(bare, f"{text}\n{line}\n")
    number = len(text.splitlines()) + 1

    found = bare.findings()["env-ambiguous"]

    assert problem.replace("line 55", f"line {number}") in found.problem
    assert "single quotes" in found.cure
    assert not found.mend


BROKEN = {
    "no text": (lambda d: (d.root / ".env").write_bytes(b"A=\xff\n"), "env-unreadable", "codec can't", "make .env"),
    "folder": (lambda d: (d.root / ".env").mkdir(), "env-unreadable", "Is a directory", "rm -r .env"),
    "typo": (
        lambda d: write_env(d, example(d) + "\nPOSTGRES_PASWORD=x\n"),
        "env-unknown",
        ".env sets POSTGRES_PASWORD, which nothing reads; POSTGRES_PASSWORD is meant?",
        "Correct the name in .env to POSTGRES_PASSWORD",
    ),
    "stranger": (
        lambda d: write_env(d, example(d) + "\nCOLOUR=red\n"),
        "env-unknown",
        ".env sets COLOUR, which nothing reads",
        "Delete COLOUR from .env",
    ),
    "example password": (
        lambda d: write_env(d, example(d, DEBUG="false", SECRET_KEY=KEY)),
        "env-password",
        "POSTGRES_PASSWORD is the example's",
        "make doctor FIX=1",
    ),
    "short password": (
        lambda d: write_env(d, example(d, DEBUG="false", SECRET_KEY=KEY, POSTGRES_PASSWORD="short")),
        "env-password",
        "POSTGRES_PASSWORD is short",
        "Put a long one into .env",
    ),
    "tracked": (
        lambda d: track_env(d),
        "env-tracked",
        ".env is under version control",
        "git rm --cached .env",
    ),
}


def track_env(doctor):
    if not shutil.which("git"):
        pytest.skip("there is no git here")
    write_env(doctor, example(doctor))
    for words in (["init", "-q"], ["add", "--force", ".env"]):
        subprocess.run(["git", *words], cwd=doctor.root, check=True)


@pytest.mark.parametrize(("breaks", "check", "problem", "cure"), BROKEN.values(), ids=list(BROKEN))
def test_broken_env_file_is_found(bare, breaks, check, problem, cure):
    breaks(bare)

    found = bare.findings()

    assert list(found) == [check]
    assert problem in found[check].problem
    assert cure in found[check].cure


def test_variables_of_compose_of_files_and_of_settings_are_known(bare):
    settings = bare.root / "config/settings.py"
    settings.write_text(settings.read_text() + 'STRIPE = env.str("STRIPE_KEY")\n')
    write_env(bare, example(bare) + "\nCOMPOSE_PROJECT_NAME=x\nSECRET_KEY_FILE=/run/key\nSTRIPE_KEY=x\n")

    assert bare.findings() == {}


def test_variable_of_the_shell_that_beats_env_is_found(bare):
    write_env(bare, example(bare, POSTGRES_DB="mine"))

    found = bare.findings(POSTGRES_DB="theirs")["env-overridden"]

    assert found.problem == ".env sets POSTGRES_DB to 'mine', the environment of this shell to 'theirs'"
    assert found.cure == "unset POSTGRES_DB"


# What breaks .env; the finding; what FIX=1 says that it did.
MENDABLE = {
    "spaces": (
        lambda d: write_env(d, example(d).replace("\nDEBUG=true", "\nDEBUG = true")),
        "env-ambiguous",
        "took the stray white space out of .env, line ",
    ),
    "space at the end": (
        lambda d: write_env(d, example(d, WEB_HOST="127.0.0.1 ")),
        "env-ambiguous",
        "took the stray white space out of .env, line ",
    ),
    "byte order mark": (
        lambda d: write_env(d, "\ufeffCOMPOSE_PROJECT_NAME=x\n" + example(d)),
        "env-ambiguous",
        "took the stray white space out of .env, line 1",
    ),
    "new variable": (
        lambda d: write_env(d, example(d).replace("EMAIL_URL=", "").replace("HTTPS=", "")),
        "env-missing",
        "appended HTTPS, EMAIL_URL to .env, as .env.example has them",
    ),
    "no key": (
        lambda d: write_env(d, example(d, DEBUG="false", POSTGRES_PASSWORD="long-and-unguessable")),
        "env-secret-key",
        "wrote a new SECRET_KEY to .env",
    ),
    "known key": (
        lambda d: write_env(
            d, example(d, DEBUG="0", POSTGRES_PASSWORD="long-and-unguessable", SECRET_KEY="django-insecure-" + KEY)
        ),
        "env-secret-key",
        "wrote a new SECRET_KEY to .env",
    ),
}


@pytest.mark.parametrize(("breaks", "check", "did"), MENDABLE.values(), ids=list(MENDABLE))
def test_fix_mends_env_and_the_next_run_is_clean(bare, breaks, check, did):
    breaks(bare)

    assert list(bare.findings()) == [check]
    (said,) = bare.mend()
    assert said.startswith(did)
    assert bare.findings() == {}


def test_fix_keeps_every_other_line_of_env(bare):
    before = example(bare, ALLOWED_HOSTS="'a.com'") + "\n# mine\nCOMPOSE_PROJECT_NAME=x\n"
    write_env(bare, before.replace("\nDEBUG=true", "\nDEBUG= true"))

    bare.mend()

    assert (bare.root / ".env").read_text() == before


def test_fix_says_so_where_nothing_can_be_mended(bare):
    write_env(bare, example(bare) + "\nCOLOUR=red\n")

    done = bare.run("--fix")

    assert done.returncode == 1
    assert done.stdout.startswith("\nProblem: .env sets COLOUR, which nothing reads\n")
