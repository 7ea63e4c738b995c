"""A folder of images and a folder of recordings: what is read, and what is left out or refused."""

import math
import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, TiffImagePlugin
from scipy.io import wavfile
from torch.utils.data import DataLoader

import gantut
from gantut import data
from gantut.data.folders import PHOTOMETRIC
from gantut.speech import cents, pitch


def picture(path, size=(4, 4), color=(1, 2, 3), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path, **options)


def test_sub_folders_are_classes_and_files_keep_their_names(tmp_path):
    picture(tmp_path / "dog" / "a.png", (10, 10), (255, 0, 0))
    picture(tmp_path / "cat" / "b.PNG", (20, 10), (0, 255, 0))
    picture(tmp_path / "cat" / "deep" / "c.bmp", (4, 4), (0, 0, 255))
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "cat" / "folder.png").mkdir()
    read = data.load("folder", path=tmp_path, size=6)
    assert read.shape == (3, 6, 6) and read.images.dtype == torch.uint8
    assert read.class_names == ("cat", "dog") and read.labels.tolist() == [0, 0, 1]
    assert read.files == ("cat/b.PNG", "cat/deep/c.bmp", "dog/a.png") and read.skipped == ()
    colours = [tuple(image[:, 3, 3].tolist()) for image in read.images]
    assert colours == [(0, 255, 0), (0, 0, 255), (255, 0, 0)]
    assert read.subset([2]).files == ("dog/a.png",)
    picture(tmp_path / "loose.png")
    loose = data.folder(tmp_path, size=6)
    assert loose.labels is None and loose.classes == 0 and loose.class_names == ()


@pytest.mark.parametrize(
    ("color", "grey"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)]
)
def test_grey_is_luminance(color, grey, tmp_path):
    picture(tmp_path / "a.png", color=color)
    read = data.folder(tmp_path, size=4, channels=1)
    assert read.shape == (1, 4, 4) and (read.images == grey).all()


@pytest.mark.parametrize("tall", [False, True])
def test_the_crop_is_the_centre(tall, tmp_path):
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200
    Image.fromarray(wide.swapaxes(0, 1).copy() if tall else wide).save(tmp_path / "a.png")
    assert (data.folder(tmp_path, size=4).images == 200).all()


def test_a_photograph_is_turned_as_the_camera_was_held(tmp_path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0] = 255  # a white line on top
    exif = Image.Exif()
    exif[0x0112] = 6  # held so that the picture has to be turned right by a quarter
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    read = data.folder(tmp_path, size=4, channels=1)
    assert read.images[0, 0, :, 3].tolist() == [255] * 4 and read.images[0, 0, :, :3].max() == 0


# Each orientation a camera can note, and what undoes it.
UNDO = ["FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_90"]
UNDO += ["TRANSVERSE", "ROTATE_270"]


def slope():
    """A picture without symmetry whose colours change slowly, 150×150."""
    down, across = np.mgrid[0:150, 0:150] / 149
    pixels = [200 * across + 20, 200 * down + 20, 150 * down * across]
    return Image.fromarray(np.stack(pixels, -1).round().astype(np.uint8))


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """One picture as cameras, scanners and programs write it."""
    root, rgb = tmp_path_factory.mktemp("album"), slope()
    rgb.save(root / "plain.png")
    rgb.save(root / "UPPER.BMP")
    rgb.save(root / "camera.JPEG", quality=95, progressive=True)
    (root / "a-jpeg.png").write_bytes((root / "camera.JPEG").read_bytes())
    rgb.convert("CMYK").save(root / "printer.jpg", quality=95)
    rgb.convert("CMYK").save(root / "printer.tif")
    rgb.convert("RGBA").save(root / "alpha.webp", lossless=True)
    rgb.save(root / "pages.tiff", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    for suffix in ("png", "webp"):  # only the first picture of an animation counts
        rest = {"append_images": [Image.new("RGB", rgb.size)], "lossless": True}
        rgb.save(root / f"moving.{suffix}", save_all=True, **rest)
    rgb.resize((3000, 3000), Image.Resampling.BICUBIC).save(root / "huge.jpg", quality=95)
    for k, undo in enumerate(UNDO):
        exif = Image.Exif()
        exif[0x0112] = k + 2
        rgb.transpose(Image.Transpose[undo]).save(root / f"turned-{k}.png", exif=exif)
    return root


@pytest.mark.parametrize("size", [64, 128])
def test_one_picture_is_the_same_however_it_was_written(size, album):
    read = data.folder(album, size=size)
    places = {name: k for k, name in enumerate(read.files)}
    # The mean over squares: a slope is the same after any fair resizing, but for its ends.
    side = size // 16
    blocks = torch.nn.functional.avg_pool2d(read.floats(), side)[:, :, 1:-1, 1:-1]
    away = (blocks - blocks[places["plain.png"]]).abs().amax((1, 2, 3)) * 255
    lossy = {"a-jpeg.png", "camera.JPEG", "huge.jpg", "printer.jpg"}
    assert len(places) == 18 and lossy < set(places)
    for name, most in zip(read.files, away.tolist(), strict=True):
        assert most < (1.5 if name in lossy else 0.01), name
    x = blocks[places["plain.png"]] * 255
    t = (torch.arange(1, 15) + 0.5) / 16
    assert (x[0] - (200 * t + 20)).abs().max() < 1.5
    assert (x[1] - (200 * t + 20)[:, None]).abs().max() < 1.5


def test_a_large_jpeg_is_decoded_at_a_part_of_its_size(tmp_path, monkeypatch):
    slope().resize((3200, 2400), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg")
    sizes, fit = [], ImageOps.fit

    def spy(image, size, **options):
        sizes.append(image.size)
        return fit(image, size, **options)

    monkeypatch.setattr(ImageOps, "fit", spy)
    data.folder(tmp_path, size=64)
    data.folder(tmp_path, size=800)
    # An eighth, and nothing that would make it coarse.
    assert sizes == [(400, 300), (3200, 2400)]


@pytest.mark.parametrize("size", [64, 128])
def test_lines_dots_and_one_bit_are_pictures_too(size, tmp_path):
    picture(tmp_path / "dot.png", (1, 1), (9, 8, 7))
    picture(tmp_path / "line.png", (500, 1), (9, 8, 7))
    picture(tmp_path / "tall.gif", (1, 700), 9, mode="L")
    for suffix in ("png", "bmp", "tif"):
        picture(tmp_path / f"bit.{suffix}", (30, 20), 1, mode="1")
    read = data.folder(tmp_path, size=size)
    assert read.shape == (3, size, size)
    for name, image in zip(read.files, read.images, strict=True):
        expected = {"b": (255,) * 3, "t": (9,) * 3}.get(name[0], (9, 8, 7))
        assert (image == torch.tensor(expected)[:, None, None]).all(), name


@pytest.mark.parametrize("size", [64, 128])
def test_a_gan_trains_on_files_that_stay_on_the_disk(size, album):
    held, streamed = (data.folder(album, size=size, memory=memory) for memory in (2e9, 0))
    assert streamed.values.is_meta and not held.values.is_meta
    losses = []
    for some in (held, streamed):
        pair = (
            gantut.networks.ResidualGenerator(4, some.shape, width=2, seed=0),
            gantut.networks.ResidualDiscriminator(some.shape, width=2, seed=1),
        )
        trainer = gantut.GANTrainer(*pair, **gantut.training.r3gan(), device="cpu", seed=2)
        losses.append(trainer.fit(some.batches(2, seed=3), steps=2))
    assert losses[0] == losses[1] and len(losses[0]["discriminator"]) == 2
    assert all(map(math.isfinite, losses[0]["discriminator"]))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_become_eight(suffix, channels, tmp_path):
    row = np.linspace(0, 65535, 64)
    Image.fromarray(np.tile(row, (64, 1)).astype(np.uint16)).save(tmp_path / f"a.{suffix}")
    read = data.folder(tmp_path, size=64, channels=channels)
    assert read.images[0, 0, 0, :3].tolist() == [0, 4, 8] and read.shape == (channels, 64, 64)
    assert (read.floats()[0] - torch.from_numpy(row / 65535)).abs().max() < 0.51 / 255


def test_sixteen_bits_whose_zero_is_white(tmp_path):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[PHOTOMETRIC] = 0
    values = np.full((8, 8), 257 * 55, np.uint16)
    Image.fromarray(values).save(tmp_path / "x-ray.tif", tiffinfo=tags)
    assert (data.folder(tmp_path, size=8).images == 200).all()


def test_pixels_without_a_known_range_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 1e6, np.float32)).save(tmp_path / "depth.tif")
    with pytest.raises(ValueError, match=r"depth\.tif.*32-bit numbers"):
        data.folder(tmp_path, size=4)


def transparent(path, mode):
    """The left half is opaque red; the right half is transparent over a hidden blue."""
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, :4] = (255, 0, 0, 255)
    rgba[:, 4:] = (0, 0, 255, 0)
    image = Image.fromarray(rgba)
    if mode == "P":
        image = image.convert("RGB").quantize(2)
        image.save(path, transparency=image.getpixel((7, 0)))
    elif mode == "RGB":  # one colour stands for transparency
        image.convert("RGB").save(path, transparency=(0, 0, 255))
    elif mode == "LA":
        image.convert("LA").save(path)
    else:
        image.save(path)


@pytest.mark.parametrize("mode", ["RGBA", "P", "RGB", "LA"])
def test_transparent_pixels_show_the_background(mode, tmp_path):
    transparent(tmp_path / "a.png", mode)
    red = [76] * 3 if mode == "LA" else [255, 0, 0]
    for options, ground in (({}, [255] * 3), ({"background": "#00ff00"}, [0, 255, 0])):
        image = data.folder(tmp_path, size=8, **options).images[0]
        assert image[:, 4, 0].tolist() == red and image[:, 4, 7].tolist() == ground
        grey = data.folder(tmp_path, size=8, channels=1, **options).images[0, 0]
        assert grey[4, 0] == 76 and grey[4, 7] == (255 if ground[0] else 150)


def test_one_transparent_grey_of_sixteen_bits_shows_the_background(tmp_path):
    values = np.full((8, 8), 257, np.uint16)
    values[:, 4:] = 258  # as bytes both are 1
    Image.fromarray(values).save(tmp_path / "a.png", transparency=258)
    image = data.folder(tmp_path, size=8, channels=1).images[0, 0]
    assert image[4, 0] == 1 and image[4, 7] == 255


def test_half_transparent_is_a_mixture(tmp_path):
    picture(tmp_path / "a.png", color=(0, 0, 0, 128), mode="RGBA")
    read = data.folder(tmp_path, size=4)
    assert (read.images == 127).all()


HIDDEN = ["._0.png", ".ipynb_checkpoints/0.png", "__MACOSX/cat/0.png", "cat/.thumbs/0.png"]
HIDDEN += ["@eaDir/0.png", "$RECYCLE.BIN/0.png", "cat/._0.png"]


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_files_and_those_of_systems_are_no_images_and_no_class(name, tmp_path):
    root = tmp_path / ".data"  # a hidden folder that is asked for is read
    picture(root / "cat" / "0.png")
    picture(root / "dog" / "0.png")
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"not an image")
    read = data.folder(root, size=4)
    assert read.files == ("cat/0.png", "dog/0.png") and read.class_names == ("cat", "dog")
    (root / "cat" / "0.png").unlink()
    (root / "dog" / "0.png").unlink()
    with pytest.raises(FileNotFoundError, match="no image in"):
        data.folder(root, size=4)


@pytest.fixture
def spoiled(tmp_path):
    """Two good images, and two that cannot be read, in three folders."""
    picture(tmp_path / "cat" / "good.png", (40, 40), (1, 2, 3))
    picture(tmp_path / "dog" / "good.png", (40, 40), (7, 8, 9))
    whole = (tmp_path / "dog" / "good.png").read_bytes()
    # One opens, and breaks while it is read.
    (tmp_path / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "ant").mkdir()
    (tmp_path / "ant" / "no.jpg").write_bytes(b"not an image")
    return tmp_path


@pytest.mark.parametrize("memory", [2e9, 0])
def test_unreadable_images_are_refused_and_counted_or_skipped_and_named(memory, spoiled):
    with pytest.raises(ValueError, match=r"no\.jpg and 1 more of 4 images: .*unreadable='skip'"):
        data.folder(spoiled, size=4, memory=memory)
    with pytest.warns(
        UserWarning, match=r"left out 2 of 4 images, unreadable: ant/no\.jpg, cat/cut\.png"
    ):
        read = data.folder(spoiled, size=4, unreadable="skip", memory=memory)
    # A folder without a readable image is no class.
    assert read.class_names == ("cat", "dog") and read.labels.tolist() == [0, 1]
    assert read.images[:, 0, 0, 0].tolist() == [1, 7]
    assert read.skipped == ("ant/no.jpg", "cat/cut.png")
    with pytest.raises(
        ValueError, match="unknown setting of unreadable 'ignore'; known: refuse, skip"
    ):
        data.folder(spoiled, size=4, unreadable="ignore")


@pytest.mark.parametrize("unreadable", ["refuse", "skip"])
def test_nothing_readable_is_no_data(unreadable, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot read the image .*a\.png: .*none is left"):
        data.folder(tmp_path, size=4, unreadable=unreadable)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_that_do_not_fit_in_memory_are_read_when_they_are_asked_for(channels, tmp_path):
    rng = np.random.default_rng(0)
    for k in range(12):
        path = tmp_path / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 11, 3)).astype(np.uint8)).save(path)
    options = {"size": 8, "channels": channels}
    held = data.folder(tmp_path, **options, memory=12 * channels * 64)
    streamed = data.folder(tmp_path, **options, memory=12 * channels * 64 - 1)
    assert streamed.values.is_meta and not held.values.is_meta
    assert torch.equal(streamed.images, held.images) and streamed.shape == held.shape
    assert streamed.files == held.files and len(streamed) == 12
    for index in (3, slice(2, 7), torch.tensor([5, 0]), held.labels == 1):
        assert torch.equal(streamed.floats(index), held.floats(index))
        assert torch.equal(streamed[index][0], held[index][0])
    rows = torch.tensor([7, 2, 4])
    assert torch.equal(streamed.subset(rows).floats(), held.subset(rows).floats())
    batches = [some.batches(5, seed=3, labels=True) for some in (streamed, held)]
    for k in (4, 0, 9, 4):  # in any order: a batch is a function of its number
        for ours, theirs in zip(*(batch.batch(k) for batch in batches), strict=True):
            assert torch.equal(ours, theirs)
    x, y = next(iter(DataLoader(streamed, 12, num_workers=1)))
    assert torch.equal(x, held.floats()) and torch.equal(y, held.labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "a whole number of pixels .* got size=0 and channels=3"),
        ({"size": -4}, "got size=-4"),
        ({"size": 3.5}, "a whole number .* got size=3.5"),
        ({"size": (4, 4)}, r"got size=\(4, 4\)"),
        ({"channels": 2}, "1 or 3 channels, got size=4 and channels=2"),
        ({"background": "whit"}, "'whit'"),
    ],
)
def test_bad_options_of_a_folder_of_images(options, message, tmp_path):
    picture(tmp_path / "a.png")
    with pytest.raises(ValueError, match=message):
        data.folder(tmp_path, **{"size": 4, **options})


@pytest.mark.parametrize(
    ("read", "what", "suffix"),
    [(lambda path: data.folder(path, size=4), "image", "png"), (data.recordings, "sound", "wav")],
)
def test_a_missing_or_empty_folder_says_so(read, what, suffix, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=rf"no {what} in .*files that end in .*\.{suffix}"):
        read(tmp_path)
    (tmp_path / "file.png").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*file\.png"):
        read(tmp_path / "file.png")


def tone(frequency, seconds, rate=8000, loud=0.5):
    return loud * np.sin(2 * math.pi * frequency * np.arange(round(seconds * rate)) / rate)


def write(path, samples, rate=8000, kind="int16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "uint8":
        samples = np.round(128 + 127 * samples).astype(kind)
    elif kind.startswith("int"):
        samples = np.round(samples * np.iinfo(kind).max).astype(kind)
    wavfile.write(path, rate, samples.astype(kind))


@pytest.mark.parametrize(
    ("kind", "error"), [("uint8", 1e-2), ("int16", 1e-4), ("int32", 1e-6), ("float32", 1e-6)]
)
def test_every_kind_of_sample_is_read_as_the_same_sound(kind, error, tmp_path):
    wave = tone(200, 0.2)
    write(tmp_path / "a.WAV", wave, kind=kind)
    sounds = data.recordings(tmp_path, length=400)
    assert len(sounds) == 7 and sounds.shape == (1, 400)
    assert sounds.labels is None and sounds.classes == 0
    for k in (0, 1):  # half overlaps
        expected = wave[200 * k : 200 * k + 400] * 0.9 / 0.5
        assert np.abs(sounds.values[k, 0].numpy() - expected).max() < 3 * error


def test_folders_of_sounds_are_classes_and_frames_know_their_file(tmp_path):
    write(tmp_path / "oo" / "b.wav", tone(150, 0.2))
    write(tmp_path / "ah" / "a.wav", tone(120, 0.128))
    write(tmp_path / "ah" / "._a.wav", tone(120, 0.128))
    (tmp_path / "ah" / "notes.txt").write_text("no sound")
    sounds = data.load("recordings", path=tmp_path)
    assert sounds.class_names == ("ah", "oo") and sounds.classes == 2 and sounds.skipped == ()
    assert sounds.labels.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert sounds.files == 3 * ("ah/a.wav",) + 5 * ("oo/b.wav",)
    x, labels = sounds.batches(4, labels=True).batch(0)
    assert x.shape == (4, 1, 512) and labels.shape == (4,)


def test_channels_are_averaged(tmp_path):
    left, right = tone(200, 0.1), tone(300, 0.1)
    write(tmp_path / "stereo.wav", np.stack([left, right], 1))
    frame = data.recordings(tmp_path).values[0, 0].numpy()
    mean = (left + right)[:512]
    assert np.abs(frame - 0.9 * mean / np.abs(mean).max()).max() < 1e-3


def test_pauses_are_left_out(tmp_path):
    parts = [tone(200, 0.128), np.zeros(4096), tone(200, 0.128, loud=0.03)]
    write(tmp_path / "a.wav", np.concatenate(parts))
    assert len(data.recordings(tmp_path)) == 8  # with the two that reach into the pause


def test_another_rate_is_refused_or_converted(tmp_path):
    write(tmp_path / "a.wav", tone(220, 0.5, 44100), 44100)
    with pytest.raises(
        ValueError, match=r"a\.wav: it has 44100 samples a second; expected 8000, or resample=True"
    ):
        data.recordings(tmp_path)
    sounds = data.recordings(tmp_path, resample=True)
    middle = sounds.values[3:5]
    assert cents(pitch(middle, 8000), torch.tensor(220.0)).abs().max().item() < 1


def damaged(path):
    write(path, tone(200, 0.2))
    path.write_bytes(path.read_bytes()[:1000])


BROKEN = {
    "no sound at all": (lambda p: p.write_bytes(b"not a sound"), r"cannot read the sound .*z\.wav"),
    "cut off": (damaged, r"cannot read the sound .*z\.wav: Reached EOF"),
    "empty": (lambda p: p.write_bytes(b""), r"cannot read the sound .*z\.wav"),
    "too short": (
        lambda p: write(p, tone(200, 0.01)),
        r"z\.wav: it has 80 samples at 8000 a second; expected a frame of 512 or more",
    ),
    "silent": (lambda p: write(p, np.zeros(1000)), r"z\.wav: it is silent"),
    "not a number": (
        lambda p: write(p, np.full(1000, np.nan), kind="float32"),
        r"z\.wav: it holds NaN",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_used_is_refused_or_left_out_and_named(case, tmp_path):
    write(tmp_path / "good.wav", tone(200, 0.2))
    spoil, message = BROKEN[case]
    spoil(tmp_path / "z.wav")
    with pytest.raises(ValueError, match=message):
        data.recordings(tmp_path)
    with pytest.warns(UserWarning, match=r"left out 1 of 2 sounds, unreadable: z\.wav"):
        sounds = data.recordings(tmp_path, unreadable="skip")
    assert sounds.skipped == ("z.wav",) and len(sounds) == 5
    (tmp_path / "good.wav").unlink()
    with pytest.raises(ValueError, match="none is left"):
        data.recordings(tmp_path, unreadable="skip")


def test_an_unknown_chunk_does_no_harm(tmp_path):
    write(tmp_path / "a.wav", tone(200, 0.2))
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content += b"note" + (4).to_bytes(4, "little") + b"abcd"
    content[4:8] = (len(content) - 8).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(data.recordings(tmp_path)) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [({"length": 1}, "length .* 2, got 1"), ({"rate": 0}, "rate .* 1, got 0")],
)
def test_bad_options_of_a_folder_of_sounds(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        data.recordings(tmp_path, **options)
