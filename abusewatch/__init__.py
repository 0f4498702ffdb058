"""abusewatch tells a provider that its own network is the attacker, and tells the two parties who must know."""

__version__ = "0.1.0"
