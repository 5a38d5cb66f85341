-- What stands of each sample now. How it came about is told by the audit chain.
CREATE TABLE decision (
    dataset   TEXT NOT NULL,
    sample_id TEXT NOT NULL,
    ruling    TEXT,
    labels    TEXT,              -- JSON list; these and no others
    why       TEXT NOT NULL,
    actor     TEXT NOT NULL,
    at        TEXT NOT NULL,
    batch     BIGINT NOT NULL,   -- the entry of the audit chain
    PRIMARY KEY (dataset, sample_id)
);

-- What was decided together is undone together.
CREATE TABLE batch (
    seq     BIGINT PRIMARY KEY REFERENCES audit (seq),
    dataset TEXT NOT NULL,
    actor   TEXT NOT NULL,
    samples BIGINT NOT NULL,
    undone  BIGINT REFERENCES audit (seq)
);

-- What stood before a batch; no ruling and no labels where nothing did.
CREATE TABLE before_batch (
    batch     BIGINT NOT NULL REFERENCES batch (seq),
    sample_id TEXT NOT NULL,
    ruling    TEXT,
    labels    TEXT,
    why       TEXT NOT NULL,
    actor     TEXT NOT NULL,
    at        TEXT NOT NULL,
    of_batch  BIGINT NOT NULL,
    PRIMARY KEY (batch, sample_id)
);

CREATE INDEX before_batch_sample ON before_batch (sample_id);

-- People who withdrew by way of the server.
CREATE TABLE withdrew (
    dataset    TEXT NOT NULL,
    source     TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    at         TEXT NOT NULL,
    actor      TEXT NOT NULL,
    PRIMARY KEY (dataset, source, subject_id)
);

-- A release somebody proposes: decisions as they stood then, word for word.
CREATE TABLE proposal (
    seq         BIGINT PRIMARY KEY REFERENCES audit (seq),
    dataset     TEXT NOT NULL,
    base        TEXT NOT NULL,   -- the version it changes
    notes       TEXT NOT NULL,
    proposed_by TEXT NOT NULL,
    proposed_at TEXT NOT NULL,
    decided     TEXT NOT NULL,   -- JSON, as an ingest reads it
    state       TEXT NOT NULL,   -- open, declined, approved, released
    ended_by    TEXT,
    ended_at    TEXT,
    version     TEXT             -- what it became
);

-- One at a time for each dataset.
CREATE UNIQUE INDEX proposal_open ON proposal (dataset) WHERE state IN ('open', 'approved');
