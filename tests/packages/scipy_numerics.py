"""Minimization, integration, a differential equation, interpolation, statistics, a sparse system, a filter."""
# packages: scipy
# image: science
import numpy as np
from scipy import integrate, interpolate, linalg, optimize, signal, sparse, spatial, stats
from scipy.sparse.linalg import spsolve


def work():
    rng = np.random.default_rng(3)
    best = optimize.minimize(optimize.rosen, np.zeros(6), method="BFGS")
    area, _ = integrate.quad(lambda x: np.exp(-x * x), -np.inf, np.inf)
    orbit = integrate.solve_ivp(lambda t, y: [y[1], -y[0]], (0, 20), [1, 0], rtol=1e-9, atol=1e-9)
    points = rng.random((3000, 2))
    tree = spatial.cKDTree(points)
    matrix = sparse.diags([-1, 2.1, -1], [-1, 0, 1], shape=(20_000, 20_000), format="csc")
    solved = spsolve(matrix, np.ones(20_000))
    spline = interpolate.CubicSpline(np.arange(50), np.sin(np.arange(50)))
    filtered = signal.sosfilt(signal.butter(4, 0.2, output="sos"), rng.standard_normal(50_000))
    test = stats.ttest_ind(rng.normal(0, 1, 500), rng.normal(0.2, 1, 500))
    return {
        "minimum": [round(float(x), 4) for x in best.x],
        "area": round(area, 10),
        "orbit": round(float(orbit.y[0, -1]), 6),
        "near": len(tree.query_pairs(0.01)),
        "solved": round(float(solved[10_000]), 8),
        "spline": round(float(spline(2.5)), 8),
        "filtered": round(float(np.square(filtered).sum()), 4),
        "p value": round(float(test.pvalue), 10),
        "exponential": round(float(linalg.expm(np.diag([1.0, 2.0]))[1, 1]), 8),
    }
