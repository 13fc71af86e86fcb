"""Start the supervisor: with a socket of its own, or with what another version of it leaves."""

import socket

from . import handover
from .barrier import listen
from .main import Supervisor
from .verdicts import Verdicts


def supervise(plan: dict, environment: dict[bytes, bytes]) -> int:
    """Run the server of `plan` (see takeover.make_plan) until a signal; return the exit status."""
    inherited = handover.take(plan)
    if inherited.fd >= 0:
        listener = socket.socket(fileno=inherited.fd)  # The descriptor still doesn't block.
    else:
        listener = listen(plan["address"], plan["port"], plan["ipv6"])
    if listener is None:
        return 1
    plan["port"] = listener.getsockname()[1]  # 0 asks for any
    supervisor = Supervisor(plan, environment, listener, inherited)
    Verdicts(supervisor.loop, plan["root"], supervisor.endpoints.show_tests)
    return supervisor.run()
