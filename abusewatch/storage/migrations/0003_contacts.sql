-- Who answers for other networks, by prefix: key is the first address (16 bytes, IPv4 mapped into IPv6) and the length.
CREATE TABLE contact (
    key BLOB PRIMARY KEY,
    emails TEXT NOT NULL,                -- ranked, one a line; empty: nobody is known
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    learned_us INTEGER NOT NULL,
    fresh_us INTEGER NOT NULL,           -- until when nobody is asked again
    expires_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was learned of mailboxes of operators. An opt-out has no end: forgetting it would break a promise.
CREATE TABLE contact_health (
    email TEXT PRIMARY KEY,              -- lower case
    bounces INTEGER NOT NULL DEFAULT 0,  -- since the last delivery
    bounced_us INTEGER,
    opted_out_us INTEGER
) STRICT, WITHOUT ROWID;
