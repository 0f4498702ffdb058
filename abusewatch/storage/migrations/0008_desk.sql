-- Temporary exceptions: findings of a rule about an offender in a prefix that make no case for a while.
CREATE TABLE exception (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    prefix TEXT NOT NULL,
    rule TEXT NOT NULL,
    until_us INTEGER NOT NULL,
    reason TEXT NOT NULL,
    author TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
) STRICT;

-- Look-ups of this day by source, so that a restart does not begin a new one.
CREATE TABLE lookup_day (
    source TEXT PRIMARY KEY,
    began_us INTEGER NOT NULL,
    spent INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A mailbox that bounced is forgotten a month after the last bounce; one that wants no more is not.
ALTER TABLE contact_health ADD COLUMN expires_us INTEGER;

-- Where the findings, notes and mail of a case went that was merged into another.
ALTER TABLE incident ADD COLUMN merged_into TEXT;
