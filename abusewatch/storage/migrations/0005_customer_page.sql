-- What a customer's last notice told him, so that the page of his case can say what came since: counts by finding.
CREATE TABLE noticed (
    incident TEXT PRIMARY KEY REFERENCES incident (id) ON DELETE CASCADE,
    at_us INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
