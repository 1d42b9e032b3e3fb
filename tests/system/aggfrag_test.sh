#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# AGGFRAG (RFC 9347) between two Simplons of two workers each (site.sh draws them), agreed on by IKE: packets as large as the
# path cross it, though ESP takes its part, and nothing is fragmented; rekeys lose nothing; at a rate every packet on the wire is
# of one length, with and without traffic; and with congestion control the rate is found.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin aggfrag
site_up
for host in hostA hostB; do ip -n "$lab-$host" link set eth0 mtu 1500; done

configure() { # LINES OF THE CHILD : of both
  local gateway
  for gateway in gwA gwB; do
    { site_simplon_ports $gateway "[0, 1]"; site_secrets $gateway; start=none child_more=$1 site_connection $gateway; } >"$run/$gateway.yaml"
  done
}
reload() { configure "$1"; ctl gwA reload >"$run/reload.log" && ctl gwB reload >>"$run/reload.log"; }
children() { ctl gwA sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
changed() { local now; now=$(children); [ -n "$now" ] && [ "$now" != "$1" ] && [ "$(wc -w <<<"$now")" = 1 ]; }
down() { [ -z "$(children)" ]; }
up() { wait_for 10 down && ctl gwA initiate sites net >"$run/initiate.log" && wait_for 10 changed none; }
# A packet of 1500 octets that nobody may fragment.
full() { on "$1" ping -q -M "do" -c 5 -i 0.2 -W 2 -s 1472 "$2" | tee -a "$run/pings.log" | grep -q '^5 packets transmitted, 5 received'; }
workers() { ctl "$1" workers --json | /usr/bin/python3 -c 'import json, sys; print(sum(int(w[sys.argv[1]]) for w in json.load(sys.stdin).values()))' "$2"; }

configure "        aggfrag: off"
simplon_start gwA && simplon_start gwB || exit 1
ok "the capture sees what is sent in clear on purpose" site_watch_clear
ok "a plain child is up" up
ok "through which a packet of 1500 octets does not fit" eval '! full hostA 198.18.2.10'
ok "both gateways take the child with AGGFRAG" reload "        aggfrag: require"
ok "it is up" up
ok "and shown" tells gwA AGGFRAG sas
ip -n "$lab-hostA" route flush cache # of what the plain child taught it about the path
ok "now the packet fits" full hostA 198.18.2.10
ok "and the other way" full hostB 198.18.1.10

start gwB esp tcpdump -U -ni wan0 -w "$run/esp.pcap" 'ip proto 50'
wait_for 10 test -s "$run/esp.pcap"
for family in 4 6; do
  b=198.18.2.10; [ $family = 6 ] && b=2001:db8:b::10
  ok "pings of IPv$family" site_pings hostA $b
  ok "TCP of IPv$family" site_tcp -$family
done
stop esp INT
lengths() { tcpdump -nr "$1" -v 2>/dev/null | sed -n 's/.* proto ESP.*length \([0-9]*\)).*/\1/p' | sort -n | uniq -c; }
ok "packets of many lengths were on the wire, the largest 1500" eval '[ "$(lengths "$run/esp.pcap" | wc -l)" -gt 3 ] && lengths "$run/esp.pcap" | tail -n 1 | grep -q " 1500$"'
ok "and no fragment" eval '[ -z "$(tcpdump -nr "$run/esp.pcap" "ip[6:2] & 0x3fff != 0" 2>/dev/null)" ]'

for who in gwA gwB; do
  before=$(children)
  ping_begin hostA 198.18.2.10
  ok "$who rekeys the child" ctl $who rekey --child net
  ok "a new child took over" wait_for 15 changed "$before"
  sleep 1 # the ping goes on over the new SAs
  ok "no packet is lost over the rekey" ping_end
  ok "it has AGGFRAG as well" tells $who AGGFRAG sas
done

# ---- at a rate ----
ok "both take a rate" reload "        aggfrag: require
        aggfrag_packet: 700
        aggfrag_rate: 300"
ok "the child is up" up
grew() { [ "$(workers gwB decrypted)" -gt $(($1 + 100)) ]; }
start gwB paced tcpdump -U -ni wan0 -w "$run/paced.pcap" 'ip proto 50 and src 198.51.100.1'
wait_for 10 test -s "$run/paced.pcap"
before=$(workers gwB decrypted)
ok "packets come though nobody sends" wait_for 10 grew "$before"
ok "pings cross at the rate" site_pings hostA 198.18.2.10
ok "so do large ones" full hostA 198.18.2.10
stop paced INT
ok "all packets on the wire were of one length, that is the configured one" eval \
  'lengths "$run/paced.pcap"; [ "$(lengths "$run/paced.pcap" | wc -l)" = 1 ] && lengths "$run/paced.pcap" | grep -qE " (69[0-9]|700)$"'
before=$(children)
ok "a rekey" ctl gwA rekey --child net
ok "and the new child" wait_for 15 changed "$before"
ok "pings cross" site_pings hostA 198.18.2.10
ok "the gateway is switched off" ctl gwA gateway off
off() { local n; n=$(workers gwA encrypted); sleep 0.3; [ "$(workers gwA encrypted)" = "$n" ]; }
ok "nothing leaves while it is" off
ok "and on" ctl gwA gateway on
ok "pings cross again" wait_for 10 site_pings hostA 198.18.2.10

# ---- congestion control ----
ok "both take congestion control" reload "        aggfrag: require
        aggfrag_packet: 1000
        aggfrag_rate: 2000
        aggfrag_congestion_control: true"
ok "the child is up" up
rate() { ctl gwA sas --json | tr -d ' \n' | grep -o '"aggfrag-rate":"[0-9]*"' | grep -o '[0-9]*'; }
fast() { [ "$(rate)" -ge 1000 ]; }
ok "it finds the path free" wait_for 20 fast
measured() { ctl gwA sas --json | tr -d ' \n' | grep -q '"aggfrag-rtt":"[1-9]'; }
ok "with a round trip that was measured" wait_for 10 measured

ok "back to a child without a rate" reload "        aggfrag: require"
ok "it is up" up
ok "all of it went through ESP" nothing_in_clear
lab_end
