"""``gantut train|sample|evaluate|export|record``: the trainers without a notebook.

``torchrun --standalone --nproc-per-node 2 -m gantut train …`` trains in two processes, on as many
GPUs or on the CPU. Exit codes: 0 done; 1 the run failed; 2 a wrong option, or a setting that does
not fit; 130 interrupted, by Ctrl-C or by SIGTERM, and what was done has been saved.
"""

import os
import sys


def main(argv: list[str] | None = None) -> int:
    """Do what the words say; what goes wrong becomes one line on stderr and an exit code.

    Args:
        argv: the words after the program's name; those of the command line unless given.

    Returns:
        The exit code.

    Raises:
        SystemExit: a word that is unknown (2), or a question for help (0).
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv == ["--version"]:
        from gantut import __version__

        print(f"gantut {__version__}")
        return 0
    from gantut.cli.settings import SettingsError, parse

    try:
        command = parse(argv)
    except SettingsError as error:
        return _complain(error, 2)
    from gantut import processes, training
    from gantut.cli import runs
    from gantut.runs import RunError

    act = getattr(runs, argv[0])
    failed: tuple[type[Exception], ...] = (training.CheckpointError, training.NonFiniteError)
    failed += (processes.ProcessError, RunError, OSError)
    try:
        if processes.expected() > 1 and act is not runs.train:
            raise SettingsError(f"{argv[0]} is the work of one process: start it without torchrun")
        return act(command) or 0
    except failed as error:
        return _complain(error, 1)
    except (ValueError, TypeError, ImportError) as error:
        return _complain(error, 2)
    except KeyboardInterrupt:
        return _complain("interrupted at once; what was saved before is still there", 130)


def _complain(message: object, code: int) -> int:
    """One line on stderr, written at once, so that the lines of several processes stay whole."""
    world = os.environ.get("WORLD_SIZE", "1")
    where = f" (process {os.environ.get('RANK', '?')} of {world})" if world != "1" else ""
    sys.stderr.write(f"gantut{where}: {' '.join(str(message).split())}\n")
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
