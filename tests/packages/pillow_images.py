"""An image drawn with text, filtered, resized and turned, written as PNG, JPEG, WebP and GIF and read back."""
# packages: pillow
# image: science
import hashlib
import io

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageStat


def work():
    image = Image.new("RGB", (640, 480), "white")
    draw = ImageDraw.Draw(image)
    for i in range(0, 640, 16):
        draw.line((i, 0, 640 - i, 480), fill=(i % 256, 90, 255 - i % 256), width=3)
    draw.text((20, 20), "Hello, guest", fill="black", font=ImageFont.load_default(32))
    small = image.filter(ImageFilter.GaussianBlur(3)).resize((320, 240), Image.Resampling.LANCZOS).rotate(30)
    found = {"pixels": hashlib.sha256(small.tobytes()).hexdigest()}
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        file = io.BytesIO()
        small.save(file, kind)
        with Image.open(io.BytesIO(file.getvalue())) as again:
            means = ImageStat.Stat(again.convert("RGB")).mean
        found[kind] = (len(file.getvalue()), [round(mean, 3) for mean in means])
    return found
