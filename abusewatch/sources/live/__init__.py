"""Packets from an interface: a small process with one capability reads headers and passes columns of them to the daemon; payload stays in the kernel."""
