#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The peer is killed without a word and comes back: Simplon (gateway A, start: start, DPD restart) notices, tells why, and
# has the tunnel up again by itself. While the peer is away nothing leaves in clear. site.sh draws the sites.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin restart
site_up
more="    dpd_delay: 1s
    retransmission: {first: 200ms, tries: 3}" start=start child_more="        dpd_action: restart" site_simplon gwA || exit 1
site_strongswan || exit 1
up() { on hostA ping -q -c 1 -W 1 198.18.2.10; }
ok "the tunnel comes up by itself" wait_for 30 up
losses() { grep -c 'does not answer: gave up' "$run/gwA.log"; }
before=$(losses)
stop gwB KILL
rm -f "$run/gwB/charon.vici"
ok "the capture sees what is sent in clear on purpose" site_watch_clear
down() { [ "$(losses)" -gt "$before" ]; }
ok "the loss of the peer is noticed and logged" wait_for 30 down
ok "nothing passes meanwhile" no_answer hostA 198.18.2.10
ok "nothing left in clear meanwhile" nothing_in_clear
site_strongswan || exit 1
ok "the tunnel is back by itself" wait_for 60 up
ok "pings" site_pings hostA 198.18.2.10
lab_end
