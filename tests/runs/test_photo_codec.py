"""The photographs' recipe: patches, JPEG's files, curves by hand."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gantut.runs.recipes import photo_codec as recipe


def test_patches_are_a_function_of_the_step():
    patches = recipe.Patches(32, 6, seed=1)
    first = patches.batch(3)
    assert first.shape == (6, 3, 32, 32) and first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, recipe.Patches(32, 6, seed=1).batch(3))
    assert not torch.equal(first, patches.batch(4))
    assert not torch.equal(first, recipe.Patches(32, 6, seed=2).batch(3))


def test_patches_come_from_all_over_the_photographs():
    patches = recipe.Patches(8, 64)
    y = torch.linspace(0, 1, 400)[:, None].expand(400, 300)
    x = torch.linspace(0, 1, 300).expand(400, 300)
    patches.photographs = [torch.stack([y, x, 0.5 * y + 0.5 * x])]
    means = torch.cat([patches.batch(k) for k in range(4)]).mean((2, 3))
    assert means.min() < 0.1 and means.max() > 0.9


def test_a_jpeg_is_pillows_best_file():
    x = recipe.photographs()["cat"][:, :64, :80]
    code, seen = recipe.jpeg(x, 30, 0)
    read = Image.open(io.BytesIO(code))
    assert read.format == "JPEG" and read.size == (80, 64)
    assert torch.equal(
        (255 * seen).round().byte(), torch.from_numpy(np.array(read)).permute(2, 0, 1)
    )
    array = (255 * x).round().byte().permute(1, 2, 0).numpy()
    for progressive in (False, True):
        plain = io.BytesIO()
        Image.fromarray(array).save(
            plain, "JPEG", quality=30, subsampling=0, progressive=progressive, optimize=True
        )
        assert len(code) <= len(plain.getvalue())
        assert np.array_equal(np.array(Image.open(plain)), np.array(read))
    assert len(recipe.jpeg(x, 30, 2)[0]) < len(code)


def test_a_curve_counts_all_bytes_and_is_in_order():
    x = recipe.photographs()["cat"][:, :176, :192]
    coded = [recipe.jpeg(x, quality, 2) for quality in (50, 5, 20)]
    found = recipe.curve(x, coded)
    assert found["bits"].tolist() == sorted(8 * len(code) / (176 * 192) for code, _ in coded)
    error = ((coded[0][1] - x).double() ** 2).mean().item()
    assert found["psnr"][-1] == pytest.approx(-10 * np.log10(error))
    assert (np.diff(found["ms_ssim"]) > 0).all()


def test_the_best_value_at_a_rate():
    points = {"bits": np.array([0.1, 0.2, 0.4, 0.8]), "psnr": np.array([20.0, 19.0, 24.0, 25.0])}
    # 0.2 is worse than 0.1, so the line goes from 0.1 to 0.4: half way in logarithms at 0.2.
    assert recipe.best(points, "psnr", [0.1, 0.2, 0.4]).tolist() == pytest.approx([20, 22, 24])
    with pytest.raises(ValueError, match=r"rates of at least 0.100 bits a pixel, got 0.09"):
        recipe.best(points, "psnr", 0.09)  # fewer bits than any file has


def test_half_the_bits_at_equal_quality_is_a_half_saved():
    bits = np.geomspace(0.02, 2, 60)
    rival = {"bits": bits, "psnr": 30 + 5 * np.log2(bits)}
    assert recipe.saved(rival, {"bits": bits / 2, "psnr": rival["psnr"]}) == pytest.approx(
        0.5, abs=1e-3
    )
    assert recipe.saved(rival, rival) == pytest.approx(0, abs=1e-9)


def test_the_longest_code_that_fits():
    class Coder:
        def compress(self, x, dial):
            return bytes(round(100 + 255 * dial))

    x = torch.zeros(3, 20, 40)
    code, dial = recipe.at_most(Coder(), x, 2.0)
    assert len(code) == 200 and dial == 100 / 255
    assert len(recipe.at_most(Coder(), x, 9.0)[0]) == 355
