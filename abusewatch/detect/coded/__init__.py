"""Coded detectors: what the rule language cannot say, such as how regular something is or what came after what.

A detector is a class that turns the rows of groups into further measures; the rule file names it (`detector = "beacon"`) and says with `[[raise]]` which
values of them count. Windows, episodes, evidence, roles, exceptions, tests and sampling are therefore those of every other rule.
"""
