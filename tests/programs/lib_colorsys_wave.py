# colorsys and wave: small number work and a sound file in memory.
import colorsys
import io
import struct
import wave

print([round(c, 6) for c in colorsys.rgb_to_hsv(0.2, 0.4, 0.4)], colorsys.hls_to_rgb(0.5, 0.5, 0.5))
memory = io.BytesIO()
with wave.open(memory, "wb") as sound:
    sound.setnchannels(1)
    sound.setsampwidth(2)
    sound.setframerate(8000)
    sound.writeframes(struct.pack("<4h", 0, 1000, -1000, 32767))
memory.seek(0)
with wave.open(memory) as sound:
    print(tuple(sound.getparams())[:4], sound.readframes(2))
try:
    wave.open(io.BytesIO(b"RIFFxxxxWAVE"))
except (wave.Error, EOFError) as error:
    print(type(error).__name__)
memory.getvalue()
