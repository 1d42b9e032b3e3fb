#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Traffic flow confidentiality between two Simplon gateways (site.sh draws them): with tfc: mtu every ESP packet has one length,
# whatever is pinged, both ways and over a rekey; without it each size has its own, which shows that the captures can tell
# (RFC 4303 section 2.7). Dummy packets keep coming while nobody sends, of the same length, and end at the other gateway
# without a word (section 2.6).
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin tfc
site_up
sizes="0 1 33 100 500 999 1300"

configure() { # LINES OF THE CHILD, of both gateways
  local gateway
  for gateway in gwA gwB; do
    { site_simplon_ports $gateway; site_secrets $gateway; start=none child_more=$1 site_connection $gateway; } >"$run/$gateway.yaml"
  done
}
spis() { ctl gwA sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*"' | sort -u | xargs; }
changed() { local now; now=$(spis); [ -n "$now" ] && [ "$now" != "$1" ] && [ "$(wc -w <<<"$now")" = 1 ]; }

# What a gateway sends its own interface does not show: each end's packets are captured where they arrive.
capture() { # NAME
  local gateway
  for gateway in gwA gwB; do
    start $gateway "$1-$gateway" tcpdump -U -Q in -ni wan0 -w "$run/$1-$gateway.pcap" esp
    wait_for 10 test -s "$run/$1-$gateway.pcap" || return 1
  done
}
captured() { # NAME GATEWAY : the ESP packets that arrived there
  tcpdump -nr "$run/$1-$2.pcap" 2>"$run/read.log" | grep 'ESP(' || { cat "$run/read.log"; return 1; }
}
stop_capture() { stop "$1-gwA" INT; stop "$1-gwB" INT; }
lengths() { captured "$@" | sed 's/.*length //' | sort -nu | xargs; }
one_length() { # NAME
  local a b
  a=$(lengths "$1" gwA) && b=$(lengths "$1" gwB) && echo "   $1: to A $a, to B $b" && [ "$(wc -w <<<"$a")" = 1 ] && [ "$a" = "$b" ]
}
many_lengths() { # NAME
  local gateway
  for gateway in gwA gwB; do [ "$(lengths "$1" $gateway | wc -w)" -ge 6 ] || { lengths "$1" $gateway; return 1; }; done
}
spis_seen() { # NAME GATEWAY
  captured "$@" | grep -o 'spi=0x[0-9a-f]*' | sort -u | wc -l
}
pings() { # FROM FAMILY : of each size
  local to size
  case $1$2 in hostA4) to=198.18.2.10 ;; hostB4) to=198.18.1.10 ;; hostA6) to=2001:db8:b::10 ;; hostB6) to=2001:db8:a::10 ;; esac
  for size in $sizes; do
    on "$1" ping -q -c 3 -i 0.05 -W 2 -s "$size" $to | grep -q '^3 packets transmitted, 3 received' || { echo "$size"; return 1; }
  done
}
all_pings() { # TITLE
  for host in hostA hostB; do for family in 4 6; do ok "pings of every size from $host, IPv$family, $1" pings $host $family; done; done
}

configure ""
simplon_start gwA || exit 1
simplon_start gwB 2>/dev/null || exit 1
ok "the tunnel is up" ctl gwA initiate sites net
ok "captures" capture plain
all_pings "without TFC"
stop_capture plain
ok "without TFC the sizes show" many_lengths plain
ok "and nothing else is sent" [ "$(drop_count gwA dummy)$(drop_count gwB dummy)" = 00 ]

configure $'        tfc: mtu\n        dummies: 50\n        dscp: 0\n        ecn: compatibility'
gone() { tells_not $1 INSTALLED sas; }
ok "the tunnel ends" ctl gwA terminate sites
for gateway in gwA gwB; do ok "at $gateway" wait_for 10 gone $gateway; done
for gateway in gwA gwB; do ok "$gateway has the new configuration" ctl $gateway reload; done
ok "the tunnel is up again" ctl gwA initiate sites net
ok "captures" capture hidden
all_pings "with TFC"
before=$(spis)
ok "a rekey" ctl gwA rekey --child net
ok "has replaced the child" wait_for 15 changed "$before"
all_pings "after the rekey"

# Nobody sends now.
dummies() { ctl "$1" workers --json | /usr/bin/python3 -c 'import json, sys; print(sum(int(w["dummies"]) for w in json.load(sys.stdin).values()))'; }
more_dummies() { [ "$(drop_count "$1" dummy)" -ge "$2" ]; }
for gateway in gwA gwB; do
  ok "dummies go on arriving at $gateway" wait_for 10 more_dummies $gateway $(($(drop_count $gateway dummy) + 20))
  ok "and leave it" [ "$(dummies $gateway)" -ge 20 ]
done
stop_capture hidden
ok "with TFC there is one length" one_length hidden
for gateway in gwA gwB; do ok "of SAs before and after the rekey, to $gateway" [ "$(spis_seen hidden $gateway)" -ge 2 ]; done

faults() { # GATEWAY : what dummies must never cause
  local reason
  for reason in no-sa gateway-off queue-full no-buffer too-many-rounds lifetime-expired; do
    [ "$(drop_count "$1" $reason)" = 0 ] || { echo "$reason"; return 1; }
  done
}
for gateway in gwA gwB; do ok "$gateway has dropped nothing for want of anything" faults $gateway; done
lab_end
