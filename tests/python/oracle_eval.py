"""Recomputes an evaluation with scikit-learn and fairlearn and prints JSON.

    oracle_eval.py multi-label SOLUTION SUBMISSION [GROUP]
    oracle_eval.py detection SOLUTION SUBMISSION [GROUP] [--frames]
    oracle_eval.py detection-labels|recognition|retrieval|classification SOLUTION SUBMISSION [GROUP]
    oracle_eval.py controlled SOLUTION SUBMISSION GROUP CONTROL
    oracle_eval.py few-shot EPISODES EMBEDDINGS.npy IDS
    oracle_eval.py q-values P,P,...
    oracle_eval.py bca VALUE,VALUE,...
    oracle_eval.py permutation VALUES VALUES

Reads plain CSV with a header. Values are keyed as metric, or metric/GROUP.
"""

import json
import math
import sys

import numpy as np
import pandas as pd
import scipy.stats
from fairlearn.metrics import MetricFrame
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    fbeta_score,
    log_loss,
    recall_score,
    roc_auc_score,
    roc_curve,
    top_k_accuracy_score,
)
from sklearn.preprocessing import MultiLabelBinarizer

EPS = 1e-15
BINS = 15


def f2_of(truth, answer):
    if not truth and not answer:
        return 1.0
    # One column alone would be read as binary: a label that is in neither changes no F.
    labels = sorted(truth | answer) + [None]
    y = [[label in truth for label in labels]]
    p = [[label in answer for label in labels]]
    return float(fbeta_score(y, p, beta=2, average="samples", zero_division=0))


def multi_label(solution, submission, group):
    truth = pd.read_csv(solution, dtype=str, keep_default_na=False)
    answers = pd.read_csv(submission, dtype=str, keep_default_na=False)
    by_id = dict(zip(answers["image_id"], answers["labels"]))
    truths = [set(text.split()) for text in truth["labels"]]
    given = [set(by_id.get(i, "").split()) for i in truth["image_id"]]
    each = np.array([f2_of(t, a) for t, a in zip(truths, given)])
    binarizer = MultiLabelBinarizer(sparse_output=True).fit(truths + given)
    y, p = binarizer.transform(truths), binarizer.transform(given)
    out = {
        "f2_mean": math.fsum(each) / len(each),
        "f2_micro": float(fbeta_score(y, p, beta=2, average="micro", zero_division=0)),
        "f2_macro": float(fbeta_score(y, p, beta=2, average="macro", zero_division=0)),
    }
    if group:
        mean = lambda y_true, y_pred: math.fsum(y_pred) / len(y_pred)
        frame = MetricFrame(
            metrics=mean, y_true=each, y_pred=each, sensitive_features=truth[group]
        )
        add_frame(out, "f2_mean", frame)
    return out


def eer(y, s):
    fpr, tpr, _ = roc_curve(y, s, drop_intermediate=False)
    gap = (1 - tpr) - fpr
    at = int(np.argmax(gap <= 0))
    t = gap[at - 1] / (gap[at - 1] - gap[at])
    return float(fpr[at - 1] + t * (fpr[at] - fpr[at - 1]))


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
    y, s = np.asarray(y), clipped(s)
    losses = [log_loss(y[y == c], s[y == c], labels=[0, 1]) for c in (0, 1)]
    return sum(losses) / 2


METRICS = {
    "log_loss": lambda y, s: log_loss(y, clipped(s), labels=[0, 1]),
    "log_loss_balanced": balanced_log_loss,
    "accuracy": lambda y, s: accuracy_score(y, np.asarray(s) >= 0.5),
    "balanced_accuracy": lambda y, s: balanced_accuracy_score(y, np.asarray(s) >= 0.5),
    "auc": roc_auc_score,
    "average_precision": average_precision_score,
    "eer": eer,
    "tpr_at_fpr_1pct": tpr_at(0.01),
    "tpr_at_fpr_0.1pct": tpr_at(0.001),
    "tpr": lambda y, s: float((np.asarray(s)[np.asarray(y) == 1] >= 0.5).mean()),
    "fpr": lambda y, s: float((np.asarray(s)[np.asarray(y) == 0] >= 0.5).mean()),
    "brier": brier_score_loss,
    "ece": ece,
}


def detection(solution, submission, group, frames):
    truth = pd.read_csv(solution)
    answers = pd.read_csv(submission)
    if frames:
        table = answers.merge(truth, on="video_id")
        if frames == "videos":
            mean = lambda scores: math.fsum(scores) / len(scores)
            table = table.groupby("video_id", sort=False).agg(
                {"score": mean, "label": "first", **({group: "first"} if group else {})}
            )
    else:
        table = truth.merge(answers.rename(columns={"label": "score"}), on="filename", how="left")
        table["score"] = table["score"].fillna(0.5)
    y, s = table["label"].to_numpy(), table["score"].to_numpy()
    out = {name: float(metric(y, s)) for name, metric in METRICS.items()}
    if group:
        frame = MetricFrame(
            metrics=METRICS, y_true=y, y_pred=s, sensitive_features=table[group].to_numpy()
        )
        for name in METRICS:
            for value, found in frame.by_group[name].items():
                out[f"{name}/{value}"] = float(found)
            out[f"{name}#difference"] = float(frame.difference()[name])
    return out


def by_group(metrics, table, group):
    """Each metric over the whole and over each group's rows."""
    out = {name: metric(table) for name, metric in metrics.items()}
    if group:
        for value, rows in table.groupby(group):
            out.update({f"{name}/{value}": metric(rows) for name, metric in metrics.items()})
    return {name: float(value) for name, value in out.items() if value is not None}


def joined(solution, submission):
    read = lambda path: pd.read_csv(path, dtype=str, keep_default_na=False)
    answers = read(submission)
    value = answers.columns[1]
    answers = answers.rename(columns={c: f"answer_{c}" for c in answers.columns[1:]})
    answers["answer"] = answers[[c for c in answers.columns[1:]]].agg(" ".join, axis=1)
    table = read(solution).merge(answers, on="id", how="left")
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


def retrieval_ap(truth, answer):
    truth, seen, right = set(truth.split()), set(), []
    for image in answer.split()[:100]:
        right.append(image in truth and image not in seen)
        seen.add(image)
    if not any(right):
        return 0.0
    precision = average_precision_score(right, -np.arange(len(right)))
    return precision * sum(right) / min(len(truth), 100)


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


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
        "precision_at_1": lambda rows: mean(
            a.split()[:1] != [] and a.split()[0] in t.split()
            for a, t in zip(rows["answer"], rows["truth"])
        ),
        "precision_at_10": lambda rows: mean(
            len(set(a.split()[:10]) & set(t.split())) / 10
            for a, t in zip(rows["answer"], rows["truth"])
        ),
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
        else None,
        "accuracy_fake": lambda rows: recall_score(rows["truth"], rows["answer"], labels=["fake"], average="macro")
        if (rows["truth"] == "fake").any()
        else None,
        "accuracy_pristine": lambda rows: recall_score(rows["truth"], rows["answer"], labels=["real"], average="macro")
        if (rows["truth"] == "real").any()
        else None,
    },
}


def controlled(solution, submission, group, control):
    """Accuracy by group within each level of the control."""
    truth = pd.read_csv(solution, dtype={group: str, control: str})
    table = truth.merge(
        pd.read_csv(submission).rename(columns={"label": "score"}), on="filename"
    )
    frame = MetricFrame(
        metrics=METRICS["accuracy"],
        y_true=table["label"].to_numpy(),
        y_pred=table["score"].to_numpy(),
        sensitive_features=table[group],
        control_features=table[control],
    )
    out = {f"{level}|{value}": float(v) for (level, value), v in frame.by_group.items()}
    for name, found in [
        ("overall", frame.overall),
        ("difference", frame.difference()),
        ("ratio", frame.ratio()),
        ("difference_to_overall", frame.difference(method="to_overall")),
        ("ratio_to_overall", frame.ratio(method="to_overall")),
    ]:
        out.update({f"{level}#{name}": float(v) for level, v in found.items()})
    return out


def few_shot(episodes, embeddings, ids):
    table, x = pd.read_parquet(episodes), np.load(embeddings).astype(float)
    row = {name: at for at, name in enumerate(pd.read_csv(ids)["sample_id"])}
    classifiers = {
        "accuracy_nearest_centroid": NearestCentroid(),
        "accuracy_nearest_neighbour": KNeighborsClassifier(1),
        "accuracy_linear": LogisticRegression(C=1.0, tol=1e-10, max_iter=100000),
    }
    out = {}
    for dataset, rows in table.groupby("dataset"):
        for name, classifier in classifiers.items():
            scores = []
            for _, episode in rows.groupby("episode"):
                s = episode[episode["role"] == "support"]
                q = episode[episode["role"] == "query"]
                classifier.fit(x[[row[i] for i in s["sample_id"]]], s["class"])
                scores.append(classifier.score(x[[row[i] for i in q["sample_id"]]], q["class"]))
            out[f"{name}/{dataset}"] = math.fsum(scores) / len(scores)
    return out


def numbers(text):
    return np.array([float(part) for part in text.split(",")])


def bca(values):
    found = scipy.stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=20000, random_state=1
    ).confidence_interval
    return {"low": float(found.low), "high": float(found.high)}


def permutation(a, b):
    """The gap of two means; p with the + 1."""
    gap = lambda x, y, axis: np.abs(x.mean(axis) - y.mean(axis))
    found = scipy.stats.permutation_test(
        (a, b), gap, vectorized=True, n_resamples=20000, alternative="greater", random_state=1
    )
    null = found.null_distribution
    return {
        "p": float(found.pvalue),
        "mean": float(null.mean()),
        "p95": float(np.quantile(null, 0.95)),
    }


def add_frame(out, name, frame):
    for value, found in frame.by_group.items():
        out[f"{name}/{value}"] = float(found)
    out[f"{name}#difference"] = float(frame.difference())
    out[f"{name}#ratio"] = float(frame.ratio())
    out[f"{name}#difference_to_overall"] = float(frame.difference(method="to_overall"))
    out[f"{name}#ratio_to_overall"] = float(frame.ratio(method="to_overall"))


def main():
    flags = {arg.lstrip("-") for arg in sys.argv[1:] if arg.startswith("--")}
    args = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    if args[0] == "q-values":
        found = scipy.stats.false_discovery_control(numbers(args[1]), method="bh")
        return json.dump({str(at): float(q) for at, q in enumerate(found)}, sys.stdout)
    if args[0] == "few-shot":
        return json.dump(few_shot(*args[1:]), sys.stdout)
    if args[0] == "bca":
        return json.dump(bca(numbers(args[1])), sys.stdout)
    if args[0] == "permutation":
        return json.dump(permutation(numbers(args[1]), numbers(args[2])), sys.stdout)
    if args[0] == "controlled":
        return json.dump(controlled(*args[1:]), sys.stdout)
    form, solution, submission = args[:3]
    group = args[3] if len(args) > 3 else None
    if form == "multi-label":
        out = multi_label(solution, submission, group)
    elif form in FORMS:
        out = by_group(FORMS[form], joined(solution, submission), group)
    else:
        kind = "frames" if "frames" in flags else "videos" if "videos" in flags else None
        out = detection(solution, submission, group, kind)
    json.dump(out, sys.stdout)


main()
