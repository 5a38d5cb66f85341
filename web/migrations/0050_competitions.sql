-- Competitions: what a host opened. The folder it was opened from is kept whole, by its digest.
CREATE TABLE competition (
    name       TEXT PRIMARY KEY,
    title      TEXT NOT NULL,
    definition TEXT NOT NULL,           -- the digest of the folder in use
    hidden     INTEGER NOT NULL,        -- to hosts only, until it is published
    opened_by  TEXT NOT NULL,
    opened_at  TEXT NOT NULL
);

-- The truth of a stage: a correction is a new version, which counts once all is scored by it.
CREATE TABLE truth (
    competition TEXT NOT NULL REFERENCES competition (name),
    stage       TEXT NOT NULL,
    version     BIGINT NOT NULL,
    digest      TEXT NOT NULL,          -- of the prepared solution
    state       TEXT NOT NULL,          -- scoring, current, past
    made_by     TEXT NOT NULL,
    made_at     TEXT NOT NULL,
    why         TEXT NOT NULL,
    PRIMARY KEY (competition, stage, version)
);
CREATE UNIQUE INDEX truth_current ON truth (competition, stage) WHERE state = 'current';
CREATE UNIQUE INDEX truth_scoring ON truth (competition, stage) WHERE state = 'scoring';

CREATE TABLE team (
    id          BIGINT PRIMARY KEY,
    competition TEXT NOT NULL REFERENCES competition (name),
    name        TEXT NOT NULL,
    made_at     TEXT NOT NULL,
    merged_into BIGINT REFERENCES team (id),
    -- When the queue last did something for it: whoever waited longest is next.
    served      BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX team_name ON team (competition, name);

CREATE TABLE team_member (
    competition TEXT NOT NULL,
    account     TEXT NOT NULL REFERENCES account (id),
    team        BIGINT NOT NULL REFERENCES team (id),
    leads       INTEGER NOT NULL,
    PRIMARY KEY (competition, account)
);
CREATE INDEX team_member_team ON team_member (team);

-- A person asked to join, or a team asked to merge into the one that asks.
CREATE TABLE team_offer (
    team    BIGINT NOT NULL REFERENCES team (id),
    account TEXT REFERENCES account (id),
    other   BIGINT REFERENCES team (id),
    at      TEXT NOT NULL,
    CHECK ((account IS NULL) <> (other IS NULL))
);
CREATE UNIQUE INDEX team_offer_account ON team_offer (team, account) WHERE account IS NOT NULL;
CREATE UNIQUE INDEX team_offer_other ON team_offer (team, other) WHERE other IS NOT NULL;

CREATE TABLE accepted_rules (
    competition TEXT NOT NULL REFERENCES competition (name),
    account     TEXT NOT NULL REFERENCES account (id),
    version     TEXT NOT NULL,
    at          TEXT NOT NULL,
    PRIMARY KEY (competition, account, version)
);

CREATE TABLE submission (
    seq         BIGINT PRIMARY KEY REFERENCES audit (seq),
    competition TEXT NOT NULL REFERENCES competition (name),
    stage       TEXT NOT NULL,
    team        BIGINT REFERENCES team (id),  -- none: a constant answer of ours
    account     TEXT REFERENCES account (id),
    name        TEXT NOT NULL,                -- of the file as sent; of the constant answer
    sha256      TEXT NOT NULL,
    bytes       BIGINT NOT NULL,
    note        TEXT NOT NULL DEFAULT '',
    external    TEXT,                         -- what was declared of outside data (JSON)
    at          TEXT NOT NULL,
    state       TEXT NOT NULL,                -- queued, scored, invalid, failed, cancelled
    counts      INTEGER NOT NULL,             -- whether it uses up the limits
    problem     TEXT NOT NULL DEFAULT '',
    defects     TEXT,                         -- JSON, where it was refused
    selected    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX submission_team ON submission (team, stage, seq);
CREATE INDEX submission_stage ON submission (competition, stage, seq);

-- The queue.
CREATE TABLE scoring (
    id          BIGINT PRIMARY KEY,
    submission  BIGINT REFERENCES submission (seq),  -- none: a board is made
    competition TEXT NOT NULL,
    stage       TEXT NOT NULL,
    truth       BIGINT NOT NULL,
    kind        TEXT NOT NULL,                -- score, board, report
    rank        BIGINT NOT NULL,              -- of the kind: lower is first
    team        BIGINT,
    state       TEXT NOT NULL,                -- queued, running, done, set-aside, cancelled
    attempts    BIGINT NOT NULL DEFAULT 0,
    not_before  TEXT NOT NULL,
    worker      TEXT,
    leased_to   TEXT,
    asked_at    TEXT NOT NULL,
    began_at    TEXT,
    ended_at    TEXT,
    problem     TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX scoring_once ON scoring (submission, truth, kind) WHERE submission IS NOT NULL;
CREATE UNIQUE INDEX scoring_board ON scoring (competition, stage, truth)
    WHERE kind = 'board' AND state = 'queued';
CREATE INDEX scoring_waits ON scoring (rank, team, id) WHERE state = 'queued';
CREATE INDEX scoring_runs ON scoring (leased_to) WHERE state = 'running';
CREATE INDEX scoring_by_team ON scoring (team, stage, truth, submission) WHERE state IN ('queued', 'running');

-- What a submission scored by a version of the truth.
CREATE TABLE score (
    submission BIGINT NOT NULL REFERENCES submission (seq),
    truth      BIGINT NOT NULL,
    usage      TEXT NOT NULL,                 -- public, private
    value      DOUBLE PRECISION,
    shown      DOUBLE PRECISION,              -- the Ladder's, in public
    best       BIGINT,                        -- whose score that is
    columns    TEXT NOT NULL,                 -- JSON
    PRIMARY KEY (submission, truth, usage)
);

-- Files that arrive in pieces.
CREATE TABLE upload (
    id          TEXT PRIMARY KEY,
    competition TEXT NOT NULL REFERENCES competition (name),
    account     TEXT NOT NULL REFERENCES account (id),
    name        TEXT NOT NULL,
    bytes       BIGINT NOT NULL,
    at          TEXT NOT NULL
);
