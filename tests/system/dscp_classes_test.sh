#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Classes of traffic (RFC 4301 §4.1): one child of ours has an SA for each class of DSCPs, and strongSwan, which knows nothing of
# it, has as many child SAs with the same selectors. A rekey keeps the class; a class whose SA is missing
# goes by class 0, and asks for its own.
#
#   hostA === gwA (dscp_classes: [[ef, cs5], [af41]]) === gwB (strongSwan) === hostB        site.sh draws them
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin dscp
site_up
child_more='        dscp_classes: [[ef, cs5], [af41]]' site_simplon gwA || exit 1
site_strongswan || exit 1
ok "the capture sees what is sent in clear on purpose" site_watch_clear
children() { # of those that are installed: class, outbound SPI, packets sent, a line each
  ctl gwA sas --json | /usr/bin/python3 -c '
import json, sys
for entry in json.load(sys.stdin):
    for sa in entry.values():
        for child in sa["child-sas"].values():
            if child["state"] == "INSTALLED":
                print(child.get("dscp-class", "0"), child["spi-out"], child["packets-out"])' | sort; }
classes() { children | cut -d' ' -f1 | xargs; }
are() { [ "$(classes)" = "$1" ]; }
sent() { children | awk -v c="$1" '$1 == c {n += $3} END {print n + 0}'; }
first_ping() { on hostA ping -q -c 1 -W 1 198.18.2.10; }
pings_with() { on hostA ping -q -c 10 -i 0.05 -W 2 -Q "$1" 198.18.2.10 | grep -q '10 received'; }
by_class() { # TOS CLASS: ten packets are of it
  local before; before=$(sent "$2")
  pings_with "$1" && [ "$(($(sent "$2") - before))" = 10 ]; }
ok "a packet asks for class 0" wait_for 15 first_ping
ok "each class gets an SA" wait_for 15 are "0 1 2"
theirs() { [ "$(swan gwB --list-sas | grep -c 'INSTALLED')" = 3 ]; }
ok "strongSwan has three child SAs" wait_for 5 theirs
ok "EF goes by class 1" by_class 0xb8 1
ok "CS5 too" by_class 0xa0 1
ok "AF41 goes by class 2" by_class 0x88 2
ok "the rest by class 0" by_class 0 0
before=$(children | cut -d' ' -f2 | xargs)
ok "a rekey of all" ctl gwA rekey --child net
renewed() { are "0 1 2" && ! children | grep -qE "$(tr ' ' '|' <<<"$before")"; }
ok "has the same classes" wait_for 20 renewed
ok "EF still goes by class 1" by_class 0xb8 1
ok "AF41 by class 2" by_class 0x88 2
gone=$(ctl gwA sas --json | /usr/bin/python3 -c '
import json, sys
for entry in json.load(sys.stdin):
    for sa in entry.values():
        for child in sa["child-sas"].values():
            if child.get("dscp-class") == "1": print(child["uniqueid"])' | head -1)
ok "the SA of class 1 ends" ctl gwA terminate --child-id "$gone"
ok "then there is none" wait_for 10 are "0 2"
# Its answer may come by the new SA before that is ours (RFC 7296 §2.8): what counts is the way out.
one_ping() { local before; before=$(sent 0); on hostA ping -q -c 1 -W 2 -Q 0xb8 198.18.2.10 || true; [ "$(($(sent 0) - before))" = 1 ]; }
ok "EF goes by class 0 meanwhile" one_ping
ok "and asks for its own" wait_for 10 are "0 1 2"
ok "by which it goes then" by_class 0xb8 1
ok "all of it went through ESP" nothing_in_clear
lab_end
