#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Route-based tunnels: gateway A has two peers, each with selectors of any and any and an interface of its own; routes decide
# who gets what, and nothing that is routed to an interface is ever seen in clear, though a BYPASS covers all of it.
#
#   hostA .10 --- lan 198.18.1.0/24 --- gwA .1 --+ 198.51.100.0/24
#                                      tunB tunC +--- .2 gwB tunA --- 198.18.2.0/24 --- .10 hostB   (Simplon)
#                                                +--- .3 gwC ------- 198.18.3.0/24 --- .10 hostC   (strongSwan)
#                                                +--- .254 inet, lo: 203.0.113.9
#   192.0.2.99 and 2001:db8:99::1 are at hostB and at hostC. tunB is 10.9.0.1/30 and gwB's tunA .2; tunC is unnumbered.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin routed
ns hostA gwA gwB gwC hostB hostC inet sw
wire hostA eth0 gwA lan0
wire gwB lan0 hostB eth0
wire gwC lan0 hostC eth0
for at in "gwA wan0 toA" "gwB wan0 toB" "gwC wan0 toC" "inet eth0 toInet"; do
  set -- $at
  wire "$1" "$2" sw "$3"
done
ip -n "$lab-sw" link add switch type bridge
ip -n "$lab-sw" link set switch up
for port in toA toB toC toInet; do ip -n "$lab-sw" link set "$port" master switch; done
site_host A 1 a
site_host B 2 b
site_host C 3 c
for host in hostB hostC; do
  ip -n "$lab-$host" addr add 192.0.2.99/32 dev lo
  ip -n "$lab-$host" addr add 2001:db8:99::1/128 dev lo nodad
done
ip -n "$lab-inet" addr add 198.51.100.254/24 dev eth0
ip -n "$lab-inet" addr add 203.0.113.9/32 dev lo
ip -n "$lab-inet" route add 198.18.1.0/24 via 198.51.100.1

connection() { # NAME US THEM OUR-ID THEIR-ID INTERFACE
  cat <<YAML
  $1:
    local: {address: 198.51.100.$2, id: $4.example}
    remote: {address: 198.51.100.$3, id: $5.example}
    proposals: [aes128gcm16-prfsha256-x25519]
    interface: $6
    children: {net: {esp_proposals: [aes128gcm16-x25519], close_action: none}}
YAML
}
secrets() { # gwA|gwB
  (umask 077; cat >"$run/$1.secrets.yaml" <<'YAML'
psks:
  - ids: [a.example, b.example]
    secret: "a-demonstration-secret-0123456789"
  - ids: [a.example, c.example]
    secret: "another-demonstration-secret-0123"
YAML
  )
  echo "secrets: $1.secrets.yaml"
}
configure_a() { # INTERFACES of B, C
  { site_simplon_ports gwA; secrets gwA; echo "connections:"
    connection tob 1 2 a b "$1"
    connection toc 1 3 a c "$2"
    cat <<YAML
policies:
  - {name: all, action: bypass, local: any, remote: any}
routes:
  - {to: default, via: 198.51.100.254}
  - {to: 198.18.2.0/24, port: tunB}
  - {to: 2001:db8:b::/64, port: tunB}
YAML
  } >"$run/gwA.yaml"
}
readonly numbered='{name: tunB, addresses: [10.9.0.1/30, "2001:db8:9::1/126"]}'
configure_a "$numbered" tunC
{ site_simplon_ports gwB; secrets gwB; echo "connections:"
  connection toa 2 1 b a '{name: tunA, addresses: [10.9.0.2/30, "2001:db8:9::2/126"]}' | sed 's/close_action/start: none, close_action/'
  cat <<YAML
routes:
  - {to: 198.18.1.0/24, port: tunA}
  - {to: 2001:db8:a::/64, port: tunA}
  - {to: 192.0.2.99/32, via: 198.18.2.10}
  - {to: 2001:db8:99::1/128, via: 2001:db8:b::10}
YAML
} >"$run/gwB.yaml"

# strongSwan's own userland IPsec takes everything; what is for its LAN and its peer it must not.
mkdir -p "$run/gwC/swanctl"
on gwC sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$lab-gwC" addr add 198.51.100.3/24 dev wan0
ip -n "$lab-gwC" addr add 198.18.3.1/24 dev lan0
ip -n "$lab-gwC" addr add 2001:db8:c::1/64 dev lan0 nodad
ip -n "$lab-gwC" route add 192.0.2.99 via 198.18.3.10
ip -n "$lab-gwC" -6 route add 2001:db8:99::1 via 2001:db8:c::10
for own in 198.18.3.0/24 198.51.100.0/24 192.0.2.99; do ip -n "$lab-gwC" rule add to $own lookup main pref 100; done
for own in 2001:db8:c::/64 2001:db8:99::1; do ip -n "$lab-gwC" -6 rule add to $own lookup main pref 100; done
cat >"$run/gwC/swanctl/swanctl.conf" <<'CONF'
connections { toa {
  local_addrs = 198.51.100.3
  remote_addrs = 198.51.100.1
  version = 2
  proposals = aes128gcm16-prfsha256-x25519
  local { auth = psk
    id = c.example }
  remote { auth = psk
    id = a.example }
  children { net {
    local_ts = 0.0.0.0/0,::/0
    remote_ts = 0.0.0.0/0,::/0
    esp_proposals = aes128gcm16-x25519 } }
} }
secrets { ike-1 { id-a = a.example
  id-b = c.example
  secret = "another-demonstration-secret-0123" } }
CONF

simplon_start gwB || exit 1
LIBIPSEC='allow_peer_ts = yes' strongswan_start gwC || exit 1
CLEAR_WAY=in
ok "the capture sees what is sent in clear on purpose" watch_clear sw toA 198.18.1.10 gwA wan0
simplon_start gwA || exit 1
ip -n "$lab-gwC" -6 route add 2001:db8:a::/64 dev ipsec0

reaches() { on "$1" ping -q -c 1 -W 1 "$2" >/dev/null 2>&1; }
link() { ip -n "$lab-gwA" link show "$1" 2>/dev/null | grep -q "$2"; }
counter() { ctl gwA ports --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]][sys.argv[2]])' "$1" "$2"; }
route() { ip -n "$lab-gwA" route replace "$@" && ip -n "$lab-gwA" -6 route replace 2001:db8:99::1 "${@:2}"; }
goes_by() { # INTERFACE : ten pings of each family to the address that is at both sites, and nothing by the other
  local other=tunB; [ "$1" = tunB ] && other=tunC
  local mine theirs
  mine=$(counter "$1" tx-packets) theirs=$(counter "$other" tx-packets)
  site_pings hostA 192.0.2.99 && site_pings hostA 2001:db8:99::1 || return 1
  [ $(($(counter "$1" tx-packets) - mine)) -ge 20 ] && [ $(($(counter "$other" tx-packets) - theirs)) -lt 10 ]
}

ok "both tunnels come up by themselves" wait_for 20 eval 'link tunB LOWER_UP && link tunC LOWER_UP'
ok "... with the MTU that fits into the path" eval '! link tunB "mtu 1400" && [ "$(counter tunB mtu)" -gt 1400 ] && link tunB "mtu $(counter tunB mtu)"'
ok "hostB is reached by the routes of the configuration" wait_for 15 reaches hostA 198.18.2.10
ok "... in IPv6" wait_for 5 reaches hostA 2001:db8:b::10
ok "the gateway's own pings reach the other gateway's interface" site_pings gwA 10.9.0.2
ok "... in IPv6" site_pings gwA 2001:db8:9::2
ok "hostC, with the route that 'ip route add' sets" eval 'ip -n "$lab-gwA" route add 198.18.3.0/24 dev tunC && wait_for 5 reaches hostA 198.18.3.10'
ok "an address at both sites goes by its route, B" eval 'route 192.0.2.99 dev tunB && wait_for 5 reaches hostA 192.0.2.99 && goes_by tunB'
ok "... moves to C" eval 'route 192.0.2.99 dev tunC && wait_for 5 goes_by tunC'
ok "... and back" eval 'route 192.0.2.99 dev tunB && wait_for 5 goes_by tunB'
ok "TCP to hostB" site_tcp
ok "large packets of the gateway's own fit, by the interface's MTU" eval 'on gwA ping -q -c 3 -i 0.1 -W 2 -s 3000 10.9.0.2 >/dev/null && on gwA ping -q -c 3 -i 0.1 -W 2 -s 3000 2001:db8:9::2 >/dev/null'

ok "the child to C ends" swan gwC --terminate --child net
ok "... its interface has no link, B's has" wait_for 5 eval 'link tunC NO-CARRIER && link tunB LOWER_UP'
no_sa=$(drop_count gwA no-sa)
reaches hostA 198.18.3.10
ok "... and what is routed to it is dropped by name" eval '[ "$(drop_count gwA no-sa)" -gt "$no_sa" ]'
ok "... and asks for the child" wait_for 10 link tunC LOWER_UP
ok "hostC is reached again" wait_for 5 reaches hostA 198.18.3.10

ip -n "$lab-gwA" link set tunC down
ok "set down, the interface takes its routes along: nothing passes" no_answer hostA 198.18.3.10
ok "... by name" eval '[ "$(drop_count gwA tunnel-down)" -gt 0 ]'
ok "... the gateway's own neither, which the kernel now sends by the default route" no_answer gwA 198.18.3.10
ok "... the log tells" grep -q 'interface tunC is down or has lost its routes' "$run/gwA.log"
ip -n "$lab-gwA" link set tunC up
ok "up again, it is the way of its old routes until they are set anew" wait_for 5 reaches hostA 198.18.3.10
ip -n "$lab-gwA" route add 198.18.3.0/24 dev tunC
ip -n "$lab-gwA" link del tunB
ok "a deleted interface comes back, with address and routes" wait_for 10 reaches gwA 10.9.0.2
ok "... and hostB" wait_for 5 reaches hostA 198.18.2.10

configure_a "$numbered" tunD
ok "reload: another name for C's" ctl gwA reload
ok "... it comes up" wait_for 15 eval 'link tunD LOWER_UP && ! link tunC tun'
ok "... hostC by it" eval 'ip -n "$lab-gwA" route add 198.18.3.0/24 dev tunD && wait_for 5 reaches hostA 198.18.3.10'
ok "... B's was left alone" site_pings hostA 198.18.2.10
ok "nothing of hostA was seen in clear" nothing_in_clear
ok "... though the policies let pass what is not routed to an interface" reaches hostA 203.0.113.9
lab_end
