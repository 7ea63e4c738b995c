"""What the browser tests measured, as a table: python tests/browser/report.py"""

from __future__ import annotations

import json
import sys
from pathlib import Path

REPORT = Path(__file__).resolve().parents[2] / "_build" / "browser"


def main() -> int:
    records = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(REPORT.glob("*.json"))
    ]
    if not records:
        print(f"nothing in {REPORT.name}: run pytest tests/browser after make book")
        return 1
    print(
        f"{'page':44s}{'kB':>7s}{'first':>7s}{'sent':>7s}{'jumps':>7s}{'loaded':>8s}{'ready':>7s}{'formulas':>10s}{'images':>8s}{'faults':>8s}"
    )
    for record in records:
        sizes = (
            f"{record['bytes'] / 1000:7.0f}{record['first'] / 1000:7.0f}"
            f"{record['sent'] / 1000:7.0f}{record['jumps']:7.2f}"
        )
        times = f"{record['loaded']:7.1f}s{record['ready']:6.1f}s"
        counts = f"{record['formulas']:10d}{record['images']:8d}{len(record['faults']):8d}"
        print(f"{record['page'][:43]:44s}{sizes}{times}{counts}")
    heaviest = max(records, key=lambda record: record["sent"])
    print(
        f"{len(records)} pages, {sum(len(r['faults']) for r in records)} faults; the heaviest is {heaviest['page']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
