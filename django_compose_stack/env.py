"""Strict readers of environment variables, on top of django-environ."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from django_compose_stack.host import dotenv

TRUE = {"true", "1", "yes", "y", "on", "t"}
FALSE = {"false", "0", "no", "n", "off", "f"}
ESCAPES = "/ ? # % @ : of a password written as %2F %3F %23 %25 %40 %3A"
MAIL_TIMEOUT = 10  # seconds


class InvalidVariable(ImproperlyConfigured):
    """A variable that cannot be used: its name, what is wrong with it, and the cure."""

    def __init__(self, name: str, problem: str, cure: str):
        super().__init__(f"{name} {problem}. {cure}." if problem[-1] != "\n" else f"{name} {problem}{cure}.")
        self.name = name


class Env(environ.FileAwareEnv):
    """django-environ without its lenient readings.

    An empty value counts as unset, because Compose passes `${NAME:-}` as an empty string. A value that begins
    with `$` is that value, not the name of another variable. NAME_FILE names a file that holds the value, as in
    the postgres image.
    """

    # A copy, so that values from .env do not leak into child processes and outlive an edit of the file there.
    ENVIRON = FileAwareMapping(env=dict(os.environ), cache=False)

    def __init__(self):
        super().__init__()
        # What the settings asked for, and what they got: the text as it was set, or else the default.
        self.values_read: dict[str, Any] = {}

    @classmethod
    def read_file(cls, path: Path) -> None:
        """Read a .env file where there is one. Raises InvalidVariable for lines that Compose reads differently."""
        try:
            text = path.read_text()
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidVariable(str(path), f"cannot be read: {error}", "Expected a text file in UTF-8") from error
        if wrong := dotenv.differences(text, os.environ):
            raise InvalidVariable(
                str(path),
                "has lines that do not mean one thing:\n  " + "\n  ".join(wrong) + "\n",
                "Write NAME=value with no space around =, no comment behind it, and single quotes around a value "
                'that has a space or any of $ # " \\',
            )
        cls.read_env(path)

    def get_value(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default=False):
        try:
            value = self.ENVIRON.get(var, "").rstrip("\r\n")
        except OSError as error:
            name = f"{var}_FILE"
            problem = f"has value {self.ENVIRON[name]!r}: {error.strerror}"
            raise InvalidVariable(name, problem, "Expected a readable file") from error
        if value == "":
            if default is self.NOTSET:
                raise InvalidVariable(var, "is not set", "Set it in .env or in the environment")
            self.values_read[var] = default
            return default
        self.values_read[var] = value
        return self.parse_value(value, cast) if cast else value

    def bool(self, var: str, default: Any = environ.Env.NOTSET) -> bool:
        value = self.get_value(var, default=default)
        if isinstance(value, bool):
            return value
        if value.strip().lower() in TRUE | FALSE:
            return value.strip().lower() in TRUE
        raise InvalidVariable(var, f"has value {value!r}", "Expected true or false (or yes/no, on/off, 1/0)")

    def int(self, var: str, default: Any = environ.Env.NOTSET, low: int = 0, high: int = 2**31) -> int:
        """Read a whole number. Raises InvalidVariable outside low to high, both included."""
        value = self.get_value(var, default=default)
        if isinstance(value, int):
            return value
        if re.fullmatch(r"\s*[0-9]+\s*", value) and low <= int(value) <= high:
            return int(value)
        raise InvalidVariable(var, f"has value {value!r}", f"Expected a whole number from {low} to {high}")

    def names(self, var: str, pattern: str, expected: str) -> list[str]:
        """Read a comma-separated list, stripped, each item matching `pattern`; unset is the empty list."""
        items = [item.strip() for item in self.get_value(var, default="").split(",")]
        items = [item for item in items if item]
        for item in items:
            if not re.fullmatch(pattern, item):
                raise InvalidVariable(var, f"has the item {item!r}", f"Expected {expected}, separated by commas")
        return items

    def hosts(self, var: str) -> list[str]:
        """Read host names as ALLOWED_HOSTS takes them: no scheme, no port."""
        return self.names(
            var, r"\*|\.?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]", "host names without http:// or port, such as example.com"
        )

    def origins(self, var: str) -> list[str]:
        """Read origins as CSRF_TRUSTED_ORIGINS takes them: with a scheme."""
        return self.names(
            var,
            r"https?://(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?",
            "origins with their scheme, such as https://example.com",
        )

    def database(self, var: str) -> dict[str, Any] | None:
        """Read a database URL into a DATABASES entry; None where it is not set.

        Raises InvalidVariable with the password masked where the URL cannot mean what its author wrote: an
        unescaped / ? # % in a password moves the end of the host.
        """
        url = self.get_value(var, default=None)
        if url is None:
            return None
        try:
            parts = environ.environ.urlparse(url)
            config = self.db_url_config(url)
            scheme_known = parts.scheme in self.DB_SCHEMES
            host_missing = not (config["HOST"] or "sqlite" in config["ENGINE"])
            broken = not scheme_known or host_missing or not config["NAME"] or bool(parts.fragment)
        except (KeyError, ValueError):
            broken = True
        if broken or re.search(r"%(?![0-9A-Fa-f]{2})", url):
            raise InvalidVariable(
                var,
                f"has value {without_password(url)!r}",
                f"Expected postgres://USER:PASSWORD@HOST:PORT/NAME, with {ESCAPES}; or leave it empty and set "
                "POSTGRES_HOST, POSTGRES_USER and POSTGRES_PASSWORD, which need no escapes",
            )
        return config

    def mailer(self, var: str, default: str) -> dict[str, Any]:
        """Read an e-mail URL into a MAILERS entry. Raises InvalidVariable with the password masked."""
        url = self.get_value(var, default=default)
        try:
            config = self.email_url_config(url)
            options = {
                "host": config["EMAIL_HOST"],
                "port": config["EMAIL_PORT"] or 25,
                "username": config["EMAIL_HOST_USER"],
                "password": config["EMAIL_HOST_PASSWORD"],
                "use_tls": config.get("EMAIL_USE_TLS", False),
                "use_ssl": config.get("EMAIL_USE_SSL", False),
                "timeout": MAIL_TIMEOUT,
            }
        except (ImproperlyConfigured, ValueError):
            options = {"host": None}
        if url == "consolemail://":
            return {"BACKEND": config["EMAIL_BACKEND"]}
        if options["host"] and "smtp" in config["EMAIL_BACKEND"]:
            return {"BACKEND": config["EMAIL_BACKEND"], "OPTIONS": options}
        raise InvalidVariable(
            var,
            f"has value {without_password(url)!r}",
            f"Expected consolemail:// or smtp+tls://USER:PASSWORD@HOST:PORT (or smtp://, smtp+ssl://), with {ESCAPES}",
        )

    def require(self, var: str, values: Sequence[str] | str, cure: str) -> None:
        """Raise InvalidVariable if `values`, as read from `var`, is empty."""
        if not values:
            raise InvalidVariable(var, "is not set", cure)


def without_password(url: str) -> str:
    return re.sub(r"(?<=:)[^:/]((?!://).)*(?=@)", "***", url)
