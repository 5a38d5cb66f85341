-- Somebody outside asks for something to be taken down. What they wrote and how they are
-- reached is emptied when the case is closed.
CREATE TABLE takedown (
    number        BIGINT PRIMARY KEY,
    secret_sha256 TEXT NOT NULL UNIQUE, -- of the link on which they see what became of it
    dataset       TEXT,                 -- where the sample was found
    sample_id     TEXT,
    relation      TEXT NOT NULL,        -- shown, rights, other
    about         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    contact       TEXT NOT NULL,
    received_at   TEXT NOT NULL,
    due_at        TEXT NOT NULL,
    state         TEXT NOT NULL,        -- open, withdrawn, declined
    answer        TEXT NOT NULL,
    closed_by     TEXT,
    closed_at     TEXT
);

CREATE INDEX takedown_open ON takedown (due_at) WHERE state = 'open';

-- Asked for with every picture that is served.
CREATE INDEX decision_withdrawn ON decision (dataset, sample_id) WHERE ruling = 'withdraw';
