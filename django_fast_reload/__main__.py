"""Run the supervisor, or the process that loads the project, without importing the packages around this folder."""

import json
import os
import sys
from types import ModuleType

package = ModuleType("_devserver")
package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
sys.modules["_devserver"] = package

if sys.argv[1] == "supervise":
    from _devserver.entry import initial_environment
    from _devserver.supervisor import supervise

    sys.exit(supervise(json.loads(sys.argv[2]), initial_environment()))
elif sys.argv[1] == "debug":
    from _devserver.debugging import hold

    hold(*json.loads(sys.argv[2]))
else:
    from _devserver.child import main

    main(*json.loads(sys.argv[2]))
