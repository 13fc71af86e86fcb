"""Writes the files of production into the project when it first needs them. Then they belong to the project."""

import pkgutil

from django_compose_stack.host.process import say
from django_compose_stack.host.project import ROOT
from django_compose_stack.services import command

NGINX = (
    *("acme", "certificate", "challenge.conf", "error.html", "nginx.conf"),
    *("peers.conf", "plain.conf", "site.conf", "start", "tls.conf"),
)
FILES = (
    *("compose.prod.yaml", "compose.acme.yaml", "gunicorn.conf.py", "postgres/owner.sql"),
    *map("nginx/{}".format, NGINX),
)


def bring():
    """Write the missing files of production if there is no compose.prod.yaml yet, with the project's services."""
    if (ROOT / FILES[0]).exists():
        return
    for name in FILES:
        path = ROOT / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(pkgutil.get_data("django_compose_stack.scaffold", f"production/{name}"))
    command.complete(FILES)
    names = ", ".join(name for name in FILES if "/" not in name)
    say(f"wrote {names}, nginx/ and postgres/. They are yours now: commit them")
