#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A bundle by IKE (RFC 4301 §4.5): a child with ESP and AH proposals is two SAs each way, ESP in a tunnel and AH around it.
# Either end brings it up; pings both ways, and packets of 1,300 octets; each half is rekeyed by either end; a half that goes
# takes the other with it; outside the gateways AH alone is seen. Simplon is gateway A; one case a run:
#   ah_esp_test.sh simplon 4|6       gateway B is Simplon, too (site.sh draws the two); AH in transport mode
#   ah_esp_test.sh kernel 4|6        both are Simplons without a data path, in User Mode Linux
#   ah_esp_test.sh strongswan 4|6    gateway B is Debian's strongSwan, over the kernel of a User Mode Linux guest
#   ah_esp_test.sh transport 4|6     the same for what the two gateways say to each other, ESP and AH in transport mode
#
# strongSwan has two children, ESP and AH, that know nothing of each other. What joins them is a policy of the kernel that
# is made by hand: it has none for it. Around a tunnel AH is in tunnel mode there: strongSwan gives a transport mode SA the
# addresses of its ends as selectors, and the kernel compares those with the innermost packet.
peer=${1:-} outer=${2:-4} mode=tunnel
[ "$peer" = kernel ] && [ "${3:-}" != inside ] &&
  exec "$(dirname "$(realpath "$0")")/../uml/uml-run" -t 490 -m 768M -- "$0" kernel "$outer" inside
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
lab_begin "ahesp$peer$outer"
if [ "$outer" = 4 ]; then a=198.51.100.1 b=198.51.100.2; else a=2001:db8:ffff::1 b=2001:db8:ffff::2; fi
families="4 6"
[ "$peer" != transport ] || peer=strongswan mode=transport families=$outer
case $peer in
  simplon) child_more="        ah_proposals: [sha256-x25519]" ;;
  kernel) child_more="        ah_proposals: [sha256-x25519]" families=$outer ;; # see docs/configuration.md
  strongswan) child_more=$'        ah_proposals: [sha256-x25519]\n        '$([ $mode = tunnel ] && echo ah_)"mode: $mode" ;;
  *) echo "usage: ah_esp_test.sh simplon|kernel|strongswan|transport 4|6"; exit 2 ;;
esac

# ---- gateway B ----
simplon_B() { start=none site_simplon gwB || exit 1; }
strongswan_B() {
  [ -x /usr/sbin/charon-systemd ] || skip "there is no strongSwan"
  command -v linux.uml >/dev/null || skip "there is no user-mode-linux"
  dir=$run/guest patience=100
  mkdir "$dir"
  guest_port gwB wan0 tap0
  {
    cat <<SH
ethtool -K vec0 tx off rx off tso off gso off gro off >/dev/null 2>&1
ip link set vec0 up
ip addr add 198.51.100.2/24 dev vec0
ip addr add 2001:db8:ffff::2/64 dev vec0 nodad
ip addr add 198.18.2.10/32 dev lo
ip addr add 2001:db8:b::10/128 dev lo nodad
ip route add 198.18.1.0/24 via 198.51.100.1 src 198.18.2.10
ip -6 route add 2001:db8:a::/64 via 2001:db8:ffff::1 src 2001:db8:b::10
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.vec0.rp_filter=0
modprobe -a esp4 esp6 ah4 ah6 gcm authenc echainiv seqiv sha256 2>/dev/null
join() { # SOURCE DESTINATION FROM TO DIRECTION [SELECTOR...]
  ip xfrm policy add src \$1 dst \$2 "\${@:6}" dir \$5 tmpl src \$3 dst \$4 proto esp reqid 1 mode $mode \\
    tmpl src \$3 dst \$4 proto ah reqid 2 mode $mode
}
between() { # NET OTHER-NET [SELECTOR...]
  join \$1 \$2 $b $a out "\${@:3}"
  join \$2 \$1 $a $b in "\${@:3}"
}
# In transport mode the pings alone: the kernel would have IKE and the neighbours protected as well.
case $mode$outer in
  transport4) between $b $a proto icmp ;;
  transport6) for type in 128 129; do between $b $a proto ipv6-icmp type \$type; done ;;
  *) between 198.18.2.0/24 198.18.1.0/24; between 2001:db8:b::/64 2001:db8:a::/64 ;;
esac
SH
    guest_orders
  } >"$dir/guest.sh"
  mkdir -p "$run/gwB/swanctl"
  local traffic=$'local_ts = 198.18.2.0/24,2001:db8:b::/64\n      remote_ts = 198.18.1.0/24,2001:db8:a::/64'
  [ $mode = tunnel ] || traffic= # the two ends
  cat >"$run/gwB/swanctl/swanctl.conf" <<CONF
connections { sites {
  local_addrs = $b
  remote_addrs = $a
  version = 2
  proposals = aes128gcm16-prfsha256-x25519
  local { auth = psk
    id = b.example }
  remote { auth = psk
    id = a.example }
  children {
    net { $traffic
      mode = $mode
      esp_proposals = aes128gcm16-x25519
      policies = no
      reqid = 1 }
    around { local_ts = $b[esp]
      remote_ts = $a[esp]
      mode = $mode
      ah_proposals = sha256-x25519
      policies = no
      reqid = 2 } } } }
secrets { ike-1 { id-a = a.example
  id-b = b.example
  secret = "a-demonstration-secret-0123456789" } }
CONF
  start gwB guest "$here/../uml/uml-run" -t 480 -m 384M -w "$run" -n tap0 -- bash "$dir/guest.sh"
  guest_ready 90 || exit 1
  KERNEL_IPSEC=netlink VICI=/tmp/$lab.vici strongswan_configure gwB
  charon="env STRONGSWAN_CONF=$run/gwB/strongswan.conf SWANCTL_DIR=$run/gwB/swanctl"
  guest "$charon /usr/sbin/charon-systemd >$run/charon.out 2>&1 &"
  wait_for 60 swanctl --stats && swanctl --load-all --noprompt >"$run/load.log" 2>&1 ||
    { cat "$run/load.log" "$run/gwB/charon.log"; exit 1; }
}
swanctl() { guest "$charon /usr/sbin/swanctl $* --uri unix:///tmp/$lab.vici"; }
# Two Simplons over the kernel: the hosts behind them are addresses of their own.
kernel_up() {
  modprobe -a esp4 esp6 ah4 ah6 gcm authenc echainiv seqiv sha256 2>/dev/null
  ns gwA gwB
  ip link add wan0 netns "$lab-gwA" type veth peer name wan0 netns "$lab-gwB"
  local side
  for side in "gwA 1 2 a b" "gwB 2 1 b a"; do
    set -- $side
    ip -n "$lab-$1" link set wan0 up
    ip -n "$lab-$1" addr add "198.51.100.$2/24" dev wan0
    ip -n "$lab-$1" addr add "2001:db8:ffff::$2/64" dev wan0 nodad
    ip -n "$lab-$1" addr add "198.18.$2.10/32" dev lo
    ip -n "$lab-$1" addr add "2001:db8:$4::10/128" dev lo nodad
    ip -n "$lab-$1" route add "198.18.$3.0/24" via "198.51.100.$3" src "198.18.$2.10"
    ip -n "$lab-$1" route add "2001:db8:$5::/64" via "2001:db8:ffff::$3" src "2001:db8:$4::10"
    {
      printf 'gateway: {mode: kernel}\nmanagement: {socket: %s}\n' "$run/$1.vici"
      site_secrets "$1"
      start=none site_connection "$1" | if [ "$outer" = 4 ]; then sed 's|, "2001:db8:[ab]::/64"||'; else sed 's|198.18...0/24, ||'; fi
    } >"$run/$1.yaml"
    simplon_start "$1" || exit 1
  done
}

if [ "$peer" = kernel ]; then
  kernel_up
  hostA=gwA hostB=gwB
else
  site_up
  hostA=hostA hostB=hostB
  if [ $mode = transport ]; then
    hostA=gwA
    { site_simplon_ports gwA; site_secrets gwA; start=none site_connection gwA | sed '/_ts:/d'; } >"$run/gwA.yaml"
    simplon_start gwA || exit 1
  else
    start=none site_simplon gwA || exit 1
  fi
  ${peer}_B
fi

# ---- what is seen and said ----
spi_in() { ctl gwA sas --json | /usr/bin/python3 -c '
import json, sys
ikes = json.load(sys.stdin)
ikes = ikes if isinstance(ikes, list) else [ikes]
for ike in ikes:
  for connection in ike.values():
    for child in connection["child-sas"].values():
      if child["name"] == sys.argv[1]: print(child["spi-in"])' "$1"; }
halves() { [ "$(spi_in net | wc -w)" = "$1" ] && [ "$(spi_in net+ah | wc -w)" = "$1" ]; }
changed() { local now; now=$(spi_in "$1"); [ -n "$now" ] && [ "$now" != "$2" ] && [ "$(wc -w <<<"$now")" = 1 ]; }
ends() { # FAMILY : sets a and b, who talk to each other
  [ $mode = transport ] && return
  if [ "$1" = 4 ]; then a=198.18.1.10 b=198.18.2.10; else a=2001:db8:a::10 b=2001:db8:b::10; fi
}
pings() { # FAMILY
  local a=$a b=$b size=1272; [ "$1" = 6 ] && size=1252
  ends "$1"
  on $hostA ping -q -c 3 -i 0.1 -W 5 $b | grep -q ' 3 received' && on $hostA ping -q -c 1 -s $size -W 5 $b | grep -q ' 1 received' || return 1
  if [ "$peer" = strongswan ]; then guest "ping -q -c 3 -i 0.1 -W 5 $a" | grep -q ' 3 received'; else on $hostB ping -q -c 3 -i 0.1 -W 5 $a | grep -q ' 3 received'; fi
}
crosses() { local f; for f in $families; do wait_for 10 pings $f || return 1; done; }
nothing_crosses() { local f a=$a b=$b; for f in $families; do ends $f; no_answer $hostA $b || return 1; done; }
by_B() { # initiate|rekey|terminate CHILD
  if [ "$peer" != strongswan ]; then
    [ $1 = initiate ] && { ctl gwB initiate sites $2; return; }
    ctl gwB $1 --child $2; return
  fi
  swanctl --$1 --child ${2/net+ah/around} >/dev/null
}
up_by_B() {
  by_B initiate net || return 1
  [ "$peer" != strongswan ] || by_B initiate net+ah
}
# What came out of the wire at either end: nothing but AH and IKE. That no ESP was seen counts beside what was sent on purpose.
# A kernel that decrypts shows what was inside at the wire, too: there what goes into it is captured.
packets() { tcpdump -nr "$run/$1.pcap" "$2" 2>"$run/read.log" || { cat "$run/read.log" >&2; return 1; }; }
seen() { local out; out=$(packets "$1" "$2") && [ "$(grep -c . <<<"$out")" -ge "$3" ] && [ -n "$out" ]; }
esp_on_purpose() {
  on "$1" /usr/bin/python3 - wan0 <<'PY'
import socket, struct, sys
ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + 40, 1, 0, 64, 50, 0, socket.inet_aton('203.0.113.66'), socket.inet_aton('203.0.113.67'))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((sys.argv[1], 0))
wire.send(bytes.fromhex('ffffffffffff' '0200000000e5' '0800') + ip + struct.pack('!II', 0xc1eac1ea, 1) + bytes(32))
PY
}
only_ah() { # AT OTHER-END ITS-ADDRESS
  local ah=ip others; [ "$outer" = 6 ] && ah=ip6
  esp_on_purpose "$2" && wait_for 5 seen "$1" 'ip proto 50 and src 203.0.113.66' 1 ||
    { echo "the capture did not see ESP that was sent on purpose"; return 1; }
  seen "$1" "$ah proto 51 and src $3" 20 || { echo "the capture did not see AH"; return 1; }
  others=$(packets "$1" '(ip proto 50 or ip6 proto 50 or icmp or (icmp6 and (ip6[40] == 128 or ip6[40] == 129))) and not src 203.0.113.66') || return 1
  [ -z "$others" ] || { head -n 20 <<<"$others"; return 1; }
}

for at in gwA gwB; do
  start $at $at-wan tcpdump -U $([ "$peer" = kernel ] && echo "-Q out") -ni wan0 -w "$run/$at.pcap"
  wait_for 10 test -s "$run/$at.pcap"
done
ok "nothing crosses without it" nothing_crosses
for who in A B; do
  if [ $who = A ]; then ok "A initiates" ctl gwA initiate sites net; else ok "B initiates" up_by_B; fi
  ok "both halves are up, by $who" wait_for 10 halves 1
  ok "pings both ways, and 1,300 octets, IPv$families in IPv$outer, by $who" crosses
  for half in net net+ah; do
    for side in A B; do
      before=$(spi_in $half) other=$(spi_in $([ $half = net ] && echo net+ah || echo net))
      if [ $side = A ]; then ok "A rekeys $half" ctl gwA rekey --child $half; else ok "B rekeys $half" by_B rekey $half; fi
      ok "a new one took over" wait_for 15 changed $half "$before"
      ok "the other half stays" test "$(spi_in $([ $half = net ] && echo net+ah || echo net))" = "$other"
      ok "pings" crosses
    done
  done
  if [ $who = A ]; then ok "A ends the AH half" ctl gwA terminate --child net+ah; else ok "B ends the AH half" by_B terminate net+ah; fi
  ok "the other half goes as well" wait_for 10 halves 0
  ok "nothing crosses" nothing_crosses
  ok "up again" ctl gwA initiate sites net
  ok "pings" crosses
  if [ $who = A ]; then ok "A ends the ESP half" ctl gwA terminate --child net; else ok "B ends the ESP half" by_B terminate net; fi
  ok "the other half goes as well" wait_for 10 halves 0
  ok "nothing crosses" nothing_crosses
done
at_A=gwA at_B=gwB
[ "$peer" = kernel ] && at_A=gwB at_B=gwA
ok "what A sent was AH alone" only_ah $at_B gwA $a
ok "what B sent was AH alone" only_ah $at_A gwB $b
lab_end
