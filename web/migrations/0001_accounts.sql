-- Times are RFC 3339 in UTC with microseconds, so that they sort as text.
-- Secrets (passwords, links, sessions, tokens) stand as hashes only.

CREATE TABLE account (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    password    TEXT,             -- argon2id, PHC string; none until it was set
    created_at  TEXT NOT NULL,
    disabled_at TEXT
);

-- A role everywhere (`*`) or for one dataset.
CREATE TABLE held_role (
    account TEXT NOT NULL REFERENCES account (id),
    role    TEXT NOT NULL,
    dataset TEXT NOT NULL,
    PRIMARY KEY (account, role, dataset)
);

-- One-time links: the first administrator's, an invitation, a new password.
CREATE TABLE link (
    secret_sha256 TEXT PRIMARY KEY,
    account       TEXT NOT NULL REFERENCES account (id),
    expires_at    TEXT NOT NULL
);

CREATE TABLE session (
    secret_sha256 TEXT PRIMARY KEY,
    account       TEXT NOT NULL REFERENCES account (id),
    csrf          TEXT NOT NULL,
    created_at    TEXT NOT NULL,
    seen_at       TEXT NOT NULL
);

CREATE TABLE api_token (
    id            TEXT PRIMARY KEY,
    account       TEXT NOT NULL REFERENCES account (id),
    name          TEXT NOT NULL,
    scopes        TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL UNIQUE,
    created_at    TEXT NOT NULL,
    expires_at    TEXT NOT NULL,
    used_at       TEXT,
    revoked_at    TEXT
);

-- Who did what, when and why; each entry holds the hash of the one before.
CREATE TABLE audit (
    seq      BIGINT PRIMARY KEY,
    at       TEXT NOT NULL,
    actor    TEXT NOT NULL,
    act      TEXT NOT NULL,
    subject  TEXT NOT NULL,
    details  TEXT NOT NULL,
    why      TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL
);

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
