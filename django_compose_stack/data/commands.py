"""The commands for backups, restores, the password and upgrades, in each mode: docker, native, production."""

import contextlib

from django_compose_stack.data.backups import backup, show, whole
from django_compose_stack.data.owner import become_owner
from django_compose_stack.data.restores import forget, kept, restore, undo
from django_compose_stack.data.server import SERVERS
from django_compose_stack.data.upgrades import upgrade
from django_compose_stack.host.mode import mode
from django_compose_stack.host.process import Failure, exit_at_signals
from django_compose_stack.services import database


def password(server):
    if not hasattr(server, "password"):
        problem = "without Docker the database has a password of its own, in .postgres/"
        raise Failure(problem, "none is needed in .env")
    server.set_password(server.password())
    server.restart_users()
    print(f"{server.user} has the configured password now")


ACTIONS = {
    "backup": backup,
    "backups": lambda server: show(server, kept(server)),
    "restore": restore,
    "restore-undo": undo,
    "restore-forget": forget,
    "db-password": password,
    "db-owner": become_owner,
    "upgrade-db": upgrade,
}
# These only read, so they may run beside any other.
READING = {"backup", "backups"}


def of_project():
    """Return the servers by mode, and the actions by name, of the database that the project has."""
    if database.chosen() is database.POSTGRES:
        return SERVERS, ACTIONS
    from django_compose_stack.data.mysql import commands, server

    return server.SERVERS, commands.ACTIONS


def main(action, *words):
    # The finally blocks start again what was stopped, and remove partial files.
    exit_at_signals()
    if action == "restore":
        # Before a server is started for a damaged file.
        words = [whole(*words)]
    servers, actions = of_project()
    server = servers[mode()]()
    with contextlib.nullcontext() if action in READING else server.changing(action):
        actions[action](server, *words)
