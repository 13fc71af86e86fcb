"""Broken .env files, on a machine without Docker: the finding, its fix, and what FIX=1 does."""

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
        ("DEBUG=false", "line 55, DEBUG: already set on line "),
        ("DEBUG", "line 55, DEBUG: not of the form NAME=value"),
    ],
)
def test_line_that_the_readers_take_differently_is_found(bare, line, problem):
    text = "\n".join(each for each in example(bare).splitlines() if "EMAIL_URL=" not in each)
    text = text if "DEBUG=false" in line else text.replace("\nDEBUG=true\n", "\n")
    write_env(bare, f"{text}\n{line}\n")
    number = len(text.splitlines()) + 1

    found = bare.findings()["env-ambiguous"]

    assert problem.replace("line 55", f"line {number}") in found.problem
    assert "single quotes" in found.fix
    assert not found.apply


BROKEN = {
    "no text": (lambda d: (d.root / ".env").write_bytes(b"A=\xff\n"), "env-unreadable", "codec can't", "make .env"),
    "folder": (lambda d: (d.root / ".env").mkdir(), "env-unreadable", "Is a directory", "rm -r .env"),
    "typo": (
        lambda d: write_env(d, example(d) + "\nPOSTGRES_PASWORD=x\n"),
        "env-unknown",
        ".env sets POSTGRES_PASWORD, which nothing reads. Did you mean POSTGRES_PASSWORD?",
        "Rename it to POSTGRES_PASSWORD in .env",
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
        "POSTGRES_PASSWORD is that of .env.example",
        "make doctor FIX=1",
    ),
    "short password": (
        lambda d: write_env(d, example(d, DEBUG="false", SECRET_KEY=KEY, POSTGRES_PASSWORD="short")),
        "env-password",
        "POSTGRES_PASSWORD is too short",
        "Write a long one to .env",
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


@pytest.mark.parametrize(("breaks", "check", "problem", "fix"), BROKEN.values(), ids=list(BROKEN))
def test_broken_env_file_is_found(bare, breaks, check, problem, fix):
    breaks(bare)

    found = bare.findings()

    assert list(found) == [check]
    assert problem in found[check].problem
    assert fix in found[check].fix


def test_variables_of_compose_of_files_and_of_settings_are_known(bare):
    settings = bare.root / "config/settings.py"
    settings.write_text(settings.read_text() + 'STRIPE = env.str("STRIPE_KEY")\n')
    write_env(bare, example(bare) + "\nCOMPOSE_PROJECT_NAME=x\nSECRET_KEY_FILE=/run/key\nSTRIPE_KEY=x\n")

    assert bare.findings() == {}


def test_variable_of_the_shell_that_beats_env_is_found(bare):
    write_env(bare, example(bare, POSTGRES_DB="mine"))

    found = bare.findings(POSTGRES_DB="theirs")["env-overridden"]

    assert found.problem == ".env sets POSTGRES_DB to 'mine', but the environment of this shell sets it to 'theirs'"
    assert found.fix == "unset POSTGRES_DB"


# What breaks .env; the finding; what FIX=1 says that it did.
FIXABLE = {
    "spaces": (
        lambda d: write_env(d, example(d).replace("\nDEBUG=true", "\nDEBUG = true")),
        "env-ambiguous",
        "removed stray white space from .env, line ",
    ),
    "space at the end": (
        lambda d: write_env(d, example(d, WEB_HOST="127.0.0.1 ")),
        "env-ambiguous",
        "removed stray white space from .env, line ",
    ),
    "byte order mark": (
        lambda d: write_env(d, "\ufeffCOMPOSE_PROJECT_NAME=x\n" + example(d)),
        "env-ambiguous",
        "removed stray white space from .env, line 1",
    ),
    "new variable": (
        lambda d: write_env(d, example(d).replace("EMAIL_URL=", "").replace("HTTPS=", "")),
        "env-missing",
        "appended HTTPS, EMAIL_URL to .env, as in .env.example",
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


@pytest.mark.parametrize(("breaks", "check", "did"), FIXABLE.values(), ids=list(FIXABLE))
def test_env_is_fixed_and_the_next_run_is_clean(bare, breaks, check, did):
    breaks(bare)

    assert list(bare.findings()) == [check]
    (said,) = bare.fix()
    assert said.startswith(did)
    assert bare.findings() == {}


def test_fix_keeps_every_other_line_of_env(bare):
    before = example(bare, ALLOWED_HOSTS="'a.com'") + "\n# mine\nCOMPOSE_PROJECT_NAME=x\n"
    write_env(bare, before.replace("\nDEBUG=true", "\nDEBUG= true"))

    bare.fix()

    assert (bare.root / ".env").read_text() == before


def test_fix_reports_what_it_cannot_fix(bare):
    write_env(bare, example(bare) + "\nCOLOUR=red\n")

    done = bare.run("--fix")

    assert done.returncode == 1
    assert done.stdout.startswith("\nProblem: .env sets COLOUR, which nothing reads\n")
