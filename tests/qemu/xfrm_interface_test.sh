#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Mode kernel with `kernel: {if_id, set_mark}` in QEMU with Debian's kernel, which has xfrm interfaces and nftables: what the
# routes lead to the interface takes the tunnel, of the host and forwarded, and what they do not is left alone. The outer
# packets carry the mark. Then with `mark`: packets that have it take the tunnel, and never leave in clear. kernel_sites.sh
# draws the two gateways; 198.18.1.10 is a host behind A.
here=$(dirname "$(realpath "$0")")
[ "${1:-}" = inside ] || exec "$here/qemu-run" -t 560 -m 768M -- "$0" inside
source "$here/../lab/lab.sh"
source "$here/../uml/kernel_sites.sh"
lab_begin xfrmi
CHILD='kernel: {if_id: 42, set_mark: 7}'
kernel_sites
pings() { on A ping -q -c 5 -i 0.2 -W 5 -I 198.18.1.1 198.18.2.1 | grep -q ' 0% packet loss'; }
forwarded() { on L ping -q -c 2 -W 5 198.18.2.1 >>"$run/pings"; }
sas() { on A ip -s xfrm state | grep -c 'if_id 0x2a'; }
ok "the policies are the interface's" eval 'on A ip xfrm policy | grep -A3 "dir out" | grep -q "if_id 0x2a"'
on A ping -q -c 2 -W 2 -I 198.18.1.1 198.18.2.1
ok "without an interface nothing asks for the tunnel" test "$(sas)" = 0
ok "and nothing is forwarded" eval '! on L ping -q -c 2 -W 2 198.18.2.1'
for side in "A 2" "B 1"; do
  set -- $side
  on "$1" ip link add ipsec0 type xfrm dev wan0 if_id 42
  on "$1" ip link set ipsec0 up
  on "$1" ip route replace "198.18.$2.0/24" dev ipsec0 src "198.18.$((3 - $2)).1"
done
ok "the first packet asks for the tunnel" wait_for 60 on A ping -q -c 1 -W 1 -I 198.18.1.1 198.18.2.1
ok "pings without loss" pings
ok "the kernel's SAs are the interface's" test "$(sas)" = 2
ok "the outbound one marks its packets" eval 'on A ip xfrm state | grep -q "output-mark 0x7"'
ok "what is forwarded takes it as well" wait_for 10 forwarded
on A nft 'add table ip t; add chain ip t o { type filter hook postrouting priority 0; }; add rule ip t o meta l4proto esp meta mark 7 counter'
ok "pings" pings
ok "the outer packets had the mark" eval 'on A nft list chain ip t o | grep -qE "counter packets [1-9]"'
ok "rekey" ctl A rekey --child net
ok "pings over the new SAs" wait_for 30 pings
ok "the console tells the interface" tells A '"if-id": *"42"' sas --json
on A ip link del ipsec0
on A ip link add ipsec0 type xfrm dev wan0 if_id 42
on A ip link set ipsec0 up
on A ip route replace 198.18.2.0/24 dev ipsec0 src 198.18.1.1
ok "an interface that came again" wait_for 20 pings
ok "is forwarded to" wait_for 20 forwarded
on A ip route replace 198.18.2.0/24 via 198.51.100.2 src 198.18.1.1
ok "what the routes do not lead there is not forwarded" eval '! on L ping -q -c 2 -W 2 198.18.2.1'
stop A
ok "a stop leaves no SA" eval '[ "$(sas)" = 0 ]'
ok "and the policies" eval 'on A ip xfrm policy | grep -q "if_id 0x2a"'
ok "released on request" eval 'on A "$build/simplond" --release "$run/A.yaml" && ! on A ip xfrm policy | grep -q "if_id 0x2a"'
stop B
on B "$build/simplond" --release "$run/B.yaml"
for side in A B; do
  on "$side" ip link del ipsec0
  sed -i 's/kernel: {.*/kernel: {mark: 0x2a\/0xff}/' "$run/$side.yaml"
  on "$side" nft 'add table ip m; add chain ip m p { type filter hook prerouting priority -150; }; add rule ip m p meta l4proto esp meta mark set 42'
  on "$side" sysctl -qw net.ipv4.fwmark_reflect=1
  simplon_start "$side" || exit 1
done
on B ip route replace 198.18.1.0/24 via 198.51.100.1 src 198.18.2.1
marked() { on A ping -q -c 3 -i 0.2 -W 5 -m "$1" -I 198.18.1.1 198.18.2.1; }
esp() { on A nft list chain ip t o | grep -oE "counter packets [0-9]+" | grep -oE "[0-9]+"; }
on A nft 'flush chain ip t o; add rule ip t o meta l4proto esp counter'
ok "the fence looks at the mark" eval 'on A nft list chain inet simplon leaving | grep -q "meta mark & 0x000000ff"'
ok "and of what arrives behind who sets it" eval 'on A nft list chain inet simplon arrived_marked | grep -q "meta mark & 0x000000ff"'
ok "a marked packet asks for the tunnel" wait_for 60 on A ping -q -c 1 -W 1 -m 42 -I 198.18.1.1 198.18.2.1
ok "marked packets take it" eval 'marked 42 && [ "$(esp)" -ge 4 ]'
before=$(esp)
marked 43
ok "others do not" test "$(esp)" = "$before"
ok "a policy of another program lets marked packets pass" on A ip xfrm policy add src 198.18.1.1 dst 198.18.2.1 dir out priority 1 action allow
ok "but they do not leave in clear" eval '! marked 42 && [ "$(esp)" = "$before" ]'
stop A
stop B
lab_end
