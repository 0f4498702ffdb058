"""The daemon: the one place that knows everybody, wires them by hand, starts them in order and stops them in reverse."""
