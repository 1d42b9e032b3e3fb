#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whether a gateway's data path has lost no packet without a name: what came in is what went out, and named drops.

    balance.py SIMPLONCTL SOCKET [SLACK]

Packets on their way are in no count for a moment, so it is asked until it is true, for ten seconds at most. Where traffic
does not end, what came in is asked before and after what went out, which must lie between; SLACK is how many packets may be
on their way then.
"""
import json
import subprocess
import sys
import time


def ask(command):
    out = subprocess.run([sys.argv[1], "--socket", sys.argv[2], command, "--json"], capture_output=True, check=True)
    return list(json.loads(out.stdout).values())


def sides():
    """Pairs of sums that must be equal, and what is in them, by what they hold."""
    ports, workers = ask("ports"), ask("workers")
    # A VLAN's packets are its parent's as well; what a tunnel interface carries comes and goes by a port.
    devices = [port for port in ports if "parent" not in port and port["driver"] != "tunnel"]

    def total(rows, *names):
        return {name: sum(int(row[name]) for row in rows) for name in names}

    return {
        "what the workers took": (
            total(devices, "rx-packets") | total(ports, "injected") | total(workers, "handed-over", "dummies"),
            total(workers, "received")),
        "what became of it": (
            total(workers, "received", "fragments", "icmp-errors"),
            total(workers, "transmitted", "punted", "handed-over", "dropped", "reassembled", "waiting")),
        "what the ports sent": (
            total(workers, "transmitted"),
            total(devices, "tx-packets") | {"tx-errors": lost_by_drivers(devices, workers)}),
        "what the TAPs took": (
            total(workers, "punted"),
            total(ports, "punted", "punt-lost")),
    }


def lost_by_drivers(ports, workers):
    """Some drivers count as an error what they have not taken as well, which is a drop of the worker's by name."""
    errors = sum(int(port["tx-errors"]) for port in ports)
    sent = sum(int(port["tx-packets"]) for port in ports)
    return min(errors, max(0, sum(int(worker["transmitted"]) for worker in workers) - sent))


def looks():
    """Three looks, one after the other, as pairs: what came in by the first and the last, what became of it by the second."""
    first, second, third = sides(), sides(), sides()
    return {what: (first[what][0], third[what][0], second[what][1]) for what in second}


def missing(look):
    """How far what went out lies below (or, negative, above) what may have come in."""
    least, most, out = (sum(counts.values()) for counts in look)
    return max(0, least - out) + min(0, most - out)


def unbalanced(now):
    return {what: look for what, look in now.items() if abs(missing(look)) > slack}


slack = int(sys.argv[3]) if len(sys.argv) > 3 else 0
until = time.monotonic() + 10
while True:
    now = looks()
    wrong = unbalanced(now)
    if not wrong or time.monotonic() > until:
        break
    time.sleep(0.2)
for what, look in wrong.items():
    print(f"{what}: {missing(look)} packets are missing: {look[0]} to {look[1]} against {look[2]}")
if not wrong:
    # One packet more than may be missing must be told.
    for what, (least, most, out) in now.items():
        planted = sum(most.values()) - sum(least.values()) + 2 * slack + 1
        assert unbalanced({what: (least | {"planted": planted}, most | {"planted": planted}, out)}), what
    print("   balanced:", {**now["what became of it"][1], **now["what became of it"][2]})
sys.exit(bool(wrong))
