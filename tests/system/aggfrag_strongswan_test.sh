#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# AGGFRAG (RFC 9347) with a peer that does not know it: Simplon is gateway A, Debian's strongSwan gateway B (site.sh draws them).
# Preferred, the child is one of plain ESP, whoever initiates; required, there is none, and the log says why.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin aggfragss
site_up

configure() { { site_simplon_ports gwA; site_secrets gwA; start=none child_more="        aggfrag: $1" site_connection gwA; } >"$run/gwA.yaml"; }
children() { ctl gwA sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
is_up() { [ "$(children | wc -w)" = 1 ]; }
is_down() { [ -z "$(children)" ]; }

configure prefer
simplon_start gwA && site_strongswan || exit 1
ok "the capture sees what is sent in clear on purpose" site_watch_clear
ok "Simplon initiates" ctl gwA initiate sites net
ok "the child is up" wait_for 10 is_up
ok "and plain" tells_not gwA AGGFRAG sas
ok "pings cross" site_pings hostA 198.18.2.10
ok "a rekey" ctl gwA rekey --child net
ok "pings cross" site_pings hostB 198.18.1.10
ok "it ends" ctl gwA terminate --ike sites
ok "it is down" wait_for 10 is_down
ok "strongSwan initiates" swan gwB --initiate --child net
ok "the child is up" wait_for 10 is_up
ok "and plain" tells_not gwA AGGFRAG sas
ok "pings cross" site_pings hostA 198.18.2.10

configure require
ok "Simplon requires it now" ctl gwA reload
ok "what was plain goes" wait_for 10 is_down
ok "Simplon cannot have the child" eval '! ctl gwA initiate sites net >"$run/refused.log" 2>&1'
ok "and says why" wait_for 10 grep -q "the peer does not use AGGFRAG, and aggfrag is 'require'" "$run/gwA.log"
ok "no child is left" wait_for 10 is_down
ok "nor can strongSwan" eval '! swan gwB --initiate --child net >"$run/refused.log" 2>&1'
ok "no child is left" is_down
ok "no packet crosses" no_answer hostA 198.18.2.10
ok "nothing went in clear" nothing_in_clear
lab_end
