-- Set by `case approve`: mail that the policy holds for approval leaves from then on.
ALTER TABLE incident ADD COLUMN approved INTEGER NOT NULL DEFAULT 0;
