#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Simplon is gateway A, Debian's strongSwan is gateway B (site.sh draws them). One case a run:
#   strongswan_test.sh initiator|responder [4|6] [gcm|cbc]
# Whoever initiates, pings of both families and TCP cross the tunnel; child and IKE SA are rekeyed by either side under
# a running ping, and no packet is lost.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
role=$1 outer=${2:-4} suite=${3:-gcm}
[ "$suite" = cbc ] && ike=aes256-sha384-prfsha384-ecp256 esp=aes256-sha256-ecp384
lab_begin "ss$role$outer"
site_up
start=none site_simplon gwA || exit 1
site_strongswan || exit 1

# The kernel of gateway B would forward what Simplon let out in clear: the pings alone prove no tunnel.
ok "the capture sees what is sent in clear on purpose" site_watch_clear
children() { ctl gwA sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
ike_spis() { ctl gwA sas --json | tr -d ' \n' | grep -o '"initiator-spi":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
changed() { local now; now=$($1); [ -n "$now" ] && [ "$now" != "$2" ] && [ "$(wc -w <<<"$now")" = 1 ]; }

if [ "$role" = initiator ]; then
  ok "Simplon initiates" ctl gwA initiate sites net
else
  ok "strongSwan initiates" swan gwB --initiate --child net
fi
ok "one child is up" wait_for 10 changed children none
for family in 4 6; do
  a=198.18.1.10 b=198.18.2.10; [ $family = 6 ] && a=2001:db8:a::10 b=2001:db8:b::10
  ok "pings A to B, IPv$family in IPv$outer" site_pings hostA $b
  ok "pings B to A, IPv$family in IPv$outer" site_pings hostB $a
  ok "TCP, IPv$family in IPv$outer" site_tcp -$family
done

for who in simplon strongswan; do
  before=$(children)
  ping_begin hostA 198.18.2.10
  if [ $who = simplon ]; then ok "$who rekeys the child" ctl gwA rekey --child net; else ok "$who rekeys the child" swan gwB --rekey --child net; fi
  ok "a new child took over ($who)" wait_for 15 changed children "$before"
  sleep 1 # the ping goes on over the new SAs
  ok "no packet lost over the child rekey by $who" ping_end

  before=$(ike_spis)
  ping_begin hostA 198.18.2.10
  if [ $who = simplon ]; then ok "$who rekeys the IKE SA" ctl gwA rekey --ike sites; else ok "$who rekeys the IKE SA" swan gwB --rekey --ike sites; fi
  ok "a new IKE SA took over ($who)" wait_for 15 changed ike_spis "$before"
  sleep 1
  ok "no packet lost over the IKE rekey by $who" ping_end
done
ok "all of it went through ESP" nothing_in_clear
lab_end
