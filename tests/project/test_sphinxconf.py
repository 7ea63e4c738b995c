"""The way to plain Sphinx, without Jupyter Book: its settings are written, and pages come out."""

import re
import runpy
import subprocess
import sys

import pytest
import sphinxconf
import surface

TOC = """\
format: jb-book
root: book/index
parts:
  - caption: Chapters
    numbered: 2
    chapters:
      - file: notebooks/01-background
"""


@pytest.fixture
def folder(tmp_path):
    """The book's settings, its prose, and one chapter."""
    (tmp_path / "_config.yml").write_bytes((surface.ROOT / "_config.yml").read_bytes())
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    (tmp_path / "book").symlink_to(surface.ROOT / "book")
    (tmp_path / "notebooks").mkdir()
    chapter = surface.ROOT / "notebooks" / "01-background.ipynb"
    (tmp_path / "notebooks" / chapter.name).write_bytes(chapter.read_bytes())
    sphinxconf.write(tmp_path)
    return tmp_path


def test_the_settings_need_no_jupyter_book(folder):
    said = runpy.run_path(str(folder / "conf.py"))
    assert not [name for name in said["extensions"] if name.startswith(("jupyter", "sphinx_jupy"))]
    assert {"house", "myst_nb", "sphinx_external_toc"} <= set(said["extensions"])
    assert said["html_theme"] == "sphinx_book_theme" and said["nb_execution_mode"] == "off"


@pytest.mark.slow
def test_plain_sphinx_builds_a_chapter(folder):
    # Most links lead to pages that are not in this small book, so warnings are no errors here.
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", ".", "_build"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    page = (folder / "_build" / "notebooks" / "01-background.html").read_text(encoding="utf-8")
    assert re.search(r'<h1><span class="section-number">1\s*</span>', page)
    assert 'class="opening' in page and "Figure 1.1" in page and "next-steps" in page
