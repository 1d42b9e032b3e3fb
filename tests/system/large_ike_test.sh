#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# IKE messages that are larger than the MTU (RFC 7296 section 2: 3000 octets) cross in fragments, both ways and whoever begins.
# Simplon is gateway A, strongSwan, which does not fragment by RFC 7383 here, gateway B (site.sh draws them); the child has so
# many networks that its traffic selectors alone are larger than two packets.
# One case a run: large_ike_test.sh [4|6] [af_packet|pcap], the family of the outer packets and the kind of the ports.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
outer=${1:-4} port_kind=${2:-af_packet}
lab_begin "largeike$outer$port_kind"
site_up
networks() { local i; for i in {1..80}; do printf '%s"2001:db8:b%02x::/64"' "$([ "$i" = 1 ] || echo ", ")" "$i"; done; }
{ site_simplon_ports gwA; site_secrets gwA
  outer=$outer start=none site_connection gwA | sed "s|remote_ts: .*|remote_ts: [198.18.2.0/24, $(networks)]|"
} >"$run/gwA.yaml"
# strongSwan's kernel-libipsec wants an address of its own in each.
site_kernel_addresses gwB
for i in {1..80}; do printf 'addr add 2001:db8:b%02x::1/64 dev lan0 nodad\n' "$i"; done | ip -n "$lab-gwB" -batch -
simplon_start gwA || exit 1
start gwB capture tcpdump -U -i wan0 -w "$run/wan.pcap" 'udp or ip[6:2] & 0x3fff != 0 or ip6 proto 44'
wait_for 10 test -s "$run/wan.pcap"
outer=$outer conn_more="fragmentation = no" child_more_ss="remote_ts = 198.18.1.0/24,2001:db8:a::/64
    local_ts = 198.18.2.0/24,$(networks | tr -d '" ')" site_strongswan || exit 1

child_up() { ctl gwA sas --json | tr -d ' \n' | grep -q '"state":"INSTALLED"'; }
child_down() { ! child_up; }
# Fragments that are not the first one, of this end.
crossed() {
  local from="198.51.100.$1" filter="ip[6:2] & 0x1fff != 0 and src host 198.51.100.$1"
  [ "$outer" = 6 ] && filter="ip6 proto 44 and ip6[42:2] & 0xfff8 != 0 and src host 2001:db8:ffff::$1"
  [ -n "$(tcpdump -nr "$run/wan.pcap" "$filter" 2>/dev/null)" ]
}
reassembled() { ctl gwA workers --json | /usr/bin/python3 -c 'import json, sys; print(sum(int(w["reassembled"]) for w in json.load(sys.stdin).values()))'; }

ok "Simplon initiates" ctl gwA initiate sites net
ok "the child is up" wait_for 10 child_up
ok "Simplon's message was larger than the MTU" wait_for 5 crossed 1
ok "and strongSwan's" wait_for 5 crossed 2
first=$(reassembled)
ok "fragments were put together, in and out" test "$first" -ge 4
ok "a host is reached through it" site_pings hostA 198.18.2.10
ok "the IKE SA is deleted" ctl gwA terminate sites
ok "the child is gone" wait_for 10 child_down
ok "strongSwan initiates" swan gwB --initiate --child net
ok "the child is up again" wait_for 10 child_up
ok "in fragments as well" test "$(reassembled)" -ge $((first + 4))
ok "none was given up" eval '[ "$(drop_count gwA fragment-timeout)$(drop_count gwA fragment-overlap)$(drop_count gwA fragment-limit)" = 000 ]'
stop capture INT
lab_end
