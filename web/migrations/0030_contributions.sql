-- What people contributed on the server's pages, and the consent record that goes with it.
CREATE TABLE contribution (
    seq         BIGINT PRIMARY KEY REFERENCES audit (seq),
    dataset     TEXT NOT NULL,
    source      TEXT NOT NULL,
    account     TEXT NOT NULL REFERENCES account (id),
    at          TEXT NOT NULL,
    licence     TEXT NOT NULL,
    country     TEXT NOT NULL,   -- ISO 3166-1 alpha-2
    labels      TEXT NOT NULL,   -- JSON list
    credit      TEXT NOT NULL,   -- as the contributor wants to be named; empty for nobody
    subject_id  TEXT,            -- the contributor's code, where they are shown
    consent     TEXT             -- the record, verbatim
);

CREATE INDEX contribution_source ON contribution (dataset, source);

CREATE TABLE contributed_file (
    dataset      TEXT NOT NULL,
    source       TEXT NOT NULL,
    file         TEXT NOT NULL,  -- the path in the drop: by the digest of the bytes
    contribution BIGINT NOT NULL REFERENCES contribution (seq),
    bytes        BIGINT NOT NULL,
    taken_back   BIGINT REFERENCES audit (seq),
    PRIMARY KEY (dataset, source, file)
);

CREATE INDEX contributed_file_of ON contributed_file (contribution);
