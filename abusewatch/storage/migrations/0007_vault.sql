-- What locks evidence and the texts of mails: one key a case, itself locked by the key of the store, and gone with what it locks.
CREATE TABLE case_key (
    name TEXT PRIMARY KEY,               -- the case, or `epoch YEAR` for pseudonyms
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- How to tell that the key of the store is the one that locked it.
CREATE TABLE vault (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    mark BLOB NOT NULL
) STRICT;
