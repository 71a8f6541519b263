"""Proxies of the environment: none of them can reach a service on this machine."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit


def is_here(url: str) -> bool:
    """Whether `url` is on this machine, by an address or by a name of it."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def go_past_proxies(url: str) -> None:
    """From now on no proxy is asked for the host of `url`, as `requests` would do even here."""
    host = urlsplit(url).hostname or ""
    for name, other in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
        known = os.environ.get(name) or os.environ.get(other) or ""
        hosts = [entry.strip() for entry in known.split(",") if entry.strip()]
        if host not in hosts and hosts != ["*"]:
            hosts.append(host)
        os.environ[name] = ",".join(hosts)
