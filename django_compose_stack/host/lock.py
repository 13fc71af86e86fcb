"""A lock on the engine, for everybody who uses it, from any machine.

It is a container that ends when its input closes: when the process that holds the lock ends, in any way.
"""

import contextlib
import getpass
import socket
import subprocess
import time

from django_compose_stack.host.process import Failure, output
from django_compose_stack.host.project import ROOT

WAIT = "wait until it has ended, then run this again"
FORMAT = '--format={{.State.Running}} {{index .Config.Labels "by"}}'


@contextlib.contextmanager
def held(owner, image, what):
    """Hold the lock of `owner`, a project or a stack, for the command `what`. Raises Failure if another command has it.

    image: one with a shell, which the engine has or can pull.
    """
    name = f"{owner}-lock"
    by = f"by {getpass.getuser()}@{socket.gethostname()} since {time.strftime('%H:%M:%S', time.gmtime())} UTC"
    command = ["docker", "run", "--rm", "--interactive", "--network=none", "--entrypoint=sh", f"--name={name}"]
    command += [f"--label=by=`{what}` of {owner} runs, {by}", image, "-c", "echo held; exec cat"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    for attempt in (1, 2):
        # In its own session, because Ctrl-C is for the command that holds the lock.
        holder = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)
        if holder.stdout.readline() == b"held\n":
            break
        problem = holder.communicate()[1].decode().strip()
        is_running, _, who = output("docker", "inspect", FORMAT, name).partition(" ")
        if is_running == "true":
            raise Failure(who, WAIT)
        # It never started, or has just ended.
        output("docker", "rm", name)
        if attempt == 2:
            raise Failure(f"cannot take the lock {name}:\n{problem}", f"docker rm --force {name}")
    try:
        yield
    finally:
        holder.communicate()
