-- Work done by child processes: an ingest, a release.
CREATE TABLE job (
    seq        BIGINT PRIMARY KEY REFERENCES audit (seq),
    kind       TEXT NOT NULL,   -- ingest, retry, release
    dataset    TEXT NOT NULL,
    proposal   BIGINT REFERENCES proposal (seq),
    state      TEXT NOT NULL,   -- queued, running, done, failed, cancelled
    cancel     INTEGER NOT NULL DEFAULT 0,
    starts     BIGINT NOT NULL DEFAULT 0,
    asked_by   TEXT NOT NULL,
    asked_at   TEXT NOT NULL,
    started_at TEXT,
    ended_at   TEXT,
    stage      TEXT NOT NULL DEFAULT '',
    done       BIGINT NOT NULL DEFAULT 0,
    total      BIGINT,
    messages   TEXT NOT NULL DEFAULT '',  -- newest lines
    outcome    TEXT NOT NULL DEFAULT ''   -- the version, or why it failed
);
CREATE UNIQUE INDEX job_active ON job (dataset) WHERE state IN ('queued', 'running');
