-- Changes that programs asked for under a key of their own: asked again, they are not done again.
CREATE TABLE asked_once (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (actor, key)
);

-- What people agree to before they download; the newest of a dataset stands, an empty text ends it.
CREATE TABLE terms (
    seq BIGINT PRIMARY KEY REFERENCES audit (seq),
    dataset TEXT NOT NULL,
    text TEXT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL
);
CREATE INDEX terms_dataset ON terms (dataset, seq);

CREATE TABLE terms_accepted (
    account TEXT NOT NULL REFERENCES account (id),
    terms BIGINT NOT NULL REFERENCES terms (seq),
    at TEXT NOT NULL,
    PRIMARY KEY (account, terms)
);
