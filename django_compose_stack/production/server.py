"""`make server HOST=root@203.0.113.5`: makes a Debian machine a Swarm of one, by SSH."""

import pkgutil
import re
import shutil

from django_compose_stack.host import apart
from django_compose_stack.host.process import Failure, run

HOST = re.compile(r"(ssh://)?([A-Za-z_][\w.-]*@)?[\w\[][\w.:\[\]-]*")
STACK = re.compile(r"[A-Za-z0-9][\w-]*")
AS_ROOT = 'if [ "$(id -u)" = 0 ]; then sh -s {0}; else sudo -n --preserve-env=SSH_CONNECTION sh -s {0}; fi'


def main(host):
    stack = apart.setting("STACK_NAME") or "production"
    if not HOST.fullmatch(host):
        raise Failure(f"HOST has value {host!r}. Expected a user and a machine", "make server HOST=root@203.0.113.5")
    if not STACK.fullmatch(stack):
        raise Failure(f"STACK_NAME has value {stack!r}. Expected letters, digits, - and _", "correct it in .env")
    if not shutil.which("ssh"):
        raise Failure("there is no ssh on this machine", "install OpenSSH's client")
    script = pkgutil.get_data("django_compose_stack.production", "server.sh")
    if run("ssh", "--", host, AS_ROOT.format(stack), input=script).returncode:
        raise Failure(f"{host} is not ready, see above", "correct it, then run this again; what is done already stays")
    address = host if host.startswith("ssh://") else f"ssh://{host}"
    print(f"\n{host} is ready. To deploy there, from this folder:")
    print(f"  docker context create {stack} --docker host={address}")
    print(f"  DOCKER_CONTEXT={stack} make deploy")
