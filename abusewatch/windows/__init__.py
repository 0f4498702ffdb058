"""Event time: panes, conversations, and the sorting and hashing they rest on. No wall clock here."""
