"""The library loads without what only some of its functions need."""

import subprocess
import sys


def test_the_heavy_packages_wait_until_they_are_needed():
    code = (
        "import sys; import gantut; from gantut import data, losses, networks, training, VAE; "
        "print([m for m in ('torchvision', 'sklearn', 'torchmetrics', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
