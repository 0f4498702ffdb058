-- Times are microseconds since the epoch, UTC. `expires_us` is set from the retention table; NULL: not yet running out.

CREATE TABLE sequence (
    year INTEGER PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;

CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    notified_us INTEGER,
    version INTEGER NOT NULL,            -- grows with each change
    examined INTEGER NOT NULL DEFAULT 0, -- the version casework looked at last
    body BLOB NOT NULL,                  -- the incident without evidence
    expires_us INTEGER
) STRICT;
CREATE INDEX incident_due ON incident (updated_us) WHERE examined < version AND state <> 'closed';
CREATE UNIQUE INDEX incident_one_at_a_time ON incident (customer, kind) WHERE state <> 'closed';

-- The only place where addresses of third parties lie; gone when the case is closed.
CREATE TABLE evidence (
    incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    episode TEXT NOT NULL,
    body BLOB NOT NULL,
    expires_us INTEGER,
    PRIMARY KEY (incident, episode)
) STRICT;

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dedup TEXT NOT NULL UNIQUE,          -- (case, audience, recipient, sequence): what makes a repeat harmless
    message_id TEXT NOT NULL,
    incident TEXT NOT NULL,
    audience TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    raw BLOB NOT NULL,                   -- empty once erased
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    created_us INTEGER NOT NULL,
    next_us INTEGER NOT NULL,
    lease_us INTEGER,                    -- until when the one delivering it has it
    body_expires_us INTEGER,
    expires_us INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox (next_us) WHERE state IN ('queued', 'retrying', 'leased');
CREATE INDEX outbox_case ON outbox (incident);

CREATE TABLE blocked (
    incident TEXT NOT NULL,
    audience TEXT NOT NULL,
    recipient TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    PRIMARY KEY (incident, audience, recipient)
) STRICT;

-- Proof of deletion: each line carries the hash of the one before it.
CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    class TEXT NOT NULL,
    count INTEGER NOT NULL,
    rule TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
