"""Recomputes an evaluation with scikit-learn, fairlearn and scipy and prints JSON.

    oracle_eval.py FORM SOLUTION SUBMISSION [GROUP]
    oracle_eval.py detection SOLUTION SUBMISSION [GROUP] [--frames|--videos] [--threshold=T]
    oracle_eval.py curves SOLUTION SUBMISSION
    oracle_eval.py controlled SOLUTION SUBMISSION GROUP CONTROL
    oracle_eval.py few-shot EPISODES EMBEDDINGS.npy IDS
    oracle_eval.py few-shot EPISODES PREDICTIONS
    oracle_eval.py q-values P,P,...
    oracle_eval.py bootstrap percentile|BCa VALUES [COUNTS]
    oracle_eval.py permutation VALUES VALUES
    oracle_eval.py formulas
    oracle_eval.py files imagenet-x|dollar-street|dfdc FOLDER OUT

FORM is multi-label, recognition, retrieval, classification or detection-labels; GROUP a column or
a crossing, `a+b`. Prints `values`, keyed as metric, metric/GROUP or metric/GROUP#what, `undefined`,
the keys of what has no value, and `by`: which function says the metric or what. `files` writes real data as the `solution.csv` and
`submission.csv` that both sides read.
"""

import collections
import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.spatial
import scipy.special
import scipy.stats
from fairlearn.metrics import (
    MetricFrame,
    equalized_odds_difference,
    false_positive_rate,
    true_positive_rate,
)
from sklearn.calibration import calibration_curve
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    fbeta_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
    top_k_accuracy_score,
)
from sklearn.preprocessing import MultiLabelBinarizer

EPS = 1e-15
BINS = 15
LEVEL = 0.95

# Where no function says it all, what is added by hand.
BY = {
    "f2_mean": "scikit-learn `fbeta_score` over samples",
    "f2_micro": "scikit-learn `fbeta_score`, micro",
    "f2_macro": "scikit-learn `fbeta_score`, macro",
    "log_loss": "scikit-learn `log_loss`",
    "log_loss_balanced": "scikit-learn `log_loss` of each class",
    "accuracy": "scikit-learn `accuracy_score`",
    "balanced_accuracy": "scikit-learn `balanced_accuracy_score`",
    "auc": "scikit-learn `roc_auc_score`",
    "average_precision": "scikit-learn `average_precision_score`",
    "eer": "scikit-learn `roc_curve`, crossed by hand",
    "eer_threshold": "scikit-learn `roc_curve`, crossed by hand",
    "tpr_at_fpr_1pct": "scikit-learn `roc_curve`",
    "tpr_at_fpr_0.1pct": "scikit-learn `roc_curve`",
    "tpr": "fairlearn `true_positive_rate`",
    "fpr": "fairlearn `false_positive_rate`",
    "brier": "scikit-learn `brier_score_loss`",
    "ece": "restated with pandas",
    "curves ece": "scikit-learn `calibration_curve`",
    "calibration_score": "scikit-learn `calibration_curve`",
    "calibration_share": "scikit-learn `calibration_curve`",
    "roc_fpr": "scikit-learn `roc_curve`",
    "roc_tpr": "scikit-learn `roc_curve`",
    "equalised_odds": "fairlearn `equalized_odds_difference`",
    "gap": "scikit-learn `average_precision_score` of the ranking",
    "gap_landmarks": "scikit-learn `average_precision_score` of the ranking",
    "recognition top_1": "restated with pandas",
    "map_at_100": "scikit-learn `average_precision_score` of each query",
    "precision_at_1": "scikit-learn `precision_score` of each query",
    "precision_at_10": "scikit-learn `precision_score` of each query",
    "top_1": "scikit-learn `accuracy_score`",
    "top_5": "scikit-learn `top_k_accuracy_score`",
    "mean_per_class": "scikit-learn `balanced_accuracy_score`",
    "accuracy_fake": "scikit-learn `recall_score`",
    "accuracy_pristine": "scikit-learn `recall_score`",
    "accuracy_nearest_centroid": "scikit-learn `NearestCentroid`",
    "accuracy_nearest_neighbour": "scikit-learn `KNeighborsClassifier`",
    "accuracy_linear": "scikit-learn `LogisticRegression`",
    "normal_interval": "scipy `sem`",
    "by_shots": "scikit-learn `recall_score`",
    "constant": "scikit-learn `DummyClassifier`",
    "multi-label constant": "scikit-learn `fbeta_score` over samples",
    "wilson_low": "scipy `binomtest`",
    "wilson_high": "scipy `binomtest`",
    "newcombe_low": "scipy `binomtest`, put together by hand",
    "newcombe_high": "scipy `binomtest`, put together by hand",
    "normal_quantile": "scipy `ndtri`",
    "normal_cdf": "scipy `ndtr`",
    "quantile": "numpy `quantile`",
    "mcnemar_chi_square": "restated",
    "mcnemar_p": "scipy `binomtest`, `chi2`",
    "coverage_distance": "scipy `cityblock`",
    "effective_places": "restated with numpy",
    "q": "scipy `false_discovery_control`",
    "bootstrap low": "scipy `bootstrap`",
    "bootstrap high": "scipy `bootstrap`",
    "permutation p": "scipy `permutation_test`",
    "permutation mean": "scipy `permutation_test`",
    "permutation p95": "scipy `permutation_test`",
    "difference": "fairlearn `MetricFrame.difference`",
    "difference_to_overall": "fairlearn `MetricFrame.difference`",
    "ratio": "fairlearn `MetricFrame.ratio`",
    "ratio_to_overall": "fairlearn `MetricFrame.ratio`",
    "macro_mean": "fairlearn `MetricFrame.by_group`",
}


def read(path, **options):
    return pd.read_csv(path, float_precision="round_trip", **options)


def read_text(path):
    return read(path, dtype=str, keep_default_na=False)


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def groups_of(table, group):
    return table[group.split("+")].astype(str).agg("+".join, axis=1)


def judged(metrics, table, group, shares={}):
    """Each metric of all rows and of each group's, Wilson's interval where it is a share (of how
    many, `shares` says), and how far the groups stand apart."""
    of = lambda metric: lambda at, _: float(metric(table.iloc[np.atleast_1d(at)]))
    at = np.arange(len(table))
    groups = groups_of(table, group) if group else pd.Series("", index=table.index)
    frame = MetricFrame(
        metrics={name: of(metric) for name, metric in metrics.items()},
        y_true=at,
        y_pred=at,
        sensitive_features=groups.to_numpy(),
    )
    out = {name: frame.overall[name] for name in metrics}
    cells = [("", table)]
    if group:
        cells += [(f"/{value}", rows) for value, rows in table.groupby(groups)]
        for name in metrics:
            out.update({f"{name}/{value}": v for value, v in frame.by_group[name].items()})
        for what, found in {**apart(frame), "macro_mean": frame.by_group.mean()}.items():
            two = [name for name in metrics if frame.by_group[name].notna().sum() > 1]
            out.update({f"{name}#{what}": found[name] for name in two})
    for cell, rows in cells:
        for name, n_of in shares.items():
            if n := int(n_of(rows)):
                low, high = wilson(round(out[name + cell] * n), n)
                out.update({f"{name}{cell}#wilson_low": low, f"{name}{cell}#wilson_high": high})
    return out


def apart(frame):
    return {
        "difference": frame.difference(),
        "ratio": frame.ratio(),
        "difference_to_overall": frame.difference(method="to_overall"),
        "ratio_to_overall": frame.ratio(method="to_overall"),
    }


def wilson(hits, n, level=LEVEL):
    ends = scipy.stats.binomtest(hits, n).proportion_ci(level, method="wilson")
    return ends.low, ends.high


def multi_label(solution, submission, group):
    truth, answers = read_text(solution), read_text(submission)
    if "image_id" not in truth:
        names = ["image_id", "labels"]
        truth = read(solution, dtype=str, keep_default_na=False, names=names)
    by_id = dict(zip(answers["image_id"], answers["labels"]))
    truths = [set(text.split()) for text in truth["labels"]]
    given = [set(by_id.get(i, "").split()) for i in truth["image_id"]]
    binarizer = MultiLabelBinarizer(sparse_output=True).fit(truths + given)
    y, p = binarizer.transform(truths), binarizer.transform(given)
    truth["at"] = range(len(truth))

    def f2(average):
        def metric(rows):
            a, b = y[rows["at"]], p[rows["at"]]
            if average == "macro":
                seen = np.flatnonzero(a.sum(axis=0) + b.sum(axis=0))
                a, b = a[:, seen], b[:, seen]
            # Nothing true and nothing answered is a right answer.
            return fbeta_score(a, b, beta=2, average=average, zero_division=1)

        return metric

    metrics = {"f2_mean": f2("samples"), "f2_micro": f2("micro"), "f2_macro": f2("macro")}
    out = judged(metrics, truth, group)
    counts = collections.Counter(label for labels in truths for label in labels)
    frequent = sorted(counts, key=lambda label: (-counts[label], label))[:10]
    constants = [
        binarizer.transform([frequent[:k]] * len(truths)) for k in range(1, len(frequent) + 1)
    ]
    out["f2_mean#constant"] = max(
        fbeta_score(y, c, beta=2, average="samples", zero_division=1) for c in constants
    )
    return out


def eer(y, s):
    """The rate, and the threshold it is found at."""
    fpr, tpr, scores = roc_curve(y, s, drop_intermediate=False)
    gap = (1 - tpr) - fpr
    at = int(np.argmax(gap <= 0))
    t = gap[at - 1] / (gap[at - 1] - gap[at])
    before = scores[at - 1] if at > 1 else scores[at]
    return fpr[at - 1] + t * (fpr[at] - fpr[at - 1]), before + t * (scores[at] - before)


def tpr_at(limit):
    def metric(y, s):
        fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
        return float(tpr[fpr <= limit].max())

    return metric


def clipped(s):
    return np.clip(np.asarray(s, dtype=float), EPS, 1 - EPS)


def ece(y, s):
    """Equal mass by the middle of each run of equal scores, highest first."""
    table = pd.DataFrame({"y": np.asarray(y), "s": np.asarray(s)})
    runs = table.groupby("s")["y"].agg(["size", "sum"]).sort_index(ascending=False)
    size = runs["size"].to_numpy()
    twice_middle = 2 * (np.cumsum(size) - size) + size
    bins = np.minimum(BINS * twice_middle // (2 * len(table)), BINS - 1)
    gaps = []
    for b in np.unique(bins):
        inside = runs[bins == b]
        scores = math.fsum(inside.index.to_numpy() * inside["size"].to_numpy())
        gaps.append(abs(scores - inside["sum"].sum()))
    return math.fsum(gaps) / len(table)


def balanced_log_loss(y, s):
    s = clipped(s)
    losses = [log_loss(y[y == c], s[y == c], labels=[0, 1]) for c in (0, 1)]
    return sum(losses) / 2


def detection_metrics(threshold):
    def metric(classes, of):
        """Undefined where a class that it rests on is absent."""
        there = lambda rows: classes <= set(rows["y"])
        return lambda rows: of(rows["y"].to_numpy(), rows["s"].to_numpy()) if there(rows) else math.nan

    fake = lambda s: (s >= threshold).astype(int)
    any_, both = set(), {0, 1}
    return {
        "log_loss": metric(any_, lambda y, s: log_loss(y, clipped(s), labels=[0, 1])),
        "log_loss_balanced": metric(both, balanced_log_loss),
        "accuracy": metric(any_, lambda y, s: accuracy_score(y, fake(s))),
        "balanced_accuracy": metric(both, lambda y, s: balanced_accuracy_score(y, fake(s))),
        "auc": metric(both, roc_auc_score),
        "average_precision": metric(both, average_precision_score),
        "eer": metric(both, lambda y, s: eer(y, s)[0]),
        "tpr_at_fpr_1pct": metric(both, tpr_at(0.01)),
        "tpr_at_fpr_0.1pct": metric(both, tpr_at(0.001)),
        "tpr": metric({1}, lambda y, s: true_positive_rate(y, fake(s))),
        "fpr": metric({0}, lambda y, s: false_positive_rate(y, fake(s))),
        "brier": metric(any_, lambda y, s: brier_score_loss(y, s, pos_label=1)),
        "ece": metric(any_, ece),
    }


# What a constant score does not win or lose by construction: whether the evaluator has the same is
# seen by its having them all.
RIVALLED = [
    "log_loss",
    "log_loss_balanced",
    "accuracy",
    "balanced_accuracy",
    "auc",
    "average_precision",
    "eer",
    "brier",
]


def scored(solution, submission, frames=None):
    """Truth `y` and score `s` of each sample, frame or video, with the solution's columns."""
    truth = read(solution).rename(columns={"label": "y"})
    answers = read(submission).rename(columns={"label": "s", "score": "s"})
    if not frames:
        table = truth.merge(answers, on="filename", how="left")
        return table.assign(s=table["s"].fillna(0.5))
    table = answers.merge(truth, on="video_id")
    if frames == "frames":
        return table
    rest = {c: "first" for c in truth.columns if c != "video_id"}
    return table.groupby("video_id", sort=False).agg({"s": mean, **rest})


def detection(solution, submission, group, frames, threshold):
    table = scored(solution, submission, frames)
    metrics = detection_metrics(threshold)
    shares = {
        "accuracy": len,
        "tpr": lambda rows: (rows["y"] == 1).sum(),
        "fpr": lambda rows: (rows["y"] == 0).sum(),
    }
    # Frames of one video are not independent.
    out = judged(metrics, table, group, {} if frames == "frames" else shares)
    y, s = table["y"].to_numpy(), table["s"].to_numpy()
    if set(y) == {0, 1}:
        out["eer_threshold"] = eer(y, s)[1]
        dummy = DummyClassifier(strategy="prior").fit(s.reshape(-1, 1), y)
        constant = table.assign(s=dummy.predict_proba(s.reshape(-1, 1))[:, 1])
        out.update({f"{name}#constant": metrics[name](constant) for name in RIVALLED})
    if group:
        groups = groups_of(table, group)
        if table.groupby(groups)["y"].nunique().min() == 2:
            out["equalised_odds"] = equalized_odds_difference(
                y, (s >= threshold).astype(int), sensitive_features=groups.to_numpy()
            )
    return out


def curves(solution, submission):
    """Of distinct scores, as many as fill the bins alike: quantile bins are those of equal mass."""
    table = scored(solution, submission)
    share, score = calibration_curve(table["y"], table["s"], n_bins=BINS, strategy="quantile")
    fpr, tpr, _ = roc_curve(table["y"], table["s"], drop_intermediate=False)
    lists = {
        "calibration_share": share,
        "calibration_score": score,
        "roc_fpr": fpr,
        "roc_tpr": tpr,
    }
    out = {f"{name}/{at}": v for name, values in lists.items() for at, v in enumerate(values)}
    return {**out, "ece": np.abs(share - score).mean()}


def joined(solution, submission):
    answers = read_text(submission)
    value = answers.columns[1]
    answers = answers.rename(columns={c: f"answer_{c}" for c in answers.columns[1:]})
    answers["answer"] = answers[[c for c in answers.columns[1:]]].agg(" ".join, axis=1)
    table = read_text(solution).merge(answers, on="id", how="left")
    return table.assign(truth=table[value.rstrip("_1")], answer=table["answer"].fillna(""))


def gap(rows):
    """scikit-learn's average precision of the ranking, over all queries with a landmark."""
    rows = rows.assign(positive=rows["truth"] != "")
    given = rows[rows["answer"] != ""]
    given = given.assign(
        score=[float(a.split()[1]) for a in given["answer"]],
        klass=[a.split()[0] for a in given["answer"]],
    ).sort_values(["score", "id", "klass"], ascending=[False, True, True])
    right = np.array([c in t.split() for c, t in zip(given["klass"], given["truth"])])
    precision = average_precision_score(right, -np.arange(len(right)))
    return precision * right.sum() / rows["positive"].sum()


def hits(truth, answer, k):
    """Which of the first k answers are right; a repeated one uses its rank."""
    truth, seen, right = set(truth.split()), set(), []
    for image in answer.split()[:k]:
        right.append(image in truth and image not in seen)
        seen.add(image)
    return right


def retrieval_ap(truth, answer):
    right = hits(truth, answer, 100)
    if not any(right):
        return 0.0
    precision = average_precision_score(right, -np.arange(len(right)))
    return precision * sum(right) / min(len(set(truth.split())), 100)


def precision_at(k):
    def of_query(truth, answer):
        right = hits(truth, answer, k)
        # What was not answered is wrong.
        return precision_score(right + [False] * (k - len(right)), [True] * k)

    return lambda rows: mean(map(of_query, rows["truth"], rows["answer"]))


def top_5(rows):
    """A matrix of scores in which the first answer has the highest."""
    classes = sorted({c for text in [*rows["truth"], *rows["answer"]] for c in text.split()})
    scores = np.zeros((len(rows), len(classes)))
    for scored, answer in zip(scores, rows["answer"]):
        for rank, label in enumerate(answer.split()[:5]):
            scored[classes.index(label)] = 5 - rank
        # What was not answered must not be reached by the order of classes.
    right = top_k_accuracy_score(
        [classes.index(t) for t in rows["truth"]], scores, k=5, labels=range(len(classes))
    )
    return right


def first(answers):
    return [answer.split()[0] if answer else "" for answer in answers]


def recall(label):
    return (
        lambda rows: recall_score(rows["truth"], rows["answer"], labels=[label], average="macro")
        if (rows["truth"] == label).any()
        else math.nan
    )


def of_truth(label):
    return lambda rows: (rows["truth"] == label).sum()


FORMS = {
    "recognition": {
        "gap": gap,
        "gap_landmarks": lambda rows: gap(rows[rows["truth"] != ""]),
        "top_1": lambda rows: mean(
            bool(a) and a.split()[0] in t.split()
            for a, t in zip(rows["answer"], rows["truth"])
            if t
        ),
    },
    "retrieval": {
        "map_at_100": lambda rows: mean(map(retrieval_ap, rows["truth"], rows["answer"])),
        "precision_at_1": precision_at(1),
        "precision_at_10": precision_at(10),
    },
    "classification": {
        "top_1": lambda rows: accuracy_score(rows["truth"], first(rows["answer"])),
        "mean_per_class": lambda rows: balanced_accuracy_score(
            rows["truth"], first(rows["answer"])
        ),
        "top_5": top_5,
    },
    "detection-labels": {
        "accuracy": lambda rows: accuracy_score(rows["truth"], rows["answer"]),
        "balanced_accuracy": lambda rows: balanced_accuracy_score(rows["truth"], rows["answer"])
        if rows["truth"].nunique() > 1
        else math.nan,
        "accuracy_fake": recall("fake"),
        "accuracy_pristine": recall("real"),
    },
}

# Shares of independent items: of how many.
SHARES = {
    "recognition": {"top_1": lambda rows: (rows["truth"] != "").sum()},
    "retrieval": {"precision_at_1": len},
    "classification": {"top_1": len, "top_5": len},
    "detection-labels": {
        "accuracy": len,
        "accuracy_fake": of_truth("fake"),
        "accuracy_pristine": of_truth("real"),
    },
}

# Metrics whose constant rival is the most frequent class.
MOST_FREQUENT = {
    "classification": ["top_1", "mean_per_class"],
    "detection-labels": ["accuracy", "balanced_accuracy"],
}


def by_class(form, solution, submission, group):
    table = joined(solution, submission)
    metrics, shares = dict(FORMS[form]), dict(SHARES[form])
    if form == "classification" and not table["answer"].str.contains(" ").any():
        # With one answer each there are no five.
        del metrics["top_5"], shares["top_5"]
    out = judged(metrics, table, group, shares)
    rivalled = MOST_FREQUENT.get(form, [])
    if rivalled:
        x = np.zeros((len(table), 1))
        dummy = DummyClassifier(strategy="most_frequent").fit(x, table["truth"])
        constant = table.assign(answer=dummy.predict(x))
        out.update({f"{name}#constant": metrics[name](constant) for name in rivalled})
    return out


def controlled(solution, submission, group, control):
    """Accuracy by group within each level of the control."""
    table = scored(solution, submission)
    frame = MetricFrame(
        metrics=lambda y, s: accuracy_score(y, s >= 0.5),
        y_true=table["y"].to_numpy(),
        y_pred=table["s"].to_numpy(),
        sensitive_features=table[group].astype(str),
        control_features=table[control].astype(str),
    )
    out = {f"accuracy/{level}|{value}": v for (level, value), v in frame.by_group.items()}
    out.update({f"accuracy/{level}": v for level, v in frame.overall.items()})
    for what, found in apart(frame).items():
        out.update({f"accuracy/{level}#{what}": v for level, v in found.items()})
    return out


CLASSIFIERS = {
    "accuracy_nearest_centroid": NearestCentroid(),
    "accuracy_nearest_neighbour": KNeighborsClassifier(1),
    "accuracy_linear": LogisticRegression(C=1.0, tol=1e-10, max_iter=100000),
}
# Classes of episodes are put together by their shots, from each to before the next.
STEPS = [1, 2, 5, 10, 20, 50, 100]


def few_shot(episodes, answers, ids=None):
    """Embeddings with their ids through each classifier, or the answers of predictions."""
    table = pd.read_parquet(episodes)
    if ids:
        x = np.load(answers).astype(float)
        row = {name: at for at, name in enumerate(read(ids)["sample_id"])}
        embedded = lambda samples: x[[row[i] for i in samples["sample_id"]]]
        fitted = lambda classifier: lambda s, q: classifier.fit(embedded(s), s["class"]).predict(embedded(q))
        answered = {name: fitted(classifier) for name, classifier in CLASSIFIERS.items()}
    else:
        keys = ["dataset", "episode", "sample_id"]
        given = read(answers).set_index(keys)["class"]
        answered = {"accuracy": lambda s, q: given.loc[list(zip(*(q[key] for key in keys)))]}
    out = {}
    for name, answer in answered.items():
        scores, by_shots = collections.defaultdict(list), collections.defaultdict(list)
        for (dataset, _), rows in table.groupby(["dataset", "episode"]):
            s, q = rows[rows["role"] == "support"], rows[rows["role"] == "query"]
            found = np.asarray(answer(s, q))
            scores[dataset].append(accuracy_score(q["class"], found))
            shots = s["class"].value_counts()
            asked = [c for c in shots.index if (q["class"] == c).any()]
            recalls = recall_score(q["class"], found, labels=asked, average=None, zero_division=0)
            for c, right in zip(asked, recalls):
                by_shots[max(step for step in STEPS if step <= shots[c])].append(right)
        out[name] = mean(score for of in scores.values() for score in of)
        for dataset, of in scores.items():
            out[f"{name}/{dataset}"] = mean(of)
            out[f"{name}/{dataset}#normal_interval"] = 1.96 * scipy.stats.sem(of, ddof=0)
        out.update({f"{name}/{step}#by_shots": mean(of) for step, of in by_shots.items()})
    return out


def numbers(text):
    return np.array([float(part) for part in text.split(",")])


def bootstrap(method, values, counts=None):
    """Of a mean; with counts, of clusters' sums over their numbers of items."""
    ratio = lambda sums, n, axis=-1: sums.sum(axis) / n.sum(axis)
    found = scipy.stats.bootstrap(
        (values,) if counts is None else (values, counts),
        np.mean if counts is None else ratio,
        paired=counts is not None,
        method=method,
        n_resamples=20000,
        vectorized=True,
        random_state=1,
    ).confidence_interval
    return {"low": found.low, "high": found.high}


def permutation(a, b):
    """The gap of two means; p with the + 1."""
    gap = lambda x, y, axis: np.abs(x.mean(axis) - y.mean(axis))
    found = scipy.stats.permutation_test(
        (a, b), gap, vectorized=True, n_resamples=20000, alternative="greater", random_state=1
    )
    null = found.null_distribution
    return {"p": found.pvalue, "mean": null.mean(), "p95": np.quantile(null, 0.95)}


def formulas():
    """Formulas of few numbers, which stand in the keys."""
    out = {}
    for n in (1, 7, 20, 30, 100):
        for hits in range(n + 1):
            for level in (0.5, 0.9, 0.95, 0.99):
                low, high = wilson(hits, n, level)
                out.update({f"wilson_{e}/{hits}/{n}/{level}": v for e, v in [("low", low), ("high", high)]})
    for a, n, b, m in [(56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 10), (5, 56, 0, 29), (3, 9, 7, 9)]:
        (low, high), (other_low, other_high) = wilson(a, n), wilson(b, m)
        p, q = a / n, b / m
        out[f"newcombe_low/{a}/{n}/{b}/{m}"] = p - q - math.hypot(p - low, other_high - q)
        out[f"newcombe_high/{a}/{n}/{b}/{m}"] = p - q + math.hypot(high - p, q - other_low)
    for per_mille in range(1, 1000):
        p = per_mille / 1000
        out[f"normal_quantile/{p}"] = scipy.special.ndtri(p)
        x = 12 * p - 6
        out[f"normal_cdf/{x}"] = scipy.special.ndtr(x)
        out[f"quantile/{p}"] = np.quantile(np.arange(1, 12) ** 2, p)
    for only_a, only_b in [(a, b) for a in (0, 1, 5, 12, 30, 121) for b in (0, 2, 5, 12, 59)]:
        n = only_a + only_b
        chi_square = max(abs(only_a - only_b) - 1, 0) ** 2 / n if n else 0
        key = f"{only_a}/{only_b}"
        if n >= 25:
            out[f"mcnemar_chi_square/{key}"] = chi_square
            out[f"mcnemar_p/{key}"] = scipy.stats.chi2.sf(chi_square, 1)
        else:
            out[f"mcnemar_p/{key}"] = scipy.stats.binomtest(only_a, n).pvalue if n else 1
    for have, weight in [
        ((60, 30, 10, 0), (1, 1, 2, 1)),
        ((5, 7), (3, 0)),
        (range(1, 200), range(200, 1, -1)),
    ]:
        n, w = np.array(have), np.array(weight)
        key = f"{','.join(map(str, have))}/{','.join(map(str, weight))}"
        out[f"coverage_distance/{key}"] = scipy.spatial.distance.cityblock(n / n.sum(), w / w.sum()) / 2
        out[f"effective_places/{key}"] = 1 / np.sum((n / n.sum()) ** 2)
    return out


def files(data, folder, out):
    """Real data: the 16 factors of ImageNet-X, of which each image has the one that tells most of
    it; CLIP's score of an image with its topic, by country and quarter of the incomes; the frames
    of DFDC videos, by fold."""
    folder, out = Path(folder), Path(out)
    text = {"dtype": str, "keep_default_na": False}
    if data == "imagenet-x":
        truth = read(folder / "filename_label.csv.gz", **text)
        answers = read(folder / "ViT.csv.gz", **text)
        factors = pd.read_json(folder / "imagenet_x_val_top_factor.jsonl.gz", lines=True)
        factors = factors.set_index("file_name").drop(columns="class")
        factors = factors.idxmax(axis=1)[factors.any(axis=1)]
        solution = truth.assign(factor=truth["file_name"].map(factors).fillna("unknown"))
        solution = solution.rename(columns={"file_name": "id"})
        submission = answers[["file_name", "predicted_class"]].set_axis(["id", "label"], axis=1)
    elif data == "dollar-street":
        images = read(folder / "vit_G14_results.csv.gz", **text)
        quarter = pd.qcut(images["income"].astype(float), 4, labels=["1st", "2nd", "3rd", "4th"])
        # Every image shows its topic: the share at or over a threshold is recognised.
        solution = pd.DataFrame(
            {"filename": images["id"], "label": 1, "country": images["country.name"], "income": quarter}
        )
        submission = images[["id", "CLIP score"]].set_axis(["filename", "label"], axis=1)
    else:
        probabilities = json.loads((folder / "predictions_1.json").read_text())["probs"]
        truth = read(folder / "folds.csv", **text)
        # A video whose rows differ is in the group `several`.
        one = lambda folds: folds.iloc[0] if folds.nunique() == 1 else "several"
        solution = truth.groupby("video").agg({"label": "first", "fold": one})
        solution = solution.rename_axis("video_id").reset_index()
        frames = [(v, at, p) for v, of in probabilities.items() for at, (p,) in enumerate(of)]
        submission = pd.DataFrame(frames, columns=["video_id", "frame", "score"])
    solution.to_csv(out / "solution.csv", index=False)
    submission.to_csv(out / "submission.csv", index=False)
    return {}


def run(what, args, flags):
    if what == "q-values":
        found = scipy.stats.false_discovery_control(numbers(args[0]), method="bh")
        return {f"q/{at}": q for at, q in enumerate(found)}
    if what == "bootstrap":
        return bootstrap(args[0], *map(numbers, args[1:]))
    if what == "permutation":
        return permutation(*map(numbers, args))
    plain = {
        "curves": curves,
        "controlled": controlled,
        "few-shot": few_shot,
        "formulas": formulas,
        "files": files,
    }
    if what in plain:
        return plain[what](*args)
    solution, submission, group = (*args, None)[:3]
    if what == "multi-label":
        return multi_label(solution, submission, group)
    if what == "detection":
        frames = next((kind for kind in ("frames", "videos") if kind in flags), None)
        return detection(solution, submission, group, frames, float(flags.get("threshold", 0.5)))
    return by_class(what, solution, submission, group)


def main():
    flags = dict(arg[2:].partition("=")[::2] for arg in sys.argv[1:] if arg.startswith("--"))
    what, *args = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    values = {key: float(value) for key, value in run(what, args, flags).items()}
    # What is undefined has no value, here as there.
    undefined = [key for key, value in values.items() if not math.isfinite(value)]
    values = {key: value for key, value in values.items() if math.isfinite(value)}
    named = {key.partition("#")[2] or key.partition("/")[0] for key in values}
    by = {name: BY.get(f"{what} {name}") or BY[name] for name in named}
    json.dump({"values": values, "undefined": undefined, "by": by}, sys.stdout)


main()
