#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# placement_test.sh : SAs in the kernel beside a data path, to strongSwan. A suite that no crypto device has lives there; a child
# moves there and back while packets cross it, and none is lost; when the kernel loses its SAs or its policies, nothing leaves in
# clear. IPv4 and IPv6. In User Mode Linux, whose kernel has ESP.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                                  Simplon                        strongSwan
here=$(dirname "$(realpath "$0")")
[ "${1:-}" = inside ] || exec "$here/uml-run" -t 900 -m 1200M -- "$0" inside
source "$here/../lab/lab.sh"
source "$here/site.sh"
lab_begin placement
site_up
start_gateway() {
  { site_simplon_ports gwA "[0]"; site_secrets gwA; start=trap site_connection gwA; } |
    sed 's/memory: 256MiB/memory: 96MiB/; s/buffers: 8192/buffers: 4096/' >"$run/gwA.yaml"
  simplon_start gwA
}
lives() { tells gwA "$1" sas --child net; }
in_kernel() { [ "$(on gwA ip xfrm state | grep -c '^src')" = "$1" ]; }
both_ping() { site_pings hostA 198.18.2.10 && site_pings hostA 2001:db8:b::10; }
crosses() { on hostA ping -q -c 1 -W 1 "$1"; }
crosses_back() { on hostB ping -q -c 1 -W 1 "$1"; }
# While a ping to TO goes on. Every request up to the last that was answered has its answer: what is still under way when ping is
# stopped is not lost, and on a machine with much to do that is some.
loses_nothing() { # TO COMMAND...
  local to=$1 now; shift
  ping_begin hostA "$to"
  wait_for 30 grep -q 'icmp_seq=20 ' "$run/long-ping.log" && "$@" || { ping_end; return 1; }
  now=$(sed -n 's/.*icmp_seq=\([0-9]*\).*/\1/p' "$run/long-ping.log" | tail -n 1)
  wait_for 30 grep -q "icmp_seq=$((now + 40)) " "$run/long-ping.log" || { ping_end; return 1; }
  ping_end
  all_answered
}
# What goes by the kernel is slower: in a move back to the data path later packets may overtake the last of these.
all_answered() {
  sed -n 's/.*icmp_seq=\([0-9]*\).*/\1/p' "$run/long-ping.log" | sort -nu | awk '$1 != NR {bad = 1} END {exit bad || NR < 50}'
}

esp=aes128gcm16-x25519
start_gateway && site_strongswan || exit 1
ok "a suite that a device has comes up" wait_for 20 ctl gwA initiate sites net
ok "in the data path" eval 'in_kernel 0 && lives "AES_GCM_16.*\((direct|cpu)\)"'
ok "the capture sees what is sent in clear on purpose" site_watch_clear
ok "packets cross it" both_ping
moves() { # TO PLACE SAS-IN-THE-KERNEL
  ok "moved to '$2', nothing is lost to $1" loses_nothing "$1" ctl gwA placement sites/net "$2"
  ok "  $3 SAs are the kernel's" wait_for 20 in_kernel "$3"
}
for to in 198.18.2.10 2001:db8:b::10; do
  moves "$to" kernel 2
  ok "  the console says why" lives 'is in the kernel: pinned'
  ok "  the gateway itself reaches the other side" on gwA ping -q -c 2 -i 0.1 -W 2 -I 198.18.1.1 198.18.2.10
  moves "$to" dp 0
  ok "  and its route and its policies are gone" eval '! on gwA ip route get 198.18.2.10 2>/dev/null && ! on gwA ip xfrm policy | grep -q 198.18.2.0'
done
ok "the peer rekeys, and nothing is lost" loses_nothing 198.18.2.10 swan gwB --rekey --child net
ok "closed, the kernel's way is closed too" eval 'ctl gwA placement sites/net kernel && ctl gwA gateway off && no_answer hostA 198.18.2.10'
ok "open again, packets cross it" eval 'ctl gwA gateway on && wait_for 10 crosses 198.18.2.10'
ok "nothing crossed in clear" nothing_in_clear
ok "the peer has set one IKE SA up" test "$(grep -c 'parsed IKE_SA_INIT request' "$run/gwB/charon.log")" -le 2
stop gwA; stop gwB

esp=camellia128-sha256-x25519
start_gateway && site_strongswan || exit 1
ok "a suite that no device has is offered" tells_not gwA 'is not offered' log --history
ok "the tunnel comes up" wait_for 20 ctl gwA initiate sites net
ok "the capture sees what is sent in clear on purpose" site_watch_clear
ok "its SAs are the kernel's" in_kernel 2
ok "with its cipher" eval 'on gwA ip xfrm state | grep -q "cbc(camellia)"'
ok "the console says so" lives 'CAMELLIA_CBC.*\(kernel\)'
ok "and why" lives 'is in the kernel: .*camellia128'
ok "packets cross it, IPv4 and IPv6" both_ping
ok "from the other side as well" eval 'crosses_back 198.18.1.10 && crosses_back 2001:db8:a::10'
ok "a rekey loses none" loses_nothing 198.18.2.10 ctl gwA rekey sites/net
ok "nor does the peer's" loses_nothing 2001:db8:b::10 swan gwB --rekey --child net
ok "the new ones are the kernel's alone" wait_for 20 in_kernel 2

# What others do to the kernel. The data path lets pass what an SA has carried, nothing else.
meddle() { # TITLE COMMAND
  ok "$1" on gwA sh -c "$2"
  on hostA ping -q -i 0.02 -c 25 -W 1 198.18.2.10 >/dev/null
  on hostA ping -q -i 0.02 -c 25 -W 1 2001:db8:b::10 >/dev/null
  ok "  it is put right by itself" wait_for 40 crosses 198.18.2.10
}
meddle "the kernel's SAs are flushed" "ip xfrm state flush"
meddle "the kernel's policies are flushed" "ip xfrm policy flush"
meddle "its second lock is flushed" "nft flush ruleset"
meddle "all three are" "nft flush ruleset; ip xfrm policy flush; ip xfrm state flush"
# The control: with Simplon's own hands bound, it is the data path that keeps the packets in.
stopped_flush() {
  kill -STOP "${pids[gwA]}"
  on gwA sh -c 'nft flush ruleset; ip xfrm policy flush; ip xfrm state flush'
  kill -CONT "${pids[gwA]}"
}
ok "gwA is stopped while all three are flushed" stopped_flush
ok "and puts it right" wait_for 40 both_ping
ok "nothing crossed in clear" nothing_in_clear
[ $failed = 0 ] || cat "$run/gwA.log"
lab_end
