"""Strict readers of environment variables, on top of django-environ."""

import os
import re
from pathlib import Path
from typing import Any, ClassVar

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from django_compose_stack.host import dotenv

TRUE = {"true", "1", "yes", "y", "on", "t"}
FALSE = {"false", "0", "no", "n", "off", "f"}
ESCAPES = "write / ? # % @ : in a password as %2F %3F %23 %25 %40 %3A"
MAIL_TIMEOUT = 10  # seconds
MAIL_DASHBOARD = "dashboard://"


class InvalidVariable(ImproperlyConfigured):
    """A variable with an unusable value: its name, what is wrong with it, and how to fix it."""

    def __init__(self, name: str, problem: str, fix: str):
        # A problem of several lines ends with the last of them.
        super().__init__(f"{name} {problem}{'' if problem.endswith(chr(10)) else '. '}{fix}.")


class Env(environ.FileAwareEnv):
    """django-environ with strict readers.

    An empty value counts as unset, because Compose passes `${NAME:-}` as an empty string. A value that starts with `$`
    is taken literally, not as the name of another variable. NAME_FILE names a file that holds the value, as in the
    postgres image.
    """

    # A copy: in os.environ, values from .env would reach child processes and outlive an edit of the file.
    ENVIRON = FileAwareMapping(env=dict(os.environ), cache=False)
    # The variables that the settings read, each with its text as set, or else its default. The dashboard shows them.
    values_read: ClassVar[dict[str, Any]] = {}

    @classmethod
    def read_file(cls, path: Path) -> None:
        """Read a .env file if there is one. Raises InvalidVariable for lines that Compose reads differently."""
        try:
            text = path.read_text()
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidVariable(str(path), f"cannot be read: {error}", "Expected a text file in UTF-8") from error
        if wrong := dotenv.differences(text, os.environ):
            lines = ["has ambiguous lines: Compose and Django read different values", *wrong.values()]
            raise InvalidVariable(str(path), "\n  ".join(lines) + "\n", dotenv.FORM)
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

    def secret_key(self, var: str, debug: bool) -> str:
        """Read the key that signs sessions and tokens. It is required unless `debug`, which has a fixed one."""
        if key := self.get_value(var, default="insecure-key-of-a-development-server" if debug else ""):
            return key
        command = 'python -c "import secrets; print(secrets.token_urlsafe(50))"'
        raise InvalidVariable(var, "is not set", f"It is required while DEBUG is off. Make one with: {command}")

    def names(self, var: str, pattern: str, expected: str) -> list[str]:
        """Read a comma-separated list, stripped, each item matching `pattern`; unset is the empty list."""
        items = [item for item in map(str.strip, self.get_value(var, default="").split(",")) if item]
        for item in items:
            if not re.fullmatch(pattern, item):
                raise InvalidVariable(var, f"has the item {item!r}", f"Expected {expected}, separated by commas")
        return items

    def hosts(self, var: str, required: bool) -> list[str]:
        """Read host names as ALLOWED_HOSTS takes them: no scheme, no port."""
        pattern = r"\*|\.?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]"
        hosts = self.names(var, pattern, "host names without http:// or port, such as example.com")
        if required and not hosts:
            fix = "While DEBUG is off it names the hosts that this site answers to, such as example.com,www.example.com"
            raise InvalidVariable(var, "is not set", fix)
        return hosts

    def origins(self, var: str) -> list[str]:
        """Read origins as CSRF_TRUSTED_ORIGINS takes them: with a scheme."""
        pattern = r"https?://(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?"
        return self.names(var, pattern, "origins with their scheme, such as https://example.com")

    def database(self, var: str) -> dict[str, Any] | None:
        """Read a database URL into a DATABASES entry; None where it is not set.

        Raises InvalidVariable, the password masked, for a URL that would be misread: an unescaped / ? # % in a password
        moves the end of the host.
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
                f"has value {dotenv.without_passwords(url)!r}",
                f"Expected postgres://USER:PASSWORD@HOST:PORT/NAME; {ESCAPES}. Or set POSTGRES_HOST, POSTGRES_USER and "
                "POSTGRES_PASSWORD instead, which need no escapes",
            )
        return config

    def mailer(self, var: str, default: str) -> dict[str, Any]:
        """Read an e-mail URL into a MAILERS entry. Raises InvalidVariable with the password masked."""
        url = self.get_value(var, default=default)
        if url == MAIL_DASHBOARD:
            return {"BACKEND": "django_compose_stack.mail.EmailBackend"}
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
            f"has value {dotenv.without_passwords(url)!r}",
            f"Expected {MAIL_DASHBOARD}, consolemail:// or smtp+tls://USER:PASSWORD@HOST:PORT (or smtp://, smtp+ssl://)"
            f"; {ESCAPES}",
        )
