"""Execute notebooks in an empty folder, clean what they store, and put them back; `--check` only
looks.

python .ci/notebooks.py [--check] notebooks/*.ipynb
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

MACHINE_PATH = re.compile(r"/(?:root|tmp|work|home|Users|farm)/[\w.]")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove what differs from machine to machine: times, language details, kernel names."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
        if "outputs" in cell:
            cell.outputs = joined(cell.outputs)
    return notebook


def joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The outputs with neighbouring pieces of one stream as one piece: where a stream is cut
    depends on the clock.
    """
    whole: list[nbformat.NotebookNode] = []
    for output in outputs:
        if whole and output.output_type == "stream" and whole[-1].get("name") == output.name:
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """What must not be stored: errors, stderr, machine paths, cells that were not run."""
    found = []
    for number, cell in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        if cell.source.strip() and cell.execution_count is None:
            found.append(f"code cell {number} was not run")
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                found.append(
                    f"code cell {number} stores {output.get('name', 'an error')}: {str(output)[:300]}"
                )
            if MACHINE_PATH.search(
                "".join(str(v) for k, v in output.get("data", {}).items() if "image" not in k)
                + output.get("text", "")
            ):
                found.append(f"code cell {number} prints a path of this machine")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only look, run nothing")
    parser.add_argument("notebooks", nargs="+", type=Path)
    arguments = parser.parse_args()
    # Bars would be stored as stderr, and nbval compares that.
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    status = 0
    for path in arguments.notebooks:
        before = path.read_text(encoding="utf-8")
        notebook = nbformat.reads(before, as_version=4)
        if not arguments.check:
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                NotebookClient(
                    notebook,
                    timeout=600,
                    kernel_name="python3",
                    resources={"metadata": {"path": folder}},
                ).execute()
            print(f"{path}: {time.perf_counter() - start:.0f} s", flush=True)
        after = nbformat.writes(clean(notebook)) + "\n"
        problems = faults(notebook)
        if arguments.check and after != before:
            problems.append("is not normalised: run `make notebooks`")
        for problem in problems:
            print(f"{path}: {problem}", file=sys.stderr)
            status = 1
        if not arguments.check:
            temporary = path.with_suffix(".tmp")
            temporary.write_text(after, encoding="utf-8")
            temporary.replace(path)
    return status


if __name__ == "__main__":
    sys.exit(main())
