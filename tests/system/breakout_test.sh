#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Internet breakout: everything of site A is protected, but what goes to 203.0.113.0/24 is given to the kernel (`via: kernel`),
# which masquerades it. Its answers come back; of what is protected nothing leaves in clear, with the tunnel and without it,
# though the kernel forwards and masquerades whatever it gets.
#
#   hostA .10 --- lan 198.18.1.0/24 --- gwA .1 --+ 198.51.100.0/24
#                                                +--- .2 gwB --- 198.18.2.0/24 --- .10 hostB
#                                                +--- .254 inet, lo: 203.0.113.9, 192.0.2.9; no route to site A
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
lab_begin breakout
ns hostA gwA gwB hostB inet sw
wire hostA eth0 gwA lan0
wire gwB lan0 hostB eth0
wire gwA wan0 sw toA
wire gwB wan0 sw toB
wire inet eth0 sw toInet
ip -n "$lab-sw" link add switch type bridge
ip -n "$lab-sw" link set switch up
for port in toA toB toInet; do ip -n "$lab-sw" link set "$port" master switch; done
for site in "A 1" "B 2"; do
  set -- $site
  ip -n "$lab-host$1" link set eth0 mtu 1400
  ip -n "$lab-host$1" addr add "198.18.$2.10/24" dev eth0
  ip -n "$lab-host$1" route add default via "198.18.$2.1"
done
ip -n "$lab-inet" addr add 198.51.100.254/24 dev eth0
for address in 203.0.113.9 203.0.113.66 192.0.2.9; do ip -n "$lab-inet" addr add "$address/32" dev lo; done

any() { sed -E "s|$1: .*|$1: [0.0.0.0/0]|"; }
configure() { # gwA's, with via: $1
  { site_simplon_ports gwA; site_secrets gwA; start=none site_connection gwA | any remote_ts
    cat <<YAML
policies:
  - {name: breakout, action: bypass, via: $1, local: [198.18.1.0/24, 198.51.100.1], remote: 203.0.113.0/24}
  - {child: sites/net}
routes:
  - {to: default, via: 198.51.100.254}
YAML
  } >"$run/gwA.yaml"
}
configure kernel
simplon_start gwA || exit 1
{ site_simplon_ports gwB; site_secrets gwB; start=none site_connection gwB | any local_ts; } >"$run/gwB.yaml"
simplon_start gwB || exit 1
on gwA sysctl -qw net.ipv4.ip_forward=1
on gwA nft -f - <<'NFT'
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "wan" counter masquerade
  }
}
NFT
CLEAR_WAY=in  # of what passes there, what gateway A sends
ok "the capture sees what is sent in clear on purpose" watch_clear sw toA 198.18.1.10 gwA wan0

reaches() { on hostA ping -q -c 1 -W 1 "$1" >/dev/null 2>&1; }
pings() { on hostA ping -q -c 20 -i 0.02 -W 2 "$1" | grep -q '20 packets transmitted, 20 received'; }
ok "without a tunnel the breakout is reached" wait_for 15 reaches 203.0.113.9
ok "... all of 20 pings are answered" pings 203.0.113.9
ok "... masqueraded by the kernel" eval 'on gwA nft list table ip nat | grep -qE "counter packets [1-9]"'
tcp() {
  start inet iperf iperf3 -s -1
  wait_for 10 sh -c "ip netns exec $lab-inet ss -Hltn sport = 5201 | grep -q 5201" || return 1
  on hostA timeout 20 iperf3 -c 203.0.113.9 -n 1M -R -J >"$run/iperf.json" &&
    /usr/bin/python3 -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["end"]["sum_received"]["bytes"] < 1_000_000)' "$run/iperf.json"
}
ok "... and by TCP, a megabyte from there" tcp
ok "what is protected is not, in clear" no_answer hostA 192.0.2.9
ok "... nor hostB" no_answer hostA 198.18.2.10
ok "the tunnel is up" ctl gwA initiate sites net
ok "hostB is reached through it" wait_for 15 reaches 198.18.2.10
ok "... all of 20 pings" pings 198.18.2.10
ok "the breakout as before" pings 203.0.113.9
ok "what is protected goes into the tunnel: gateway B has no way to it" no_answer hostA 192.0.2.9

ok "nothing of hostA's own address was seen in clear" nothing_in_clear

# What comes in from there unasked reaches the kernel, whose rules decide: its source is the bypass entry's. The answer to it
# leaves under hostA's own address, as the entry says that it may.
ip -n "$lab-inet" route add 198.18.1.0/24 via 198.51.100.1
unasked() { on inet ping -q -c 1 -W 1 -I 203.0.113.9 198.18.1.10 >/dev/null 2>&1; }
closed=$(drop_count gwA clear-not-allowed)
no_answer inet -I 192.0.2.9 198.18.1.10 >/dev/null
ok "nobody else comes in" eval '[ "$(drop_count gwA clear-not-allowed)" -ge $((closed + 3)) ]'
ok "what comes unasked from there does" wait_for 5 unasked
on gwA nft add table ip filter
on gwA nft 'add chain ip filter forward { type filter hook forward priority filter; policy accept; }'
on gwA nft 'add rule ip filter forward iifname "wan" ct state new drop'
ok "its firewall decides about what comes unasked" eval '! unasked'
ok "... and not about answers" pings 203.0.113.9
ip -n "$lab-inet" route del 198.18.1.0/24

ok "gateway off" ctl gwA gateway off
ok "... stops the breakout" no_answer hostA 203.0.113.9
ok "gateway on" ctl gwA gateway on
ok "... and it is there again" wait_for 10 reaches 203.0.113.9
configure datapath
ok "reload without via" ctl gwA reload
ok "the data path does not masquerade: no answer" wait_for 10 no_answer hostA 203.0.113.9
lab_end
