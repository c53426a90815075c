"""Matrix product, SVD, solve, FFT, sort, random numbers, and an archive written and read back."""
# packages: numpy
# image: science
import io

import numpy as np


def work():
    rng = np.random.default_rng(20240229)
    a, b = rng.standard_normal((400, 400)), rng.standard_normal((400, 400))
    product = a @ b
    values = np.linalg.svd(a[:120, :120], compute_uv=False)
    solution = np.linalg.solve(a, b[:, 0])
    spectrum = np.abs(np.fft.rfft(rng.standard_normal(1 << 16)))
    order = np.argsort(rng.integers(0, 1000, 100_000), kind="stable")
    packed = io.BytesIO()
    np.savez_compressed(packed, product=product[:50])
    packed.seek(0)
    return {
        "product": round(float(product.trace()), 6),
        "largest singular value": round(float(values[0]), 8),
        "residual is small": bool(np.abs(a @ solution - b[:, 0]).max() < 1e-8),
        "spectrum": round(float(spectrum.sum()), 4),
        "order": [int(i) for i in order[:5]],
        "read back": bool((np.load(packed)["product"] == product[:50]).all()),
        "integers": int(np.arange(1_000_000, dtype=np.int64).cumsum()[-1]),
        "text": np.array2string(product[0, :3], precision=4),
    }
