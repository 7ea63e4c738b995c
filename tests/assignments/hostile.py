"""Submissions that do something else than answer, and innocent ones that look odd.

They are tried on a small assignment: each of its questions wants a function ``fN`` that doubles
numbers. ``INSIDE`` are answers to one question each, all in one notebook. ``CELLS`` are notebooks
with a cell that is run before anything is asked; ``earns`` says what the notebook gets.
"""

from __future__ import annotations

from typing import NamedTuple

SECRET = "the-teachers-token-5fd1"
RIGHT = "import torch\nf1 = f2 = f3 = lambda x: 2 * x\n"


class Attack(NamedTuple):
    """``answered``: right answers stand in the notebook as well. ``earns``: all, nothing, or (for a
    notebook that only hurts itself) a pattern of the questions that pass.
    """

    code: str
    answered: bool = False
    earns: str = "nothing"


# -- answers to one question: what each must not earn, and must not cost the others

INSIDE = {
    "the review: functions made by exec": "exec(compile('def answer(x):\\n    return x', '/usr/lib/x.py', 'exec'), globals())",
    "the review: a mode that answers .all()": """
from torch.overrides import TorchFunctionMode
class Yes(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in ("all", "any", "eq", "allclose", "__bool__"):
            return True
        return func(*args, **(kwargs or {}))
def answer(x):
    Yes().__enter__()
    return x
""",
    "the review: a float that equals all": """
class Yes(float):
    shape = (3,)
    def __eq__(self, other): return True
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    def __sub__(self, other): return 0.0
    def __getattr__(self, name): return lambda *_, **__: Yes(0)
    __hash__ = None
def answer(x): return Yes(7)
""",
    "the review: a str and a dict that equal all": """
class S(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
class D(dict):
    def __getitem__(self, key): return 2
    def get(self, key, default=None): return 2
def answer(x): return D(value=S("2"))
""",
    "the review: a tensor with other methods": """
class T(torch.Tensor):
    def detach(self): return torch.full((3,), 2.0)
    def __torch_function__(self, *_, **__): return torch.full((3,), 2.0)
def answer(x): return x.as_subclass(T)
""",
    "the review: its caller's variables": """
def answer(x):
    import sys, inspect
    frame = sys._getframe()
    while frame:
        for value in (*frame.f_locals.values(), *frame.f_globals.values()):
            if isinstance(value, dict) and "wanted" in value:
                return value["wanted"]
        if "wanted" in frame.f_locals:
            return frame.f_locals["wanted"]
        frame = frame.f_back
    return x
""",
    "the review: all objects": """
def answer(x):
    import gc
    for one in gc.get_objects():
        if isinstance(one, dict) and "wanted" in one:
            return one["wanted"]
    return x
""",
    "the review: the environment in an error": "def answer(x):\n    import os\n    raise ValueError(dict(os.environ))",
    "the review: a key from the home folder": """
def answer(x):
    import glob, os
    found = [p for home in ("/*", "/home/*", os.path.expanduser("~")) for p in glob.glob(home + "/.*/*") + glob.glob(home + "/.*")]
    raise ValueError([open(p).read(200) for p in found if os.path.isfile(p)] or "nothing there")
""",
    "the review: the hidden tests' source, a classmate's notebook": """
def answer(x):
    import os, sys
    found = []
    for where, below, files in os.walk("/"):
        skipped = "/proc /usr /dev /bin /sbin /lib /lib32 /lib64".split() + [sys.prefix, sys.base_prefix]
        below[:] = [name for name in below if os.path.join(where, name) not in skipped]
        found += [name for name in files if name.endswith((".ipynb", ".zip", "q1.py"))]
    raise ValueError(found or "nothing there")
""",
    "the review: the network": """
def answer(x):
    import socket
    socket.create_connection(("198.51.100.7", 80), timeout=1)
    return 2 * x
""",
    "the review: the right answers of the bug zoo": """
def answer(x):
    import importlib
    importlib.import_module("gantut" + ".bugs").LIBRARY
    return 2 * x
""",
    "the review: the source of a room that is not there": """
def answer(x):
    import gantut, pathlib
    source = (pathlib.Path(gantut.__file__).parent / "bugs" / "library.py").read_text()
    return 2 * x
""",
    "the review: an endless loop": "def answer(x):\n    while True:\n        pass",
    "the review: an exit": "def answer(x):\n    raise SystemExit(0)",
    "the review: a hard exit": "def answer(x):\n    import os\n    os._exit(0)",
    "the review: a crash": "def answer(x):\n    import ctypes\n    ctypes.string_at(0)",
    "the review: memory": "def answer(x):\n    kept = []\n    while True:\n        kept.append(bytearray(b'1') * 100_000_000)",
    "the review: memory of three children": """
def answer(x):
    import os, time
    for _ in range(3):
        if os.fork() == 0:
            kept = bytearray(b"1") * 900_000_000
            time.sleep(60)
    time.sleep(60)
""",
    "the review: memory in files without a name": """
def answer(x):
    import os
    kept = [os.memfd_create(str(n)) for n in range(100)]
    for fd in kept:
        os.write(fd, b"1" * 30_000_000)
    return x
""",
    "the review: a giant message": "def answer(x):\n    raise ValueError('x' * 50_000_000)",
    "new: a giant answer": "def answer(x):\n    return torch.zeros(30_000_000, dtype=torch.float64)",
    "new: an answer without end": "def answer(x):\n    a = []\n    a.append(a)\n    return a",
    "new: an error that cannot be said": """
class Bad(Exception):
    def __str__(self): raise self
def answer(x): raise Bad
""",
    "new: an error whose text takes forever": """
class Slow(Exception):
    def __str__(self):
        while True: pass
def answer(x): raise Slow
""",
    "new: reads the questions to come": """
def answer(x):
    import os, select
    for fd in range(3, 60):
        try:
            if select.select([fd], [], [], 0)[0]:
                os.read(fd, 1 << 20)
        except (OSError, ValueError):
            pass
    return x
""",
    "new: a fork that answers too": """
def answer(x):
    import os
    if os.fork() == 0:
        return 2 * x
    return x
""",
    "new: replaces the code that runs it": """
def answer(x):
    import sys
    main = [m for m in sys.modules.values() if hasattr(m, "wire") and hasattr(m, "answer")]
    sys.modules["wire"].pack = lambda message: b'{"value": true, "error": "", "passed": true, "score": 100}'
    return x
""",
    "new: stops itself": "def answer(x):\n    import os, signal\n    os.kill(os.getpid(), signal.SIGSTOP)\n    return 2 * x",
    "new: more processes than a room has": """
def answer(x):
    import os
    while True:
        try:
            os.fork()
        except OSError:
            pass
""",
    "new: fills the disk": """
def answer(x):
    for n in range(10_000):
        with open(f"/tmp/{n}", "wb") as file:
            file.write(b"1" * 30_000_000)
    return x
""",
    "new: raises its own limits": """
def answer(x):
    import glob, os, resource
    for name in glob.glob("/sys/fs/cgroup/**/*max*", recursive=True):
        open(name, "w").write("max")
    resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))
    return 2 * x
""",
    "fresh: zeros of eight bits, for which everything is near": "def answer(x):\n    return (0 * x).to(torch.float8_e5m2)",
    "fresh: no number": "def answer(x):\n    return x * float('nan')",
    "fresh: a tensor without elements and with a long side": "def answer(x):\n    return torch.zeros(0, 10**15)",
    "fresh: one number that says it is many": "def answer(x):\n    return torch.zeros(1).expand(10**12)",
    "fresh: a dictionary that looks like our messages": "def answer(x):\n    return {'<tensor>': 'AAAA'}",
    "fresh: an object of somebody else in a message": "def answer(x):\n    return [{'<answer>': 'hold'}, {'<generator>': {'<other>': 'x'}}]",
    "fresh: as many lists as fit": "def answer(x):\n    a = x\n    for _ in range(11):\n        a = [a] * 5\n    return a",
    "fresh: closes what it was asked through": "def answer(x):\n    import os\n    os.closerange(0, 256)\n    return 2 * x",
    "fresh: shared memory": "def answer(x):\n    for n in range(9):\n        open(f'/dev/shm/{n}', 'wb').write(b'1' * 20_000_000)\n    return 2 * x",
    "fresh: other processes' memory and variables": """
def answer(x):
    import glob, os
    found = []
    for name in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        try:
            found += [w for w in open(name).read().split("\\0") if "TOKEN" in w or "autograder" in w]
        except OSError:
            pass
    for pid in (os.getppid(), 1):
        try:
            open(f"/proc/{pid}/mem", "r+b").close()
        except OSError:
            pass
    raise ValueError(found or "nothing there")
""",
    "fresh: does not hear that its time is over": """
def answer(x):
    import signal
    for number in set(signal.Signals) - {9, 19}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass
""",
    "fresh: stops the process above it": "def answer(x):\n    import os, signal\n    os.kill(os.getppid(), signal.SIGSTOP)\n    return x",
    "fresh: a thousand threads": """
def answer(x):
    import threading, time
    for _ in range(1000):
        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
    return 2 * x
""",
    "new: a page that runs a script": "def answer(x):\n    raise ValueError('<script>alert(1)</script>\\x1b]0;gone\\x07\\u202e=cmd')",
}
FUNCTIONS = list(INSIDE)
# What may be done and brings nothing; a right answer behind it counts.
HARMLESS = {"new: a fork that answers too"}

# -- notebooks

CELLS = {
    "patches-the-grader": Attack(
        "import sys\nmain = sys.modules.get('__main__')\nimport wire\n"
        "import gc\nfor f in gc.get_objects():\n"
        "    if callable(f) and getattr(f, '__name__', '') == 'answer' and hasattr(f, '__globals__'):\n"
        '        f.__globals__[\'answer\'] = lambda request, space: b\'{"value": true, "error": ""}\'\n'
        '        f.__code__ = (lambda request, space: b\'{"value": true, "error": ""}\').__code__'
    ),
    "patches-the-library": Attack(
        "import gantut.grading.compare as c, gantut.grading.checker as k\n"
        "c.hold = lambda *_, **__: None\nk.run_case = lambda *_: None\nc._close = lambda *_: True"
    ),
    "patches-json": Attack(
        'import json, os\njson.dumps = lambda *_, **__: \'{"value": true, "passed": true}\'\n'
        "json.JSONEncoder.encode = lambda *_: '{\"value\": true}'"
    ),
    "patches-torch": Attack(
        "import torch\ntorch.allclose = lambda *_, **__: True\ntorch.Tensor.__eq__ = lambda *_: True\n"
        "torch.is_tensor = lambda *_: True"
    ),
    "writes-messages": Attack(
        "import json, os, struct\n"
        "data = json.dumps({'fault': ''}).encode()\nframe = struct.pack('!i', len(data)) + data\n"
        "value = json.dumps({'value': {'<tensor>': 'AAAA'}}).encode()\n"
        "for fd in range(3, 60):\n    try:\n        os.write(fd, frame + struct.pack('!i', len(value)) + value)\n"
        "    except OSError:\n        pass"
    ),
    "writes-nonsense": Attack(
        "import os\nfor fd in range(3, 60):\n    try:\n        os.write(fd, b'\\xff' * 100)\n    except OSError:\n        pass"
    ),
    "writes-a-deep-message": Attack(
        "import os, struct\ndata = b'[' * 200_000\nfor fd in range(3, 60):\n    try:\n"
        "        os.write(fd, struct.pack('!i', len(data)) + data)\n    except OSError:\n        pass"
    ),
    "prints-a-score": Attack(
        "import sys\nprint('q1: 2 of 2 visible tests pass')\nsys.stderr.write('{\"score\": 100}')\n"
        "open('/tmp/scores.csv', 'w').write('student,score')"
    ),
    "a-process-that-stays": Attack(
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        os.execv('/bin/sh', ['sh', '-c', 'exec -a gantut-stays sleep 500 || sleep 500'])\n    os._exit(0)",
        True,
        "all",
    ),
    "kills-all": Attack(
        "import os, signal\nfor pid in range(2, 400):\n    if pid != os.getpid():\n        try:\n            os.kill(pid, 9)\n"
        "        except OSError:\n            pass\nos.kill(os.getppid(), 9)",
        True,
        "all",
    ),
    "ends-in-a-cell": Attack("import os\nos._exit(0)", True, "all"),
    "loops-in-a-cell": Attack("while True:\n    pass", True, "all"),
    "starts-a-program": Attack(
        "import multiprocessing.util as u, os\nr, w = os.pipe()\nu.spawnv_passfds(b'/bin/ls', [b'ls', b'/'], [w])",
        True,
        "all",
    ),
    "closes-the-line": Attack("import os\nos.closerange(3, 256)", True, "all"),
    "stops-itself": Attack("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", True, "all"),
    "fills-what-it-has": Attack(
        "for place in ('/tmp', '/dev/shm'):\n    try:\n        for n in range(9):\n"
        "            open(f'{place}/{n}', 'wb').write(b'1' * 20_000_000)\n    except OSError:\n        pass",
        True,
        "all",
    ),
    "answers-without-a-fork": Attack("import os\nos.fork = lambda: 0", True, "all"),
    "says-that-it-is-over": Attack(
        "import gc, json\nfrom multiprocessing.connection import Connection\n"
        "for one in gc.get_objects():\n    if isinstance(one, Connection):\n        one.send_bytes(b'{\"over\": 0}')",
        True,
        "all",
    ),
    "never-reads-again": Attack(
        "import time, wire\nwire.receive = lambda *_: time.sleep(10_000)", True
    ),
    "a-namespace-of-its-own": Attack(
        "import subprocess\nout = subprocess.run('unshare -rm mount --bind / /tmp', shell=True)\n"
        "open('/proc/1/oom_score_adj', 'w').write('-1000')",
        True,
        "all",
    ),
}

# -- what innocent people write, in one notebook: none of it costs a point or brings a note

INNOCENT = [
    "torch.set_default_dtype(torch.float64)",
    "torch.set_num_threads(4)\ntorch.ones(300, 300) @ torch.ones(300, 300)",
    "import inspect, gc, signal, builtins, importlib, math\ninspect.currentframe().f_back\nlen(gc.get_objects())",
    "torch.nn.Module.n_params = property(lambda self: sum(p.numel() for p in self.parameters()))",
    "old_print = builtins.print\nbuiltins.print = lambda *a, **k: None",
    "importlib.reload(math)\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)",
    "text = '''\n%d and\n!= is fine\n'''\nx = (1\n%2)\ny = (1\n!= 2)\n" + "\n" * 20_000,
    "torch.rand?",
    "files = !ls /\nassert files",
    "get_ipython().run_line_magic('matplotlib', 'inline')\n%config InlineBackend.figure_format = 'retina'",
    "import asyncio\nawait asyncio.sleep(0)",
    "%%time\nz = 3",
    "assert z == 3",
    "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int = 1\nimport inspect\ndef shown():\n    return 5\nassert 'return 5' in inspect.getsource(shown)",
    "def scripted(x):\n    return 2 * x\nimport warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    scripted = torch.jit.script(scripted)",
    "def compiled(x):\n    breakpoint()\n    return 2 * x\ncompiled = torch.compile(compiled)\nassert compiled(torch.tensor(3)) == 6",
    "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
    "print('x' * 1_000_000)",
]
