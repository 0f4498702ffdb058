"""The closed list of abuse kinds and how the two standards name them (XARF 4.2.0; docs/rules.md shows the table)."""

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind: its XARF category/type, whether third parties may ever be mailed by themselves, and what a person calls it."""

    xarf: str
    operator_mail: bool
    phrase: str


KINDS: dict[str, Kind] = {
    "address_scan": Kind("connection/port_scan", operator_mail=True, phrase="scanning many hosts for one open port"),
    "port_scan": Kind("connection/port_scan", operator_mail=True, phrase="scanning hosts for open ports"),
    "icmp_scan": Kind("connection/port_scan", operator_mail=True, phrase="scanning for hosts with ICMP echo requests"),
    "slow_scan": Kind("connection/port_scan", operator_mail=True, phrase="scanning slowly over hours"),
    "sip_scan": Kind("connection/port_scan", operator_mail=True, phrase="scanning for telephone servers (SIP)"),
    "login_attack": Kind("connection/login_attack", operator_mail=True, phrase="guessing passwords"),
    "password_spray": Kind("connection/login_attack", operator_mail=True, phrase="trying passwords on many hosts"),
    "syn_flood": Kind("connection/ddos", operator_mail=True, phrase="flooding with TCP SYN packets"),
    "udp_flood": Kind("connection/ddos", operator_mail=True, phrase="flooding with UDP packets or the like"),
    "icmp_flood": Kind("connection/ddos", operator_mail=True, phrase="flooding with ICMP packets"),
    "tcp_flood": Kind("connection/ddos", operator_mail=True, phrase="flooding with TCP packets"),
    "http_flood": Kind("connection/ddos", operator_mail=True, phrase="flooding a web server with connections"),
    "slow_http": Kind("connection/ddos", operator_mail=True, phrase="holding a web server's connections open"),
    "carpet_flood": Kind("connection/ddos", operator_mail=True, phrase="flooding a whole network"),
    "dns_flood": Kind("connection/ddos", operator_mail=True, phrase="flooding name servers with queries"),
    "amplification": Kind("connection/ddos", operator_mail=True, phrase="being abused as a reflector"),
    "amplification_trigger": Kind("connection/ddos", operator_mail=False, phrase="sending requests with a forged source to reflectors"),
    "spoofed_source": Kind("connection/ddos", operator_mail=False, phrase="sending packets with a source address that is not ours"),
    "spam": Kind("infrastructure/botnet", operator_mail=True, phrase="sending mail to many servers as spam runs do"),
    "worm": Kind("infrastructure/botnet", operator_mail=True, phrase="spreading like a worm"),
    "beacon": Kind("infrastructure/compromised_server", operator_mail=False, phrase="calling a control server regularly"),
    "mining": Kind("infrastructure/compromised_server", operator_mail=False, phrase="mining for others"),
    "dns_tunnel": Kind("infrastructure/compromised_server", operator_mail=False, phrase="tunnelling data in name queries"),
}

LEADS = frozenset({"beacon", "mining", "dns_tunnel"})
"""Leads are shown to the desk and may be told to the customer; they are never proof for a third party."""

SEVERITIES = ("low", "medium", "high", "critical")
BASES = ("handshake", "syn_only", "one_way", "anchored", "unknown")
