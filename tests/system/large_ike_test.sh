#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# IKE messages that are larger than the MTU (RFC 7296 section 2: 3000 octets) cross in fragments, both ways and whoever begins.
# Simplon is gateway A, strongSwan gateway B (site.sh draws them); the child has so many networks that its traffic selectors
# alone are larger than two packets. First strongSwan does not fragment by RFC 7383, so the messages are fragments of IP; then
# it does, and the path drops all fragments of IP.
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
  local filter="ip[6:2] & 0x1fff != 0 and src host 198.51.100.$1"
  [ "$outer" = 6 ] && filter="ip6 proto 44 and ip6[42:2] & 0xfff8 != 0 and src host 2001:db8:ffff::$1"
  [ -n "$(tcpdump -nr "$run/wan.pcap" "$filter" 2>/dev/null)" ]
}
# Pieces by RFC 7383 of this end: the first payload is of type 53 (SKF); on port 4500 there is a marker before it.
cut() {
  local filter="src host 198.51.100.$1 and ((udp port 500 and udp[24] = 53) or (udp port 4500 and udp[8:4] = 0 and udp[28] = 53))"
  [ "$outer" = 6 ] && filter="src host 2001:db8:ffff::$1 and ((udp port 500 and ip6[64] = 53) or (udp port 4500 and ip6[48:4] = 0 and ip6[68] = 53))"
  [ -n "$(tcpdump -nr "$run/wan.pcap" "$filter" 2>/dev/null)" ]
}
both_cut() { cut 1 && cut 2; }
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
ok "nobody has cut a message himself so far" eval '! cut 1 && ! cut 2'
stop capture INT

ok "the IKE SA is deleted again" ctl gwA terminate sites
ok "and the child is gone" wait_for 10 child_down
# The path, as the interface of gateway B.
on gwB nft -f - <<'NFT' || exit 1
table netdev path {
  chain in { type filter hook ingress device wan0 priority 0; ip frag-off & 0x3fff != 0 counter drop; ip6 nexthdr 44 counter drop; }
  chain out { type filter hook egress device wan0 priority 0; ip frag-off & 0x3fff != 0 counter drop; ip6 nexthdr 44 counter drop; }
}
NFT
far=198.51.100.1; [ "$outer" = 6 ] && far=2001:db8:ffff::1
on gwB ping -q -c 1 -W 1 -s 3000 "$far" >/dev/null
ok "the path drops fragments of IP" eval 'on gwB nft list chain netdev path out | grep -qE "packets [1-9]"'
sed -i 's/fragmentation = no/fragmentation = yes/' "$run/gwB/swanctl/swanctl.conf"
ok "strongSwan fragments by RFC 7383 from now on" swan gwB --load-conns
rm -f "$run/wan.pcap"
start gwB capture tcpdump -U -i wan0 -w "$run/wan.pcap" 'udp or ip[6:2] & 0x3fff != 0 or ip6 proto 44'
wait_for 10 test -s "$run/wan.pcap"
first=$(reassembled)
ok "Simplon initiates over that path" ctl gwA initiate sites net
ok "the child is up over it" wait_for 10 child_up
ok "both ends have cut their messages" wait_for 5 both_cut
ok "a host is reached as before" site_pings hostA 198.18.2.10
ok "it is deleted" ctl gwA terminate sites
ok "its child is gone" wait_for 10 child_down
ok "strongSwan initiates over that path" swan gwB --initiate --child net
ok "the child is up once more" wait_for 10 child_up
ok "no fragment of IP was needed" test "$(reassembled)" = "$first"
stop capture INT
lab_end
