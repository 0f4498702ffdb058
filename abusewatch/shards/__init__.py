"""The second half of the spine, from a pane to findings, in one process or in several: each own address is decided in one of them, whole."""
