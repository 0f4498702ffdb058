-- A mail over a budget whose case was told in a digest instead: the outbox id of that.
ALTER TABLE outbox ADD COLUMN folded_into INTEGER;
CREATE INDEX outbox_folded ON outbox (folded_into) WHERE folded_into IS NOT NULL;
