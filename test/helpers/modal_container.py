"""What a container does with one input: calls a function of modal/app.py with CBOR arguments, writes its result.

    MOUNTS='{"/data": "/tmp/…"}' python modal_container.py FUNCTION ARGUMENTS RESULT
"""

import importlib.util
import json
import os
import pathlib
import sys

import cbor2

name, arguments, result = sys.argv[1:]
mounts = json.loads(os.environ["MOUNTS"])


def mounted(value):
    """Paths below a mount are where that lies on this machine."""
    if isinstance(value, dict):
        return {key: mounted(inner) for key, inner in value.items()}
    if isinstance(value, str):
        for path, folder in mounts.items():
            if value.startswith(path + "/"):
                return folder + value[len(path) :]
    return value


root = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("app", root / "modal" / "app.py")
app = importlib.util.module_from_spec(spec)
spec.loader.exec_module(app)
# On Modal the container knows it.
app.modal.current_function_call_id = lambda: os.environ["CALL"]
(run, config, gpus), _ = cbor2.loads(pathlib.Path(arguments).read_bytes())
# This machine has one device; on a CPU any number of processes can share it.
outcome = getattr(app, name).local(run, mounted(config), gpus if "ALL_RANKS" in os.environ else 1)
pathlib.Path(result).write_bytes(cbor2.dumps(outcome))
