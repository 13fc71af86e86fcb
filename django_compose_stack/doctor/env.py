"""Checks of .env: readable, unambiguous, complete, no unknown names, no weak secrets."""

from __future__ import annotations

import difflib
import re
import secrets

from django_compose_stack.doctor.stack import Finding, Findings, Stack
from django_compose_stack.host import dotenv, dotfile

FALSE = {"false", "0", "no", "n", "off", "f"}
NOT_OURS = ("COMPOSE_", "DOCKER_", "BUILDKIT_")
# Commands write these: an .env with no others is not a copy of .env.example.
WRITTEN = {"COMPOSE_PROJECT_NAME", "POSTGRES_VERSION", "SECRET_KEY", "WEB_PORT"}
KEY_LENGTH = 50  # characters, as `manage.py check --deploy` requires
PASSWORD_LENGTH = 12  # characters


def check_readable(stack: Stack) -> Findings:
    try:
        stack.env_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        yield Finding(
            "env-unreadable",
            f".env cannot be read: {error}",
            "Neither Compose nor Django can start.",
            "Save it as readable UTF-8 text, or start over: rm -r .env && make .env",
        )


def check_readings(stack: Stack) -> Findings:
    wrong = dotenv.differences(stack.env_text, stack.environment)
    lines = {}
    for reading in dotenv.read(stack.env_text, stack.environment):
        line = dotfile.without_stray_space(reading) if reading.compose != reading.django else None
        if line is not None:
            lines[reading.line] = line

    def apply() -> str:
        dotfile.replace_lines(stack.env_file, lines)
        return f"removed stray white space from .env, line {', '.join(map(str, lines))}"

    for number, sentence in wrong.items():
        yield Finding(
            "env-ambiguous",
            f".env, {sentence}",
            "Compose and Django would use different values, so the server refuses to start.",
            dotenv.FORM,
            apply if number in lines else None,
        )


def check_names(stack: Stack) -> Findings:
    """Compare the names of .env with those of .env.example."""
    if set(stack.env) <= WRITTEN:
        return
    missing = [name for name in stack.example if name not in stack.env]

    def append() -> str:
        dotfile.append_blocks(stack.env_file, missing)
        return f"appended {', '.join(missing)} to .env, as in .env.example"

    if missing:
        yield Finding(
            "env-missing",
            f".env has no {', '.join(missing)}, unlike .env.example",
            "The defaults apply, and somebody who edits .env does not see these variables.",
            "Copy the lines from .env.example, or: make doctor FIX=1",
            append,
        )
    files = [*stack.root.glob("compose*.y*ml"), *stack.root.glob("config/*.py")]
    for name in stack.env:
        if name in stack.example or name.startswith(NOT_OURS) or name.replace("_FILE", "") in stack.example:
            continue
        if any(re.search(rf"\b{re.escape(name)}\b", path.read_text(errors="replace")) for path in files):
            continue
        close = difflib.get_close_matches(name, stack.example, n=1)
        yield Finding(
            "env-unknown",
            f".env sets {name}, which nothing reads" + (f". Did you mean {close[0]}?" if close else ""),
            "The line has no effect.",
            f"Rename it to {close[0]} in .env" if close else f"Delete {name} from .env, or read it in settings.py",
        )


def check_secrets(stack: Stack) -> Findings:
    """Check the secrets while DEBUG is off. Development has fixed secrets on purpose."""
    if stack.value("DEBUG").strip().lower() not in FALSE:
        return
    key = stack.value("SECRET_KEY")

    def write_key() -> str:
        dotfile.set_variable(stack.env_file, "SECRET_KEY", secrets.token_urlsafe(KEY_LENGTH))
        return "wrote a new SECRET_KEY to .env; all users have to log in again"

    from_file = stack.value("SECRET_KEY_FILE")
    if not from_file and (len(key) < KEY_LENGTH or len(set(key)) < 5 or key.startswith("django-insecure-")):
        yield Finding(
            "env-secret-key",
            "SECRET_KEY is not set" if not key else f"SECRET_KEY is weak: {len(key)} characters, or a well-known key",
            "DEBUG is off, and anyone who guesses the key can forge sessions and password-reset links.",
            "Write a new one to .env: make doctor FIX=1, or "
            'python3 -c "import secrets; print(secrets.token_urlsafe(50))"',
            None if "SECRET_KEY" in stack.environment else write_key,
        )
    variable = "MYSQL_PASSWORD" if "MYSQL_PASSWORD" in stack.example else "POSTGRES_PASSWORD"
    password = stack.value(variable)
    if len(password) < PASSWORD_LENGTH and not (stack.value("DATABASE_URL") or stack.value(f"{variable}_FILE")):
        yield Finding(
            "env-password",
            f"{variable} is " + ("that of .env.example" if password == stack.example.get(variable) else "too short"),
            "DEBUG is off, and a public or short password protects nothing.",
            "Write a long one to .env, then set it in the database: make up, then make doctor FIX=1",
        )


def check_tracked(stack: Stack) -> Findings:
    if stack.env_file.exists() and stack.run("git", "ls-files", "--error-unmatch", ".env").returncode == 0:
        yield Finding(
            "env-tracked",
            ".env is under version control",
            "Its passwords and keys are in every clone, and stay in the history.",
            "git rm --cached .env, commit, then change the secrets in it",
        )


def check_overridden(stack: Stack) -> Findings:
    for name, value in stack.env.items():
        outside = stack.environment.get(name)
        if value and outside is not None and outside != value:
            shown = [dotenv.shown(name, text) for text in (value, outside)]
            yield Finding(
                "env-overridden",
                f".env sets {name} to {shown[0]}, but the environment of this shell sets it to {shown[1]}",
                "The environment wins, so an edit of .env has no effect.",
                f"unset {name}",
            )
