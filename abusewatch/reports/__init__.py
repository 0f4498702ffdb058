"""What the two parties read.

Mails to operators and customers, XARF, the replay's page, and the two guards before any of it leaves.

A report is made from a view that `evidence.minimise` let out; nothing here reaches back for more.
"""
