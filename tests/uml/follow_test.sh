#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# follow_test.sh sites|nat: strongSwan negotiates and installs its SAs in the kernel, and beside it Simplon's data path takes them
# up (`ike: external`) and carries the traffic: a packet asks for the tunnel, rekeys by either side of the child and of the IKE SA
# without a lost packet, a host's own packets, counters that strongSwan sees, a kernel that cannot send by these SAs, a crash, a
# delete; no sequence number and no IV twice, nothing in clear. The throughput of the data path and of the kernel alone is printed.
# With `nat` the peer is behind a NAT that maps it anew. In User Mode Linux, whose kernel has ESP.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                            strongSwan and Simplon                   strongSwan
case=${1:-sites}
here=$(dirname "$(realpath "$0")")
[ "${2:-}" = inside ] || exec "$here/uml-run" -t 860 -m 1200M -- "$0" "$case" inside
source "$here/../lab/lab.sh"
source "$here/site.sh"
export KERNEL_IPSEC=netlink
lab_begin follow

peer_address=198.51.100.2
if [ "$case" = nat ]; then
  peer_address=%any
  ns hostA gwA nat gwB hostB
  wire hostA eth0 gwA lan0
  wire gwA wan0 nat out0
  wire nat in0 gwB wan0
  wire gwB lan0 hostB eth0
  site_host A 1 a
  site_host B 2 b
  ip -n "$lab-nat" addr add 192.0.2.1/24 dev in0
  ip -n "$lab-nat" addr add 198.51.100.254/24 dev out0
  site_kernel_addresses gwB
  ip -n "$lab-gwB" addr flush dev wan0
  ip -n "$lab-gwB" addr add 192.0.2.2/24 dev wan0
  ip -n "$lab-gwB" route add default via 192.0.2.1
else
  site_up
fi
map() { # PORT : of the NAT, for the peer's 500; the next one is for its 4500
  echo "198.51.100.254 $1" >"$run/mapping"
  if [ -n "${pids[nat]:-}" ]; then kill -HUP "${pids[nat]}"; else start nat nat /usr/bin/python3 "$here/../lab/nat.py" in0 out0 192.0.2.2 "$run/mapping"; fi
}

# The daemon of gateway A: its addresses are those of Simplon's TAPs.
daemon_A() {
  mkdir -p "$run/gwA/swanctl"
  cat >"$run/gwA/swanctl/swanctl.conf" <<CONF
connections { sites {
  local_addrs = 198.51.100.1
  remote_addrs = $peer_address
  version = 2
  proposals = aes128gcm16-prfsha256-x25519
  $([ "$case" = nat ] && echo mobike = no)
  local { auth = psk
    id = a.example }
  remote { auth = psk
    id = b.example }
  children { net {
    local_ts = 198.18.1.0/24,2001:db8:a::/64
    remote_ts = 198.18.2.0/24,2001:db8:b::/64
    $([ "$case" = nat ] || echo start_action = trap)
    esp_proposals = aes128gcm16-x25519 } }
} }
secrets { ike-1 { id-a = a.example
  id-b = b.example
  secret = "a-demonstration-secret-0123456789" } }
CONF
  strongswan_start gwA
}
# The daemon's policies come before this entry: it opens nothing that they protect. Behind a NAT none stands before the tunnel does.
rest() { [ "$case" = nat ] || echo "policies: [{name: rest, action: bypass, local: any, remote: any}]"; }
{ site_simplon_ports gwA "[0]"; echo "ike: external"; rest; } |
  sed 's/memory: 256MiB/memory: 96MiB/; s/buffers: 8192/buffers: 4096/' >"$run/gwA.yaml"
simplon() { # "gwA" is its daemon's process
  start gwA simplond "$build/simplond" "$run/gwA.yaml"
  wait_for 30 test -S "$run/gwA.vici" || { cat "$run/simplond.log"; return 1; }
}
ok "Simplon starts" simplon || exit 1
ok "strongSwan starts on Simplon's ports" daemon_A || exit 1
followed() { ctl gwA sa list --json 2>/dev/null | grep -c '"from"'; }
spis() { on gwA ip xfrm state | grep -oE 'spi 0x[0-9a-f]+' | sort; }
taken_up() { tells gwA 'from the kernel, reqid' sa list && ! tells gwA 'not used' sa list; }

discarded() { ctl gwA drops | awk '$1 ~ /^(policy-discard|selector-mismatch|unknown-spi)$/ {n += $2} END {print n + 0}'; }
only_by_itself() {
  local missing
  missing=$(sed -n 's/.*icmp_seq=\([0-9]*\).*/\1/p' "$run/steady.log" | sort -nu | awk '{last = $1} END {print NR == 0 ? -1 : last - NR}')
  [ "$missing" -ge 0 ] && [ "$missing" -le "$(($(discarded) - before))" ]
}
if [ "$case" = nat ]; then
  map 40000
  # With MOBIKE the peer says where it is when it finds out; without, each of its messages does.
  conn_more="mobike = no" site_strongswan || exit 1
  ip -n "$lab-gwB" addr del 198.51.100.2/24 dev wan0
  sed -i 's/local_addrs = .*/local_addrs = 192.0.2.2/' "$run/gwB/swanctl/swanctl.conf"
  swan gwB --load-all --noprompt >/dev/null
  ok "the tunnel comes up through the NAT" wait_for 30 swan gwB --initiate --child net
  ok "its SAs are taken up" wait_for 10 taken_up
  ok "pings cross it" site_pings hostB 198.18.1.10
  ok "the peer is seen at the NAT's port" tells gwA '198.51.100.254\[40001\]' sa list
  ping_begin hostB 198.18.1.10
  sleep 1
  map 41000
  ok "a packet from another port moves it" wait_for 10 tells gwA '198.51.100.254\[41001\]' sa list
  ok "pings cross it again" site_pings hostB 198.18.1.10
  kill -INT "${pids[long-ping]}" 2>/dev/null; ip netns pids "$lab-hostB" | xargs -r kill -INT 2>/dev/null; unset "pids[long-ping]"
  echo "       $(grep 'packets transmitted' "$run/long-ping.log")"
  before=$(discarded)
  start hostB steady ping -i 0.05 -W 2 198.18.1.10
  ok "strongSwan hears of it by the peer's next message" wait_for 20 swan gwB --rekey --ike sites
  moved_in_kernel() { on gwA ip xfrm state | grep -q 'dport 41001'; }
  ok "and moves its SAs in the kernel" wait_for 20 moved_in_kernel
  ok "which are the same for the data path" taken_up
  stop steady INT
  echo "       $(grep 'packets transmitted' "$run/steady.log")"
  # While it moves them, a policy of strongSwan's own discards what would pass in clear in the kernel, out and in; and an SA that
  # it takes away before it puts it back is gone if that takes long.
  ok "without a packet lost but by its own doing meanwhile" only_by_itself
  ok "a rekey of the child" swan gwB --rekey --child net
  ok "pings cross it" site_pings hostB 198.18.1.10
  [ $failed = 0 ] || cat "$run/simplond.log"
  lab_end
fi

site_strongswan || exit 1
# Of what leaves gateway A: in a kernel that decrypts, a capture sees what it has decrypted as well.
export CLEAR_WAY=out
ok "the capture sees what is sent in clear on purpose" watch_clear gwA wan0 198.18.1.10 gwA wan0
site_watch_numbers
ok "the first packet asks Simplon, Simplon the kernel, the kernel strongSwan: the tunnel comes up" \
  wait_for 30 on hostA ping -q -c 1 -W 1 198.18.2.10
ok "both SAs are taken up" eval 'wait_for 10 taken_up && [ "$(followed)" -ge 2 ]'
ok "pings cross the data path" site_pings hostA 198.18.2.10
ok "IPv6 as well" site_pings hostA 2001:db8:b::10
ok "the machine's own packets go the same way" on gwA ping -q -c 3 -W 2 -I 198.18.1.1 198.18.2.10
ok "and those that are for it" on hostB ping -q -c 3 -W 2 198.18.1.1
silent() { on gwA ip -s xfrm state | grep -q 'oseq 0xffffffff'; }
ok "the kernel's outbound SA has no number left" silent
# The control: without the TAP's exemption the kernel would protect these packets itself, and must not be able to.
refusals() { on gwA sh -c "sed -n 's/^XfrmOutStateSeqError *//p' /proc/net/xfrm_stat"; }
kernel_tries() {
  local before; before=$(refusals)
  on gwA sysctl -qw net.ipv4.conf.wan.disable_xfrm=0 net.ipv4.route.flush=1
  no_answer gwA -I 198.18.1.1 198.18.2.10
  local status=$?
  on gwA sysctl -qw net.ipv4.conf.wan.disable_xfrm=1 net.ipv4.route.flush=1
  [ $status = 0 ] && [ "$(refusals)" -gt "$before" ]
}
ok "and when it is made to try, it refuses" kernel_tries
ok "pings cross the data path still" site_pings hostA 198.18.2.10
swan_counts() { swan gwA --list-sas --raw | grep -oE 'packets-(in|out)=[0-9]+' | grep -vq '=0$'; }
ok "strongSwan sees what passed" wait_for 10 swan_counts
echo "       $(swan gwA --list-sas | grep -E '^ +(in|out) ' | tr -s ' ' | tr '\n' ';')"

rekeyed() { # GATEWAY --child|--ike NAME
  local before; before=$(spis)
  ping_begin hostA 198.18.2.10
  swan "$1" --rekey "$2" "$3" >/dev/null || return 1
  if [ "$2" = --child ]; then
    other_spis() { [ "$(spis)" != "$before" ] && taken_up; }
    wait_for 20 other_spis || return 1
  fi
  sleep 1.5 # packets by the new SA
  ping_end || { ctl gwA drops; ctl gwA sa list; return 1; }
}
ok "a rekey of the child by strongSwan beside Simplon: nothing is lost" rekeyed gwA --child net
# Its daemon installs the SA that it answers with before the peer can know it: a packet in each of these moments is likely.
for n in 1 2 3; do ok "one by the peer ($n): nothing is lost" rekeyed gwB --child net; done
ok "a rekey of the IKE SA: nothing is lost" rekeyed gwA --ike sites
ok "one by the peer: nothing is lost" rekeyed gwB --ike sites
wait_for 20 eval '[ "$(spis | wc -l)" -le 2 ]'
ok "replaced SAs are gone" wait_for 20 eval '[ "$(followed)" = 2 ]'

iperf_once() { # sets $rate in Mbit/s
  start hostB iperf iperf3 -s -1
  wait_for 10 sh -c "ip netns exec $lab-hostB ss -Hltn sport = 5201 | grep -q 5201" || return 1
  on hostA timeout 60 iperf3 -c 198.18.2.10 -t 5 -J >"$run/iperf.json"
  local status=$?
  stop iperf
  rate=$(/usr/bin/python3 -c 'import json, sys; print(round(json.load(open(sys.argv[1]))["end"]["sum_received"]["bits_per_second"] / 1e6, 1))' "$run/iperf.json")
  return $status
}
echo "       a crash"
kill -9 "${pids[simplond]}"; wait "${pids[simplond]}" 2>/dev/null; unset "pids[simplond]"; rm -f "$run/gwA.vici"
ok "nothing passes without Simplon" no_answer hostA 198.18.2.10
ok "Simplon starts again" simplon
ok "what the one before has sent by is not taken up" wait_for 10 grep -q 'a data path before this one has sent by it' "$run/simplond.log"
ok "strongSwan is asked to rekey, and pings cross" wait_for 30 on hostA ping -q -c 1 -W 1 198.18.2.10
ok "by SAs that are taken up" wait_for 20 taken_up
ok "a flush of the kernel's SAs is noticed" eval 'on gwA ip xfrm state flush && wait_for 10 tells_not gwA "from the kernel" sa list'
ok "nothing passes in clear" no_answer hostA 198.18.2.10
swan gwA --terminate --ike sites --force >/dev/null 2>&1
swan gwB --terminate --ike sites --force >/dev/null 2>&1
ok "the next packet brings the tunnel up again" wait_for 60 on hostA ping -q -c 1 -W 1 198.18.2.10
ok "strongSwan ends it" swan gwA --terminate --ike sites
ok "its SAs are gone" wait_for 10 tells_not gwA 'from the kernel' sa list
ok "ESP was watched" test "$(watched packets)" -gt 300
echo "       $(cat "$run/sequences.json")"
ok "all of it" test "$(watched missed)" = 0
ok "no sequence number was seen twice" test "$(watched sequences_twice)" = 0
ok "and no IV" test "$(watched ivs_twice)" = 0
ok "nothing crossed in clear" nothing_in_clear
ok "one sent twice on purpose is seen (the control)" site_numbers_control
stop sequences INT

ok "TCP by the data path" iperf_once
by_simplon=${rate:-0}

# The kernel alone, with the same daemon and peer.
stop simplond
ok "a stop leaves outbound SAs silent, and says so" grep -q 'stay silent in the kernel' "$run/simplond.log"
ok "nothing passes" no_answer hostA 198.18.2.10
on gwA "$build/simplond" --release "$run/gwA.yaml" # this kernel has no netdev family in nftables, which it says
site_kernel_addresses gwA
on gwA sysctl -qw net.ipv4.conf.wan0.forwarding=1 net.ipv4.conf.lan0.forwarding=1
ok "strongSwan rekeys, and the kernel carries the traffic" wait_for 60 on hostA ping -q -c 1 -W 1 198.18.2.10
ok "TCP by the kernel alone" iperf_once
echo "       throughput, one core for all: data path $by_simplon Mbit/s, kernel alone ${rate:-0} Mbit/s"
[ $failed = 0 ] || { cat "$run/simplond.log"; }
lab_end
