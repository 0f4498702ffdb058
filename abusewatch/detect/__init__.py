"""Rules: what counts as abuse.

A rule file is read (`load`), checked (`check`, `lint`) and compiled (`compile`); the engine runs it over windows.

Detection is not decision: a rule says what it saw and how sure it is, policy says who is told.
"""
