"""`make figures` gives every picture of a chapter with its caption and the licence."""

import base64

import figures
import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

PIXEL = base64.b64encode(b"\x89PNG a picture").decode()


def drawing(number, pictures, caption="A  curve\nrises."):
    outputs = [
        new_output("display_data", data={"image/png": PIXEL, "text/plain": "<Figure>"})
        for _ in range(pictures)
    ]
    outputs.append(new_output("stream", name="stdout", text="done\n"))
    meta = {"mystnb": {"figure": {"caption": caption}, "image": {"alt": "A line."}}}
    cell = new_code_cell("plot()", outputs=outputs, metadata=meta)
    cell.id = f"07-{number:03d}"
    return cell


def test_pictures_captions_and_licence(tmp_path):
    path = tmp_path / "07-x.ipynb"
    nbformat.write(new_notebook(cells=[drawing(1, 1), drawing(2, 0), drawing(3, 2, "Two.")]), path)
    out = tmp_path / "out"
    assert figures.main([str(path), "-o", str(out)]) == 0
    assert sorted(p.name for p in out.glob("*.png")) == ["07-001.png", "07-003-2.png", "07-003.png"]
    assert (out / "07-001.png").read_bytes() == b"\x89PNG a picture"
    page = (out / "figures.md").read_text(encoding="utf-8")
    assert "![A line.](07-001.png)\n\nA curve rises.\n" in page
    assert page.count("CC BY 4.0") == 4 and "the gantut authors" in page


def test_the_chapters_have_figures():
    path = next((figures.ROOT / "notebooks").glob("02-*.ipynb"))
    found = figures.figures(path)
    assert len(found) >= 5
    assert all(f.png.startswith(b"\x89PNG") and f.caption and f.alt for f in found)
