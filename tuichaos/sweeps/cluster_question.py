"""What a worker of a cluster is asked before it gets a point: can it do them?

The text of this file is sent, and runs where tuichaos may not be installed, or another version
of it is: it needs Python's own library alone, and gives back plain data.
"""

import pickle
import platform
import sys


def fitness(packed):
    """What a worker says of itself, by names; ``unfit`` is why it cannot do any point."""
    found = {"host": platform.node(), "unfit": ""}
    try:
        try:
            from tuichaos.common.version import VERSION
        except ImportError:  # that of an earlier version
            from tuichaos.version import VERSION
    except Exception as error:
        where = f"Python {platform.python_version()}, {sys.executable}"
        found["unfit"] = f"tuichaos is not installed there ({where}): {error}"
        return found
    try:
        from tuichaos.sweeps.cluster_worker import asked

        found.update(asked(*pickle.loads(packed)))
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        found["unfit"] = f"its tuichaos {VERSION} cannot take part: {words}"
    return found
