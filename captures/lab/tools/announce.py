"""Tells a torrent's tracker that a peer is there (BEP 3), as a program does before it goes away without a word.

usage: announce.py TORRENT ADDRESS PORT   (mktorrent's form: `info` is the last entry of the file)
"""

import hashlib
import http.client
import re
import sys
from pathlib import Path
from urllib.parse import quote_from_bytes, urlsplit


def main(torrent: bytes, address: str, port: int) -> None:
    tracker = urlsplit(re.search(rb"8:announce\d+:(http://[^/]+/announce)", torrent)[1].decode())
    known_by = quote_from_bytes(hashlib.sha1(torrent[torrent.index(b"4:info") + 6 : -1]).digest())
    asked = f"{tracker.path}?info_hash={known_by}&peer_id=-XX0001-{address:x>12.12}&port={port}&uploaded=0&downloaded=0&left=1048576&compact=1&event=started"
    connection = http.client.HTTPConnection(tracker.hostname, tracker.port, timeout=5, source_address=(address, 0))
    connection.request("GET", asked)
    print(connection.getresponse().read())


main(Path(sys.argv[1]).read_bytes(), sys.argv[2], int(sys.argv[3]))
