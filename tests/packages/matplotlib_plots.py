"""A figure of a line, a histogram, an image and text, drawn as PNG and SVG into /output."""
# packages: matplotlib
# image: science
import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "fixed"

import matplotlib.pyplot as plt
import numpy as np


def work():
    rng = np.random.default_rng(5)
    figure, axes = plt.subplots(1, 3, figsize=(9, 3))
    xs = np.linspace(0, 10, 200)
    axes[0].plot(xs, np.sin(xs), label="sine")
    axes[0].legend()
    axes[1].hist(rng.standard_normal(1000), bins=30)
    axes[2].imshow(rng.random((20, 20)), cmap="viridis")
    axes[2].set_title(r"$\int_0^1 x^2\,dx$ äöü")
    figure.tight_layout()
    figure.savefig(f"{output}/figure.png", dpi=100)
    figure.savefig(f"{output}/figure.svg", metadata={"Date": None})
    plt.close(figure)
    pixels = plt.imread(f"{output}/figure.png")
    return {"shape": list(pixels.shape), "mean": round(float(pixels.mean()), 6)}
