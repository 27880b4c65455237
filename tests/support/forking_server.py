"""Run as a script: ``steelcli`` commands, each in a process of its own that has its imports
already.

Importing torch takes longer than most commands do. This process imports and loads the compiled
loops, so what is forked from it is ``python -m steelcli`` before it runs, with more in memory. Each
line of its input is JSON: the folder, the arguments, the environment, and the files for stdout and
stderr; it answers with the exit code.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Sequence


def load() -> None:
    """Import what the commands import, and load the compiled loops."""
    import numpy as np
    import sklearn.metrics  # noqa: F401
    import torch._dynamo  # noqa: F401  # torch's optimisers import it

    import steelcli.commands.evaluate
    import steelcli.commands.judge
    import steelcli.commands.report
    import steelcli.commands.train  # noqa: F401
    from steelcli.model.smp_import import import_smp
    from steelcli.scores.counts import FIXED
    from steelcli.scores.scorer import SplitScorer

    import_smp()
    levels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    for areas in (None, [0]):
        scorer = SplitScorer(["defect"], [FIXED], 0.1, min_areas_px=areas)
        scorer.update("image", levels, levels[None] > 40)
    gc.freeze()


def run(arguments: Sequence[str]) -> int:
    """Run a command as a process of its own would; return the exit code."""
    from steelcli.cli import main

    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, errors="backslashreplace")
    sys.argv = ["steelcli", *arguments]
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


def serve() -> None:
    """Answer each line of the input."""
    for line in sys.stdin:
        folder, arguments, environment, *paths = json.loads(line)
        pid = os.fork()
        if not pid:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            for number, path in enumerate((os.devnull, *paths)):
                access = os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY
                os.dup2(os.open(path, access), number)
            os._exit(run(arguments))  # without taking all modules apart, which takes a second
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    load()
    serve()
