ALTER TABLE outbox ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN stage TEXT NOT NULL DEFAULT 'first';
ALTER TABLE outbox ADD COLUMN admitted_us INTEGER;      -- when a budget was charged, by the clock of `budget_clock`
CREATE INDEX outbox_admitted ON outbox (admitted_us) WHERE admitted_us IS NOT NULL;
CREATE INDEX outbox_recipient ON outbox (lower(recipient), admitted_us);
CREATE INDEX outbox_message ON outbox (message_id);
CREATE INDEX outbox_held ON outbox (id) WHERE state = 'held';

ALTER TABLE incident ADD COLUMN again_us INTEGER;       -- casework looks again then, changed or not
ALTER TABLE incident ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0; -- operators not written to yet for want of budget
ALTER TABLE incident ADD COLUMN held INTEGER NOT NULL DEFAULT 0;    -- the desk wants to see each mail of this case
DROP INDEX incident_due;
CREATE INDEX incident_due ON incident (updated_us) WHERE examined < version;
CREATE INDEX incident_again ON incident (again_us) WHERE again_us IS NOT NULL;

-- The clock of the budgets: it goes with the machine's uptime, so that a wall clock that jumps frees nothing.
CREATE TABLE budget_clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    boot TEXT NOT NULL,
    up_us INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    budget_us INTEGER NOT NULL
) STRICT;

CREATE TABLE wanted (
    audience TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    count INTEGER NOT NULL
) STRICT;
CREATE INDEX wanted_when ON wanted (at_us);

CREATE TABLE breaker (
    audience TEXT PRIMARY KEY,
    opened_us INTEGER NOT NULL,          -- wall clock, for people
    wanted INTEGER NOT NULL
) STRICT;

-- What the desk writes to itself. No code that writes mails reads this table.
CREATE TABLE note (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    at_us INTEGER NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
