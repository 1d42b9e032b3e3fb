#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whether a gateway's data path has lost no packet without a name: what came in is what went out, and named drops.

    balance.py SIMPLONCTL SOCKET [SLACK]

Packets on their way are in no count for a moment, so it is asked until it is true, for ten seconds at most. SLACK is how
many may be missing where traffic does not end.
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

    def total(rows, *names):
        return {name: sum(int(row[name]) for row in rows) for name in names}

    return {
        "what the workers took": (
            total(ports, "rx-packets", "injected") | total(workers, "handed-over"),
            total(workers, "received")),
        "what became of it": (
            total(workers, "received", "fragments", "icmp-errors"),
            total(workers, "transmitted", "punted", "handed-over", "dropped", "reassembled", "waiting")),
        "what the ports sent": (
            total(workers, "transmitted"),
            total(ports, "tx-packets") | {"tx-errors": lost_by_drivers(ports, workers)}),
        "what the TAPs took": (
            total(workers, "punted"),
            total(ports, "punted", "punt-lost")),
    }


def lost_by_drivers(ports, workers):
    """Some drivers count as an error what they have not taken as well, which is a drop of the worker's by name."""
    errors = sum(int(port["tx-errors"]) for port in ports)
    sent = sum(int(port["tx-packets"]) for port in ports)
    return min(errors, max(0, sum(int(worker["transmitted"]) for worker in workers) - sent))


def missing(pair):
    return sum(pair[0].values()) - sum(pair[1].values())


def unbalanced(now):
    return {what: pair for what, pair in now.items() if abs(missing(pair)) > slack}


slack = int(sys.argv[3]) if len(sys.argv) > 3 else 0
until = time.monotonic() + 10
while True:
    now = sides()
    wrong = unbalanced(now)
    if not wrong or time.monotonic() > until:
        break
    time.sleep(0.2)
for what, pair in wrong.items():
    print(f"{what}: {missing(pair)} packets are missing: {pair[0]} against {pair[1]}")
if not wrong:
    # One packet more than may be missing must be told.
    for what, (taken, given) in now.items():
        assert unbalanced({what: (taken | {"planted": 2 * slack + 1}, given)}), what
    print("   balanced:", {**now["what became of it"][0], **now["what became of it"][1]})
sys.exit(bool(wrong))
