"""Start one of the processes: supervisor, worker, or the holder of debugpy's port.

The package goes by a name of its own here, so that the packages around a copied folder are not imported: those are the
project's, and the worker has to see them being imported.
"""

import json
import os
import sys
from types import ModuleType

package = ModuleType("_fast_reload")
package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
sys.modules["_fast_reload"] = package

if sys.argv[1] == "supervise":
    from _fast_reload.supervisor.start import supervise
    from _fast_reload.takeover import initial_environment

    sys.exit(supervise(json.loads(sys.argv[2]), initial_environment()))
elif sys.argv[1] == "debug":
    from _fast_reload.debugger.host import hold

    hold(*json.loads(sys.argv[2]))
elif sys.argv[1] == "watch":
    from _fast_reload.supervisor.watch import watch
    from _fast_reload.takeover import initial_environment

    sys.exit(watch(sys.argv[2:], initial_environment()))
elif sys.argv[1] == "test":
    from _fast_reload.worker.testing import main

    main(**json.loads(sys.argv[2]))
elif sys.argv[1] == "probe":  # whether this version can be switched to
    import _fast_reload.supervisor.start
    import _fast_reload.worker.main  # noqa: F401
else:
    from _fast_reload.worker.main import main

    main(**json.loads(sys.argv[2]))
