"""Scaling, a random forest, logistic regression, k-means, PCA and cross-validation."""
# packages: scikit-learn
# image: science
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def work():
    digits = load_digits()
    train, test, train_y, test_y = train_test_split(digits.data, digits.target, random_state=0)
    forest = RandomForestClassifier(20, random_state=0).fit(train, train_y)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(train, train_y)
    blobs, _ = make_blobs(500, centers=4, random_state=1)
    groups = KMeans(4, n_init=3, random_state=0).fit(blobs)
    variance = PCA(8).fit(digits.data).explained_variance_ratio_
    scores = cross_val_score(RandomForestClassifier(5, random_state=0), digits.data, digits.target, cv=3)
    return {
        "forest": round(forest.score(test, test_y), 6),
        "linear": round(linear.score(test, test_y), 6),
        "groups": sorted(round(float(x), 4) for x in groups.cluster_centers_[:, 0]),
        "variance": [round(float(v), 6) for v in variance],
        "scores": [round(float(s), 6) for s in scores],
    }
