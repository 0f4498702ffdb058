"""The nouns of the river, frozen: flow batch, finding, evidence, incident, contact, message, customer.

Nothing here does anything; every other package may import this one, and this one imports none of them.
"""
