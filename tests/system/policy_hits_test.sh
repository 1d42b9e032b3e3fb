#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `policies` says of the entries of the SPD (RFC 4301 §4.4.1): which packets each of them decided about. A rekey, and the
# end of all SAs, loses none.
#
#   hostA === gwA (Simplon) === gwB (strongSwan) === hostB        site.sh draws them
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin hits
site_up
site_simplon gwA || exit 1
site_strongswan || exit 1
hits() { # POLICY: out and in
  ctl gwA policies --json | /usr/bin/python3 -c '
import json, sys
for entry in json.load(sys.stdin):
    for name, policy in entry.items():
        if name == sys.argv[1]: print(policy["hits-out"], policy["hits-in"])' "$1"; }
packets() { # of the child SA that is there: out and in
  ctl gwA sas --json | /usr/bin/python3 -c '
import json, sys
sums = [0, 0]
for entry in json.load(sys.stdin):
    for sa in entry.values():
        for child in sa["child-sas"].values():
            sums[0] += int(child["packets-out"]); sums[1] += int(child["packets-in"])
print(*sums)'; }
spis() { ctl gwA sas --json | /usr/bin/python3 -c '
import json, sys
print(*sorted(c["spi-in"] for e in json.load(sys.stdin) for sa in e.values() for c in sa["child-sas"].values()))'; }
first_ping() { on hostA ping -q -c 1 -W 1 198.18.2.10; }
ping_all() { on hostA ping -q -c "$1" -i 0.05 -W 2 198.18.2.10; }
more_than() { local a b; read -r a b <<<"$(hits sites/net)"; [ "$a" -ge "$1" ] && [ "$b" -ge "$2" ]; }
are() { [ "$(hits "$1")" = "$2" ]; }

ok "before the first packet there is no hit" are sites/net "0 0"
ok "the tunnel comes up" wait_for 15 first_ping
ok "ten pings" ping_all 10
read -r out in <<<"$(hits sites/net)"
read -r sent received <<<"$(packets)"
ok "the entry has what its SAs received ($in of $received)" [ "$in" -eq "$received" ]
ok "and sent, and what found none before ($out of $sent)" [ "$out" -ge "$sent" ]
lost=$((out - sent))
before=$(spis)
ok "a rekey" ctl gwA rekey --child net
renewed() { local now; now=$(spis); [ "$now" != "$before" ] && [ "$(wc -w <<<"$now")" = 1 ]; }
ok "the old SAs are gone" wait_for 15 renewed
ok "ten more pings" ping_all 10
ok "the entry has those of both SAs" are sites/net "$((out + 10)) $((in + 10))"
read -r sent received <<<"$(packets)"
ok "though the new one has its own alone" [ "$sent $received" = "10 10" ]

rest=$(hits "(rest)")
ok "no entry takes what is for nobody's net" no_answer hostA -c 3 -i 0.05 -W 1 203.0.113.9
more_rest() { local a b; read -r a b <<<"$(hits "(rest)")"; [ "$a" -ge "$((${rest% *} + 3))" ]; }
ok "so it is what the rest discards" more_rest
ok "the console shows it" tells gwA '\(rest\) +DISCARD' policies
lab_end
