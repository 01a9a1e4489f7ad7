"""Makes images/: a small picture in every kind of file, what Pillow decodes each to, and what it
resizes some to. Run by hand; the tests read what it wrote and need no Python.

    python3 -m venv ~/.cache/portolan/test/oracle-images
    ~/.cache/portolan/test/oracle-images/bin/pip install pillow numpy
    ~/.cache/portolan/test/oracle-images/bin/python images.py
"""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FOLDER = Path(__file__).parent / "images"
WIDTH, HEIGHT = 37, 23


def main():
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    expected = Expected()
    decoded = [describe(name, data, expected) for name, data in files()]
    # Kinds that are not read.
    for name, mode in [("palette.tif", "P"), ("grey_alpha.tif", "LA")]:
        image = picture(WIDTH, HEIGHT).convert(mode)
        (FOLDER / name).write_bytes(saved(image, "TIFF", compression="tiff_lzw"))
    resized = [resize(case, expected) for case in RESIZES]
    (FOLDER / "expected.bin").write_bytes(expected.bytes)
    lines = lambda rows: "[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]"
    (FOLDER / "index.json").write_text(
        f'{{"decoded": {lines(decoded)},\n"resized": {lines(resized)}}}\n'
    )
    print(f"{len(decoded)} files, {len(resized)} resizes with Pillow {Image.__version__}")


class Expected:
    """Pixels one after another; the same ones are kept once."""

    def __init__(self):
        self.bytes = b""

    def place(self, image):
        pixels = np.asarray(image, dtype=np.uint8).tobytes()
        at = self.bytes.find(pixels)
        if at < 0:
            at = len(self.bytes)
            self.bytes += pixels
        return {"width": image.width, "height": image.height, "at": at}


def describe(name, data, expected):
    (FOLDER / name).write_bytes(data)
    image = Image.open(io.BytesIO(data))
    if image.mode.startswith("I;16"):
        # Pillow cuts grey of 16 bits off at 255, so that nearly everything is white. For colours of
        # 16 bits it takes the high byte: so do we for both.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    else:
        image = ImageOps.exif_transpose(image)
    return {"file": name} | expected.place(image.convert("RGB"))


def files():
    """Every file by name."""
    rgb = picture(WIDTH, HEIGHT)
    grey = rgb.convert("L")
    palette = rgb.quantize(200, dither=Image.Dither.NONE)
    few = rgb.quantize(9, dither=Image.Dither.NONE)
    bilevel = rgb.convert("1")
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray((np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) * 4).astype(np.uint8)))
    grey_alpha = alpha.convert("LA")
    cmyk = Image.merge("CMYK", [*ImageOps.invert(rgb).split(), grey.point(lambda v: v // 3)])
    deep = (np.asarray(rgb).astype(np.uint16) << 8) + 0xA7
    other = ImageOps.invert(rgb)

    yield "rgb.jpg", saved(rgb, "JPEG", quality=90, subsampling="4:4:4")
    yield "420.jpg", saved(rgb, "JPEG", quality=80, subsampling="4:2:0")
    yield "422.jpg", saved(rgb, "JPEG", quality=80, subsampling="4:2:2")
    yield "progressive.jpg", saved(rgb, "JPEG", quality=80, progressive=True)
    yield "restarts.jpg", saved(rgb, "JPEG", quality=80, restart_marker_rows=1)
    yield "grey.jpg", saved(grey, "JPEG", quality=90)
    yield "cmyk.jpg", saved(cmyk, "JPEG", quality=90)
    yield "ycck.jpg", as_ycck(saved(cmyk, "JPEG", quality=90))
    for orientation in range(1, 9):
        turned = {"exif": oriented(orientation)}
        yield f"turned{orientation}.jpg", saved(picture(20, 12), "JPEG", quality=95, **turned)
    yield "rgb.png", saved(rgb, "PNG")
    yield "alpha.png", saved(alpha, "PNG")
    yield "grey.png", saved(grey, "PNG")
    yield "grey_alpha.png", saved(grey_alpha, "PNG")
    yield "palette.png", saved(palette, "PNG")
    yield "palette_transparent.png", saved(palette, "PNG", transparency=bytes(range(200)))
    yield "palette4.png", saved(few, "PNG", bits=4)
    yield "bilevel.png", saved(bilevel, "PNG")
    yield "grey16.png", png(deep[..., 0], 0)
    yield "rgb16.png", png(deep, 2)
    yield "alpha16.png", png(np.dstack([deep, deep[..., 0]]), 6)
    yield "turned.png", saved(rgb, "PNG", exif=oriented(6))
    yield "animated.png", saved(rgb, "PNG", save_all=True, append_images=[other])
    yield "palette.gif", saved(palette, "GIF")
    yield "transparent.gif", saved(palette, "GIF", transparency=7)
    yield "animated.gif", saved(palette, "GIF", save_all=True, append_images=[other.quantize(200)])
    yield "rgb.bmp", saved(rgb, "BMP")
    yield "alpha.bmp", saved(alpha, "BMP")
    yield "grey.bmp", saved(grey, "BMP")
    yield "palette.bmp", saved(palette, "BMP")
    yield "bilevel.bmp", saved(bilevel, "BMP")
    yield "rgb.tif", saved(rgb, "TIFF")
    yield "lzw.tif", saved(rgb, "TIFF", compression="tiff_lzw")
    yield "deflate.tif", saved(rgb, "TIFF", compression="tiff_adobe_deflate")
    yield "alpha.tif", saved(alpha, "TIFF", compression="tiff_lzw")
    yield "grey.tif", saved(grey, "TIFF", compression="tiff_lzw")
    yield "bilevel.tif", saved(bilevel, "TIFF", compression="packbits")
    yield "cmyk.tif", saved(cmyk, "TIFF", compression="tiff_lzw")
    yield "grey16.tif", saved(Image.fromarray(deep[..., 0]), "TIFF", compression="tiff_lzw")
    yield "turned.tif", saved(rgb, "TIFF", compression="tiff_lzw", tiffinfo={274: 8})
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "alpha.webp", saved(alpha, "WEBP", lossless=True, exact=True)
    yield "lossy.webp", saved(rgb, "WEBP", quality=80)
    yield "turned.webp", saved(rgb, "WEBP", lossless=True, exif=oriented(6))
    yield "animated.webp", saved(rgb, "WEBP", lossless=True, save_all=True, append_images=[other])


def picture(width, height):
    """Smooth, with an edge, a different one at every turn."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    red = 127 + 120 * np.sin(x / 5 + y / 9)
    green = 127 + 120 * np.cos(x / 11 - y / 4)
    blue = np.where(x + 2 * y < width * 0.7, 200 - y, x * 255 / (width - 1))
    return Image.fromarray(np.stack([red, green, blue], -1).round().clip(0, 255).astype(np.uint8))


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def oriented(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def as_ycck(jpeg):
    """The same file with the four colours said to be YCCK: the byte after Adobe's flags."""
    at = jpeg.index(b"Adobe") + 11
    assert jpeg[at] == 0
    return jpeg[:at] + b"\x02" + jpeg[at + 1 :]


def png(pixels, colors):
    """A PNG of 16 bits, which Pillow does not write."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colors, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


# What is resized how: (source, its width, its height, the way, the size wanted).
RESIZES = [
    ("noise", 300, 200, "squash", 32),
    ("noise", 61, 47, "squash", 32),
    ("noise", 20, 31, "squash", 32),
    ("noise", 32, 50, "squash", 32),
    ("noise", 50, 32, "squash", 32),
    ("noise", 1, 1, "squash", 32),
    ("edges", 300, 200, "squash", 32),
    ("edges", 41, 37, "squash", 32),
    ("edges", 9, 11, "squash", 32),
    ("noise", 301, 200, "shortest", 32),
    ("noise", 200, 333, "shortest", 32),
    ("edges", 35, 33, "shortest", 32),
    ("edges", 20, 9, "shortest", 32),
    ("noise", 32, 47, "shortest", 32),
    ("edges", 400, 3, "shortest", 32),
    ("noise", 300, 200, "centre", 28),
    ("edges", 201, 97, "centre", 28),
    ("noise", 17, 23, "centre", 28),
]


def resize(case, expected):
    source, width, height, way, size = case
    values = noise(width * height * 3)
    if source == "edges":
        values = np.where(values < 128, 0, 255).astype(np.uint8)
    image = Image.fromarray(values.reshape(height, width, 3))
    if way == "squash":
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    elif way == "shortest":
        # As CLIP's processor in the transformers library does it.
        short, long = sorted(image.size)
        long = int(size * long / short)
        wide, high = (long, size) if width > height else (size, long)
        image = image.resize((wide, high), Image.Resampling.BICUBIC)
        left, top = (wide - size) // 2, (high - size) // 2
        image = image.crop((left, top, left + size, top + size))
    else:
        # As the networks' TensorFlow original: a square of size / (size + 32) of the shorter edge.
        side = int(size / (size + 32) * min(width, height))
        left, top = (width - side + 1) // 2, (height - side + 1) // 2
        image = image.crop((left, top, left + side, top + side))
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    names = {"source": source, "from": [width, height], "way": way}
    return names | expected.place(image)


def noise(count):
    """The same bytes as the tests make."""
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((x ^ (x >> np.uint64(31))) >> np.uint64(56)).astype(np.uint8)


main()
