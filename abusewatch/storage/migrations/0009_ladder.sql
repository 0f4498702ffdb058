-- What a mail told of (strongest claim, severity, machines, packets), so that the next one of its thread tells of more.
ALTER TABLE outbox ADD COLUMN extent BLOB;
