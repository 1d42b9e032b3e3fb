#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Routing daemons over tunnel interfaces: two Simplon gateways with two tunnels between them, one over IPv4 and one over IPv6.
# FRR's OSPF and OSPFv3 learn each other's LANs by both; when the child of the better one ends, its interface has no link, and
# the traffic moves to the other at once.
#
#   hostA .10 --- 198.18.1.0/24 --- gwA ==tun4 (198.51.100.1 to .2)============= gwB --- 198.18.2.0/24 --- .10 hostB
#           2001:db8:a::/64         gwA ==tun6 (2001:db8:ffff::1 to ::2)======== gwB     2001:db8:b::/64
#
#   The interfaces are unnumbered: each has the address that lo has, 192.0.2.1 and 192.0.2.2.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
[ -x /usr/lib/frr/ospfd ] || skip "there is no FRR (package frr)"
lab_begin ospf
site_up

configure() { # gwA|gwB
  local n=1 o=2 us=a them=b; [ "$1" = gwB ] && n=2 o=1 us=b them=a
  site_simplon_ports "$1"
  site_secrets "$1"
  echo "connections:"
  local family wan
  for family in 4 6; do
    wan="198.51.100."; [ "$family" = 6 ] && wan="2001:db8:ffff::"
    cat <<YAML
  by$family:
    local: {address: "$wan$n", id: $us.example}
    remote: {address: "$wan$o", id: $them.example}
    proposals: [aes128gcm16-prfsha256-x25519]
    interface: {name: tun$family, addresses: 192.0.2.$n/32}
    children: {net: {esp_proposals: [aes128gcm16-x25519], start: none, close_action: none}}
YAML
  done
}
daemons() { # gwA|gwB
  local n=1 dir=$run/$1-frr daemon; [ "$1" = gwB ] && n=2
  mkdir -p "$dir"
  cat >"$dir/zebra.conf" <<CONF
hostname $1
CONF
  cat >"$dir/ospfd.conf" <<CONF
interface tun4
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf cost 10
interface tun6
 ip ospf area 0
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf cost 20
interface lan
 ip ospf area 0
 ip ospf passive
router ospf
 ospf router-id 192.0.2.$n
CONF
  sed -e 's/^router ospf$/router ospf6/; s/ospf router-id/ospf6 router-id/; s/ip ospf/ipv6 ospf6/' "$dir/ospfd.conf" >"$dir/ospf6d.conf"
  chown -R frr:frr "$dir" && chmod 755 "$run"
  for daemon in zebra ospfd ospf6d; do
    start "$1" "$1-$daemon" "/usr/lib/frr/$daemon" -z "$dir/zserv" -i "$dir/$daemon.pid" --vty_socket "$dir" -f "$dir/$daemon.conf" -A 127.0.0.1
    wait_for 10 test -S "$dir/$daemon.vty" || return 1
  done
}
for gw in gwB gwA; do
  configure "$gw" >"$run/$gw.yaml"
  simplon_start "$gw" || exit 1
done
for gw in gwA gwB; do daemons "$gw" || exit 1; done

link() { ip -n "$lab-gwA" link show "$1" | grep -q "$2"; }
learnt() { ip -n "$lab-gwA" "$1" route show "$2" | grep -q "dev $3 proto ospf"; }
site_watch_clear
# By hand: with start: start a packet that is under way when the child ends asks for it again.
ok "the tunnels are initiated" eval 'ctl gwA initiate by4 net && ctl gwA initiate by6 net'
ok "both tunnels come up" wait_for 20 eval 'link tun4 LOWER_UP && link tun6 LOWER_UP'
ok "OSPF has learnt hostB's network by the better tunnel" wait_for 20 learnt -4 198.18.2.0/24 tun4
ok "... OSPFv3 as well" wait_for 20 learnt -6 2001:db8:b::/64 tun4
reaches() { on hostA ping -q -c 1 -W 1 "$1" >/dev/null 2>&1; }
ok "hostB is reached" wait_for 10 reaches 198.18.2.10
ok "... in IPv6" wait_for 10 reaches 2001:db8:b::10
ok "... with no ping lost" site_pings hostA 198.18.2.10
ok "the child of the better tunnel ends, and both ends see it" ctl gwA terminate by4 net
ok "... the routes are learnt by the other" wait_for 10 eval 'learnt -4 198.18.2.0/24 tun6 && learnt -6 2001:db8:b::/64 tun6'
ok "... hostB is reached by it" wait_for 5 reaches 198.18.2.10
ok "... in IPv6" wait_for 5 reaches 2001:db8:b::10
ok "it comes up again" ctl gwA initiate by4 net
ok "... and takes the routes back" wait_for 15 eval 'learnt -4 198.18.2.0/24 tun4 && learnt -6 2001:db8:b::/64 tun4'
ok "... with no ping lost" site_pings hostA 2001:db8:b::10
ok "nothing was seen in clear" nothing_in_clear
for gw in gwA gwB; do for daemon in zebra ospfd ospf6d; do stop "$gw-$daemon"; done; done
lab_end
