"""Code that depends on the computer or the process, and behaves differently in AWS.

Sources: AWS Lambda Developer Guide, "Defined runtime environment variables" (``TZ`` is UTC,
``LANG`` is en_US.UTF-8, code is in ``/var/task``) and "Understanding the Lambda execution
environment lifecycle" (running work is frozen when a call ends); AWS Compute Blog, "Parallel
Processing in Python with AWS Lambda" (no ``/dev/shm``); Python's documentation of ``signal``
("Signals and threads"), ``locale`` and ``object.__hash__``.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from lokki_tf.model import Finding

if TYPE_CHECKING:
    from lokki_tf.model import Step

    from .reading import Code, Use


class Rule(NamedTuple):
    """A kind of difference.

    Args:
        id: The rule's id.
        names: Full names to which it applies; ``module.*`` for all names of a module.
        difference: What differs, as the second half of a sentence.
        remedy: How to avoid it.
        applies: Returns whether a use differs; by default every use does.
        in_jobs: Whether it also applies to jobs of AWS Batch.
    """

    id: str
    names: frozenset[str]
    difference: str
    remedy: str
    applies: Callable[[Step, Code, Use], bool] = lambda step, code, use: True
    in_jobs: bool = True


def check(step: Step, code: Code) -> Iterator[Finding]:
    """Report each name of a step's code to which a rule applies, once for each rule and name."""
    seen: set[tuple[str, str]] = set()
    for use in code.uses:
        of_module = f"{use.name.partition('.')[0]}.*"
        for key in (use.name, of_module):
            for rule in _RULES.get(key, ()):
                if (rule.id, key) in seen or (step.is_job and not rule.in_jobs):
                    continue
                if not rule.applies(step, code, use):
                    continue
                seen.add((rule.id, key))
                shown = use.name.removeprefix("builtins.").removeprefix(".")
                yield Finding(
                    rule.id,
                    f"the code of step {step.name!r} uses {shown}: {rule.difference}",
                    use.place,
                    rule.remedy,
                    severity="warning",
                )


def _has_no_zone(step: Step, code: Code, use: Use) -> bool:
    """Return whether a call uses the computer's time zone: no argument names one."""
    if "TZ" in step.options.env_variables:
        return False
    return _takes_local_zone(step, code, use)


def _has_own_zone(step: Step, code: Code, use: Use) -> bool:
    """Return whether a call uses the time zone of the step's TZ, which threads cannot have."""
    zone = step.options.env_variables.get("TZ")
    return zone not in (None, os.environ.get("TZ")) and _takes_local_zone(step, code, use)


def _takes_local_zone(step: Step, code: Code, use: Use) -> bool:
    """Return whether a use has the time zone of the process: no argument is a zone."""
    call = use.call
    if call is None:
        return use.name in ("time.timezone", "time.tzname")
    # By position, a zone follows the other arguments.
    others = {
        "datetime.datetime.fromtimestamp": 1, "datetime.date.fromtimestamp": 1,
        "time.localtime": 1, "time.ctime": 1, "time.mktime": 1, "time.strftime": 1,
    }.get(use.name, 0)  # fmt: skip
    return len(call.args) <= others and not any(one.arg in ("tz", None) for one in call.keywords)


def _sets_locale(step: Step, code: Code, use: Use) -> bool:
    """Return whether ``setlocale`` is called with a locale: without one, it returns the present."""
    return use.call is not None and len(use.call.args) + len(use.call.keywords) > 1


def _is_not_waited_for(step: Step, code: Code, use: Use) -> bool:
    """Return whether a thread or pool may still run when the step ends."""
    return use.call is not None and not use.in_with and not {".join", ".shutdown"} & code.names


def _is_task_left(step: Step, code: Code, use: Use) -> bool:
    """Return whether a task of asyncio may still run when the step ends: no code awaits it."""
    if use.call is None or _WAITS & code.names:
        return False
    nodes = (node for reader in code.functions for node in reader.nodes)
    return not any(isinstance(n, ast.Await) and not isinstance(n.value, ast.Call) for n in nodes)


def _is_of_path(step: Step, code: Code, use: Use) -> bool:
    """Return whether a method with a common name may be that of a path."""
    return use.call is not None and "pathlib.Path" in code.names


def _is_called(step: Step, code: Code, use: Use) -> bool:
    """Return whether a function is called, outside of ``__hash__``."""
    return use.call is not None and use.function != "__hash__"


def _is_undeclared(step: Step, code: Code, use: Use) -> bool:
    """Return whether a call may find a package that is neither declared nor Python's own."""
    first = use.call.args[0] if use.call is not None and use.call.args else None
    if not isinstance(first, ast.Constant):
        return use.call is not None
    name = str(first.value).partition(".")[0]
    declared = any(line.lower().startswith(name.lower()) for line in step.options.requirements)
    return not declared and name not in sys.stdlib_module_names


def _is_of_computer(step: Step, code: Code, use: Use) -> bool:
    """Return whether a call runs an installed program, not one that is deployed with the step."""
    if use.call is None or step.in_image:
        return False
    first = use.call.args[0] if use.call.args else None
    if isinstance(first, ast.List | ast.Tuple) and first.elts:
        first = first.elts[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        words = first.value.split()
        return not words or "/" not in words[0] or words[0].startswith(("/usr/", "/bin/"))
    return first is None or not ast.unparse(first).endswith("executable")


_WAITS = {f"asyncio.{one}" for one in ("gather", "wait", "wait_for", "as_completed", "TaskGroup")}
_AS_ARGUMENT = "pass the value to the step as an argument"

_LOCAL_TIMES = frozenset((
    *("datetime.datetime.now", "datetime.datetime.today", "datetime.date.today"),
    *("datetime.datetime.fromtimestamp", "datetime.date.fromtimestamp", ".astimezone"),
    *("time.localtime", "time.ctime", "time.mktime", "time.strftime"),
    *("time.timezone", "time.tzname"),
))  # fmt: skip

_ALL = (
    Rule(
        "time-zone",
        _LOCAL_TIMES,
        "without a time zone it uses the computer's, which is UTC in AWS",
        'name the zone: datetime.now(UTC) or datetime.now(ZoneInfo("Europe/Berlin")); or set TZ in '
        "env_variables=",
        _has_no_zone,
    ),
    Rule(
        "time-zone",
        _LOCAL_TIMES,
        "the step's TZ is in effect in AWS and with executor='process'; in other local runs "
        "steps share a process, which keeps the computer's time zone",
        'name the zone: datetime.now(ZoneInfo("Europe/Berlin")); or set TZ when you run the '
        "pipeline too",
        _has_own_zone,
    ),
    Rule(
        "locale",
        frozenset(("locale.setlocale",)),
        "Lambda has few locales, and a local run sets it for all steps, which share a process",
        "format with a package that contains its locales, babel for example",
        _sets_locale,
    ),
    Rule(
        "locale",
        frozenset(("locale.getlocale", "locale.getdefaultlocale", "locale.localeconv")),
        "the locale is the computer's, and en_US.UTF-8 in Lambda",
        _AS_ARGUMENT,
    ),
    Rule(
        "computer",
        frozenset(("os.getcwd", "os.getcwdb", "pathlib.Path.cwd")),
        "the working directory is different in AWS, /var/task in Lambda",
        "use paths relative to the code, Path(__file__).parent, and deploy the files: "
        "@step(include=[…])",
    ),
    Rule(
        "computer",
        frozenset((
            *("pathlib.Path.home", "os.path.expanduser", ".expanduser"),
            *("getpass.getuser", "os.getlogin", "os.getuid", "os.geteuid", "os.getgid"),
            *("os.getegid", "os.getgroups", "pathlib.Path.owner", "pathlib.Path.group"),
            *("pwd.getpwuid", "pwd.getpwnam", "pwd.getpwall", "grp.getgrgid", "grp.getgrnam"),
        )),
        "the user and the home directory are different in AWS",
        _AS_ARGUMENT,
    ),
    Rule(
        "computer",
        frozenset((".owner",)),
        "files have a different owner in AWS",
        _AS_ARGUMENT,
        _is_of_path,
    ),
    Rule(
        "computer",
        frozenset(("tkinter.*", "curses.*", "turtle.*", "readline.*")),
        "AWS has neither a display nor a terminal",
        "show the step's result outside of the pipeline",
    ),
    Rule(
        "exit",
        frozenset(("os._exit", "os.abort")),
        "it ends the process at once: locally the whole run and its script, in AWS only this "
        "call, which fails with Runtime.ExitError",
        "raise an error, which can be caught and retried",
    ),
    Rule(
        "computer",
        frozenset((
            *("socket.gethostname", "socket.getfqdn", "platform.node", "os.uname"),
            *("uuid.getnode", "os.cpu_count", "multiprocessing.cpu_count"),
        )),
        "it describes the computer, which can be different for each call in AWS",
        _AS_ARGUMENT,
    ),
    Rule(
        "computer",
        frozenset(("sys.argv", "sys.orig_argv")),
        "these are the arguments of this script, which do not exist in AWS",
        "give the pipeline a parameter",
    ),
    Rule(
        "computer",
        frozenset(("sys.stdin", "builtins.input")),
        "without a terminal, as in AWS, reading raises EOFError",
        "give the pipeline a parameter",
    ),
    Rule(
        "process-state",
        frozenset(("random.seed", "numpy.random.seed")),
        "in a local run all steps share these random numbers, and in AWS each call has its own",
        "make a generator in the step: random.Random(seed) or numpy.random.default_rng(seed)",
    ),
    Rule(
        "process-state",
        frozenset((
            *("os.chdir", "os.umask", "os.nice", "os.putenv", "time.tzset"),
            *("sys.setrecursionlimit", "sys.set_int_max_str_digits", "sys.setswitchinterval"),
            *("socket.setdefaulttimeout", "threading.stack_size", "resource.setrlimit"),
            *("decimal.setcontext", "logging.disable"),
            *("warnings.simplefilter", "warnings.filterwarnings", "csv.field_size_limit"),
            "mimetypes.add_type",
        )),
        "it changes the whole process, which all steps of a local run share and which runs only "
        "this step in AWS",
        "avoid it, or call it in each step that depends on it",
    ),
    Rule(
        "signals",
        frozenset(("signal.signal", "signal.alarm", "signal.setitimer", "signal.set_wakeup_fd")),
        "a local run calls steps in threads, where Python refuses it; Lambda calls them in the "
        "main thread",
        'limit the duration with @step(timeout_seconds=…); executor="process" has main threads',
    ),
    Rule(
        "left-running",
        frozenset((
            *("threading.Thread", "threading.Timer", "threading.start_new_thread"),
            "concurrent.futures.ThreadPoolExecutor",
        )),
        "no code waits for it, and Lambda freezes the process when the step returns",
        "wait for it before the step returns: join() or shutdown(), or a with statement",
        _is_not_waited_for,
        in_jobs=False,
    ),
    Rule(
        "left-running",
        frozenset(("asyncio.create_task", "asyncio.ensure_future", ".create_task")),
        "no code waits for it, and it is cancelled when the step returns",
        "await it before the step returns, or use asyncio.TaskGroup or asyncio.gather",
        _is_task_left,
    ),
    Rule(
        "left-running",
        frozenset(("atexit.register", "os.fork", "os.spawnl", "os.spawnv", "weakref.finalize")),
        "Lambda freezes the process when the step returns, and ends it without running exit "
        "handlers",
        "run the code before the step returns, in try … finally for example",
        in_jobs=False,
    ),
    Rule(
        "multiprocessing",
        frozenset((
            "concurrent.futures.ProcessPoolExecutor",
            *(
                f"multiprocessing.{name}"
                for name in (
                    *("Pool", "Queue", "SimpleQueue", "JoinableQueue", "Lock", "RLock", "Event"),
                    *("Semaphore", "BoundedSemaphore", "Condition", "Barrier", "Value", "Array"),
                )
            ),
        )),
        "it needs /dev/shm, which Lambda does not have: it raises OSError there",
        "use threads, multiprocessing.Process with Pipe, a map of the pipeline, or a job: "
        '@step(job_type="batch")',
        in_jobs=False,
    ),
    Rule(
        "program",
        frozenset((
            *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call"),
            *("subprocess.check_output", "subprocess.getoutput", "subprocess.getstatusoutput"),
            *("os.system", "os.popen", "os.execv", "os.execvp", "os.posix_spawn"),
            *("asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "shutil.which"),
        )),
        "it runs an installed program, which Lambda may not have",
        "deploy the program with the step, @step(include=[…]), and call it by its path; or run the "
        'step in an image that has it: @step(package="image")',
        _is_of_computer,
    ),
    Rule(
        "installed",
        frozenset((
            *("importlib.util.find_spec", "importlib.metadata.entry_points"),
            *("importlib.metadata.distributions", "pkgutil.iter_modules", "pkgutil.walk_packages"),
        )),
        "it searches installed packages, and Lambda has only declared ones",
        "declare the packages that it must find: @step(requirements=[…])",
        _is_undeclared,
    ),
    Rule(
        "hash",
        frozenset(("builtins.hash",)),
        "the hash of text and bytes differs between processes: it is the same in all steps of a "
        "local run, and different in AWS",
        "use zlib.crc32 or hashlib on the encoded text",
        _is_called,
    ),
)  # fmt: skip

_RULES: dict[str, list[Rule]] = {}
for _rule in _ALL:
    for _name in _rule.names:
        _RULES.setdefault(_name, []).append(_rule)
