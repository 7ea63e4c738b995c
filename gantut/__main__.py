"""`python -m gantut train|sample|evaluate|export`: the trainers without a notebook.

`torchrun --standalone --nproc-per-node 2 -m gantut train …` trains in two processes, on as many GPUs or on the CPU.
Exit codes: 0 done, 1 the run failed, 2 a wrong option or a setting that does not fit, 130 interrupted (and saved).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """All commands and their options; those of ``train`` are made from ``Settings``."""
    from gantut.cli.settings import Settings, add_options

    top = argparse.ArgumentParser(
        prog="python -m gantut", description="Train and use generative models without a notebook."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    kinds = Settings.__dataclass_fields__["model"].metadata["choices"]

    train = commands.add_parser("train", help="train a model in a folder")
    train.add_argument("model", nargs="?", choices=kinds, help="what to train (default: gan)")
    train.add_argument(
        "--out",
        type=Path,
        default=Path("run"),
        metavar="FOLDER",
        help="the run's folder (default: run)",
    )
    train.add_argument(
        "--config", type=Path, metavar="FILE", help="a config.toml; options given beside it win"
    )
    train.add_argument(
        "--resume", action="store_true", help="go on with the run in the folder, with its settings"
    )
    add_options(train)

    sample = commands.add_parser("sample", help="draw a grid of samples of a run")
    sample.add_argument("-n", type=int, default=100, help="how many (default: 100)")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument(
        "--to", type=Path, metavar="FILE", help="a PNG file (default: samples.png in the folder)"
    )

    evaluate = commands.add_parser("evaluate", help="measure the samples of a run")
    evaluate.add_argument("-n", type=int, default=2000, help="how many samples (default: 2000)")
    evaluate.add_argument("--seed", type=int, default=1)

    export = commands.add_parser(
        "export", help="write the decoder or generator as a file that needs no gantut"
    )
    export.add_argument(
        "--to",
        type=Path,
        metavar="FILE",
        help="the file (default: model.pt2 or model.onnx in the folder)",
    )
    export.add_argument(
        "--format",
        choices=("torch", "onnx"),
        default="torch",
        help="what reads it (default: torch)",
    )
    export.add_argument(
        "--weights",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="of an ONNX file (default: float32)",
    )

    for command in (sample, evaluate, export):
        command.add_argument("folder", type=Path, help="the run's folder")
    return top


def act(arguments: argparse.Namespace) -> int:
    """Do what the command says; return the exit code."""
    from gantut import processes
    from gantut.cli import runs, settings

    if arguments.command != "train" and processes.expected() > 1:
        raise settings.SettingsError(
            f"{arguments.command} is the work of one process: start it without torchrun"
        )
    if arguments.command == "train":
        options = dict(vars(arguments))
        out, config, resume = options.pop("out"), options.pop("config"), options.pop("resume")
        del options["command"]
        if options["model"] is None:  # a config file may name it
            del options["model"]
        if resume and config is None:
            config = out / runs.CONFIG
        chosen = settings.Settings(**((settings.read(config) if config else {}) | options))
        trainer = runs.train(chosen, out, resume=resume)
        if os.environ.get("RANK", "0") == "0":
            print(
                f"{'interrupted' if trainer.interrupted else 'done'} at step {trainer.steps}; the run is in {out}"
            )
        return 130 if trainer.interrupted else 0
    if arguments.command == "sample":
        if arguments.n < 1:
            raise settings.SettingsError(f"n must be at least 1, got {arguments.n}")
        _, trainer, _ = runs.opened(arguments.folder)
        path = arguments.to or arguments.folder / "samples.png"
        runs.picture(trainer, path, arguments.n, arguments.seed)
        print(path)
    elif arguments.command == "evaluate":
        for name, value in runs.evaluate(
            arguments.folder, n=arguments.n, seed=arguments.seed
        ).items():
            print(f"{name:16s} {value:.4g}")
    else:
        onnx = arguments.format == "onnx"
        if arguments.weights != "float32" and not onnx:
            raise settings.SettingsError(f"weights {arguments.weights} are for --format onnx")
        path = arguments.to or arguments.folder / ("model.onnx" if onnx else "model.pt2")
        deviation = runs.export(arguments.folder, path, arguments.format, arguments.weights)
        print(f"{path}: largest deviation {deviation:.0e}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Parse, act, and turn what went wrong into one line and an exit code."""
    arguments = parser().parse_args(argv)
    from gantut.processes import ProcessError
    from gantut.training import CheckpointError, NonFiniteError

    try:
        return act(arguments)
    except (CheckpointError, NonFiniteError, ProcessError, OSError) as error:
        complain(error)
        return 1
    except (ValueError, TypeError) as error:
        complain(error)
        return 2
    except KeyboardInterrupt:
        complain("interrupted before anything was saved")
        return 130


def complain(message: object) -> None:
    """One line on stderr, written at once, so that the lines of several processes stay whole."""
    from gantut.processes import expected

    where = f" (process {os.environ.get('RANK', '?')} of {expected()})" if expected() > 1 else ""
    sys.stderr.write(f"gantut{where}: {message}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
