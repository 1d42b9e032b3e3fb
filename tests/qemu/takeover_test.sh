#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# takeover_test.sh vfio|kernel [KILLS]: a gateway under its guard, on the PCI NICs of a QEMU guest, is killed again and again while
# packets cross its tunnel to strongSwan. Printed each time: the longest gap, what was lost. In the end: no IKE SA that the peer had
# to set up anew, no sequence number and no IV twice under one key, nothing in clear.
#   vfio     the NICs are on vfio-pci, and the kernel has no interface: the next gateway is the one that takes over.
#   kernel   the data path has them by af_packet, and the guest's kernel forwards meanwhile; in the end the kernel's module of
#            ESP is taken away: first while it forwards (it is in use, and stays), then before it has to (it cannot forward,
#            and nothing leaves).
# The processor is emulated: what takes milliseconds on a machine takes ten times as long.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 guest .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                               simplon-guard                       strongSwan
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
source "$here/../qemu/nics.sh"
way=$1 kills=${2:-1}
command -v qemu-system-x86_64 >/dev/null || skip "there is no qemu-system-x86"
"$here/../qemu/guest_kernel.sh" >/dev/null || exit 1 # the namespaces have no way to a mirror
lab_begin qemu-takeover
dir=$run/guest
mkdir "$dir"
site_up
guest_port gwA wan0 tap-wan
guest_port gwA lan0 tap-lan

configuration() {
  site_simplon_ports gwA "[1]" | sed -e "s|socket: .*|socket: /run/gwA.vici|" |
    if [ "$way" = vfio ]; then sed -e "s|net_af_packet0,iface=lan0|00:10.0|" -e "s|net_af_packet1,iface=wan0|00:11.0|"; else cat; fi
  site_secrets gwA
  start=none site_connection gwA
}
(umask 077; configuration >"$dir/gwA.yaml")
cp -p "$run/gwA.secrets.yaml" "$dir/"

interfaces() { # the kernel's, by the names that the configuration has
  cat <<'SH'
modprobe -a virtio_net tun esp4 esp6 xfrm_user nf_tables
for nic in 10.0:lan0 11.0:wan0; do
  old=$(ls /sys/bus/pci/devices/0000:00:${nic%:*}/virtio*/net)
  ip link set $old name ${nic#*:}
  ethtool -K ${nic#*:} tx off rx off tso off gso off gro off >/dev/null 2>&1
  ip link set ${nic#*:} up
done
SH
}
{ few_drivers $([ "$way" = vfio ] || echo net_af_packet)
  if [ "$way" = vfio ]; then bind_nics vfio-pci 0000:00:10.0 0000:00:11.0; else interfaces; fi
  echo "{ $build/simplon-guard $build/simplond $dir/gwA.yaml >$dir/simplond.log 2>&1; touch $dir/ended; } &"
  guest_orders
} >"$dir/guest.sh"
ctl() { shift; guest "$build/simplonctl --socket /run/gwA.vici $*"; }

device() { # TAP ADDRESS MAC
  local extra=
  [ "$way" = vfio ] && extra=,disable-legacy=on,iommu_platform=on,ats=on
  echo "-netdev tap,id=$1,ifname=$1,script=no,downscript=no -device virtio-net-pci,netdev=$1,mac=$3,bus=pcie.0,addr=$2,romfile=$extra"
}
options=(-t $((400 + kills * 60)) -m 1G -c 2 -w "$dir")
[ "$way" = vfio ] && options+=(-k "hugepages=160" -k "intel_iommu=on iommu=nopt"
  -q "-device intel-iommu,intremap=on,caching-mode=on,device-iotlb=on,aw-bits=48")
options+=(-q "$(device tap-lan 0x10 02:00:00:00:0a:01)" -q "$(device tap-wan 0x11 02:00:00:00:0a:02)")
start gwA guest "$here/../qemu/qemu-run" "${options[@]}" -- bash "$dir/guest.sh"
site_strongswan || exit 1

log=$dir/simplond.log
logged() { grep -c "$1" "$log"; }
has() { [ "$(logged "$1")" -ge "$2" ]; }
answers() { [ "$(cat "$run/answers" 2>/dev/null || echo 0)" -ge "$1" ]; }
set_up() { grep -c 'parsed IKE_SA_INIT request' "$run/gwB/charon.log"; }
finish() { cp "$log" "$run/" 2>/dev/null; [ $failed = 0 ] || cat "$log"; lab_end; }
ok "the guest is up" guest_ready 150
[ $failed = 0 ] || finish
patience=120 ok "the gateway starts" guest "until [ -S /run/gwA.vici ]; do [ ! -e $dir/ended ] || exit 1; sleep 0.1; done"
[ $failed = 0 ] || finish
ok "the tunnel comes up" ctl gwA initiate sites net
ok "pings cross it" wait_for 20 site_pings hostA 198.18.2.10
standing() { ctl gwA status | grep -q 'standing by *2 of 2 SAs'; }
[ "$way" = vfio ] || ok "both SAs stand by in the kernel" wait_for 60 standing
ok "the capture sees what is sent in clear on purpose" site_watch_clear
site_watch_numbers
ok "the peer has set one IKE SA up" test "$(set_up)" = 1

end_gateway() { guest "kill -KILL \$(pgrep -x simplond)"; }
one_kill() {
  local forwards took
  forwards=$(logged "the kernel forwards") took=$(logged "took over from")
  rm -f "$run/answers"
  start hostA gap /usr/bin/python3 "$here/gap_ping.py" 198.18.2.10 10 "$run/answers"
  ok "packets cross the data path" wait_for 30 answers 50
  ok "the gateway is killed" end_gateway
  if [ "$way" = kernel ]; then
    ok "the kernel takes over" wait_for 60 has "the kernel forwards" $((forwards + 1))
    rm -f "$run/answers"
    ok "packets cross the kernel" wait_for 30 answers 50
  fi
  ok "the next gateway takes over" wait_for 120 has "took over from" $((took + 1))
  rm -f "$run/answers"
  ok "packets cross the data path again" wait_for 30 answers 50
  stop gap INT
  echo "       $(cat "$run/gap.log"); $(grep 'ms without a forwarder' "$log" | tail -n 1 | grep -oE '[0-9]+ ms without a forwarder.*'); $(grep 'the kernel forwards' "$log" | tail -n 1 | grep -oE 'after [0-9].*')"
}
for ((i = 0; i < kills; i++)); do one_kill; done
ok "the peer has set none up anew" test "$(set_up)" = 1
echo "       $(cat "$run/sequences.json")"
ok "ESP was watched" test "$(watched packets)" -gt 100
ok "no sequence number was seen twice" test "$(watched sequences_twice)" = 0
ok "and no IV" test "$(watched ivs_twice)" = 0
stop sequences INT

# The next gateway is stopped while it starts, so that nobody takes over while the kernel is looked at.
hold_next() { guest 'for i in $(seq 300); do pkill -STOP -x simplond && exit; sleep 0.1; done; exit 1'; }
let_next_go() { guest 'pkill -CONT -x simplond'; }
begin_kill() { forwards=$(logged "the kernel forwards") took=$(logged "took over from") && end_gateway && hold_next; }
# The twins of the gateway's SAs need it: who would put them back stands still meanwhile.
no_esp() {
  guest "mkdir -p /etc/modprobe.d; for m in esp4 esp6; do echo install \$m /bin/false; done >/etc/modprobe.d/no-esp.conf
    pkill -STOP -x simplon-guard; pkill -STOP -x simplond; ip xfrm state flush
    for i in \$(seq 100); do modprobe -r esp4 esp6 2>/dev/null && break; sleep 0.1; done
    pkill -CONT -x simplond; sleep 1; pkill -CONT -x simplon-guard; ! grep -q '^esp4 ' /proc/modules"
}
esp_again() { guest "rm /etc/modprobe.d/no-esp.conf; modprobe -a esp4 esp6"; }
module_in_use() {
  ok "a gateway is killed, and the next one held back" begin_kill
  ok "the kernel forwards" wait_for 60 has "the kernel forwards" $((forwards + 1))
  ok "its module of ESP is in use and stays" guest '! modprobe -r esp4 2>/dev/null && grep -q "^esp4 " /proc/modules'
  ok "pings cross the kernel" wait_for 20 site_pings hostA 198.18.2.10
  ok "the next gateway goes on" let_next_go
  ok "and takes over" wait_for 120 has "took over from" $((took + 1))
  ok "pings cross it" wait_for 20 site_pings hostA 198.18.2.10
}
module_gone() {
  ok "the module of ESP is removed while the data path forwards" no_esp
  ok "pings cross as before" wait_for 20 site_pings hostA 198.18.2.10
  ok "a gateway is killed, and the next one held back" begin_kill
  ok "the kernel forwards by none of the SAs" wait_for 60 has "the kernel forwards: 0 of" 1
  ok "and the log says why" has "cannot have\|not supported\|no ESP" 1
  ok "pings do not cross" no_answer hostA 198.18.2.10
  ok "the next gateway goes on" let_next_go
  ok "and takes over" wait_for 120 has "took over from" $((took + 1))
  ok "pings cross it" wait_for 20 site_pings hostA 198.18.2.10
  ok "with the module again" esp_again
}
if [ "$way" = kernel ]; then
  module_in_use
  module_gone
fi
ok "nothing crossed in clear" nothing_in_clear
finish
