"""Run in place of ``python -m steelcli`` in a stage: hands the command to a process that has its
imports; see `Clone.forked_stages`.

Called with the named pipes of calls and answers, then with the words after ``python``.
"""

import json
import os
import signal
import sys
from pathlib import Path

calls, answers, option, package, *arguments = sys.argv[1:]
assert (option, package) == ("-m", "steelcli")
signal.signal(signal.SIGALRM, lambda *_: sys.exit("the forking server does not answer"))
signal.alarm(300)
streams = [f"/proc/{os.getpid()}/fd/{number}" for number in (1, 2)]
with Path(calls).open("w", encoding="utf-8") as file:
    print(json.dumps([str(Path.cwd()), arguments, dict(os.environ), *streams]), file=file)
with Path(answers).open(encoding="utf-8") as file:
    sys.exit(int(file.readline()))
