-- What a dataset's samples should be spread like, as its curators declared.
CREATE TABLE target (
    dataset  TEXT PRIMARY KEY,
    level    TEXT NOT NULL,   -- country, subregion, region
    shares   TEXT NOT NULL,   -- JSON: place to weight
    declared BIGINT NOT NULL REFERENCES audit (seq),
    actor    TEXT NOT NULL,
    at       TEXT NOT NULL
);
