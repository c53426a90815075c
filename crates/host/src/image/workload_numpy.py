"""What many programs do with numpy, run while an image is built that imports it: as workload.py.

Where a version of numpy has something of this no longer, the image is as good without the rest.
"""

import contextlib

import numpy as np

with contextlib.suppress(Exception):
    values = np.arange(60, dtype=float).reshape(6, 10)
    (values @ values.T).sum(axis=0).tolist()
    float((values * 2 + 1).mean())
    values[values > 5].max()
    np.linalg.solve(np.eye(3) * 2, np.ones(3))
    np.concatenate([np.linspace(0, 1, 5), np.sort(values[:, 0])[::-1]])
    print(np.array([1.5, 2.5]), np.std(values))
