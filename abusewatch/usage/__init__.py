"""How much of the link each customer uses, overall and nothing finer: no peer, no port, no address."""
