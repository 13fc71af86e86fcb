"""What the data commands do on MySQL and MariaDB."""

from django_compose_stack.data.backups import backup, show
from django_compose_stack.data.commands import password
from django_compose_stack.data.mysql.restores import forget, kept, restore, undo
from django_compose_stack.host.process import Failure


def owner(server):
    problem = f"{server.user} has rights on {server.database} and on databases of tests alone; root has the others"
    raise Failure(f"there is nothing to take from it: {problem}", "nothing is to be done")


def upgrade(server, version):
    title, variable = server.kind.title, f"{server.kind.name.upper()}_VERSION"
    problem = f"{title} upgrades its data itself when a newer version starts on it, and cannot go back"
    raise Failure(
        problem, f"make backup; {variable}={version} in .env; make up. To go back: reset, and restore that backup"
    )


ACTIONS = {
    "backup": backup,
    "backups": lambda server: show(server, kept(server)),
    "restore": restore,
    "restore-undo": undo,
    "restore-forget": forget,
    "db-password": password,
    "db-owner": owner,
    "upgrade-db": upgrade,
}
