#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Populate-from-packet flags (RFC 4301 §4.4.1): of one child each of our hosts and protocols has SAs of its own. Packets ask
# for them, strongSwan agrees to what they ask for, a rekey keeps it, and nothing passes in clear meanwhile.
#
#   hostA .10, .11 === gwA (pfp: [local, protocol]) === gwB (strongSwan) === hostB        site.sh draws them
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin pfp
site_up
child_more='        pfp: [local, protocol]' site_simplon gwA || exit 1
site_strongswan || exit 1
ip -n "$lab-hostA" addr add 198.18.1.11/24 dev eth0
ok "the capture sees what is sent in clear on purpose" site_watch_clear
children() { # SELECTORS or SPIs of those that are installed
  ctl gwA sas --json | /usr/bin/python3 -c '
import json, sys
key = sys.argv[1]
for entry in json.load(sys.stdin):
    for sa in entry.values():
        for child in sa["child-sas"].values():
            if child["state"] == "INSTALLED":
                print("".join(child["local-ts"]), "".join(child["remote-ts"]) if key == "ts" else child["spi-in"])' "$1" | sort | xargs; }
are() { [ "$(children ts)" = "$1" ]; }
one_ping() { on hostA ping -q -c 1 -W 1 -I "$1" 198.18.2.10; }
first="198.18.1.10/32[icmp] 198.18.2.0/24[icmp]" tcp="198.18.1.10/32[tcp] 198.18.2.0/24[tcp]" second="198.18.1.11/32[icmp] 198.18.2.0/24[icmp]"
ok "a packet asks for its SA" wait_for 15 one_ping 198.18.1.10
ok "it is for its host and protocol" are "$first"
ok "a packet from another host asks for another" wait_for 15 one_ping 198.18.1.11
ok "both are up" are "$first $second"
ok "pings" site_pings hostA 198.18.2.10
ok "pings of the other host" wait_for 3 one_ping 198.18.1.11
ok "still two" are "$first $second"
ok "TCP has an SA of its own" site_tcp
children ts
ok "they are three" are "$first $tcp $second"
spis=$(children spi)
ok "all are rekeyed" ctl gwA rekey --child net
others() { [ "$(children ts)" = "$1" ] && ! grep -qE "$(children spi | xargs -n2 | cut -d' ' -f2 | paste -sd'|')" <<<"$spis"; }
ok "and are for the same" wait_for 15 others "$first $tcp $second"
ok "pings" site_pings hostA 198.18.2.10
ok "pings of the other host" wait_for 3 one_ping 198.18.1.11
ok "without a packet there is nothing to ask for" eval '! ctl gwA initiate sites net >"$run/answer" 2>&1 && grep -q "traffic asks for it" "$run/answer"'
ok "all of it went through ESP" nothing_in_clear
lab_end
