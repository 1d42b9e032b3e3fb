#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# LACP with Linux: the port of a gateway is a bond (802.3ad) of two e1000e NICs, its peer Linux's bonding driver. Both members
# are in use when the two agree, and pings of both families pass, whichever member Linux sends them by.
#
#                 m0 0000:00:10.0 --- hub 0 --- p0
#   Simplon lan                                      bond0 .2, of Linux in the same QEMU guest, namespace "peer"
#        .1       m1 0000:00:11.0 --- hub 1 --- p1
#                    198.51.100.0/24
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
source "$here/../qemu/nics.sh"
command -v qemu-system-x86_64 >/dev/null || skip "there is no qemu-system-x86"
"$here/../qemu/guest_kernel.sh" >/dev/null || exit 1 # the namespaces have no way to a mirror
lab_begin bond
dir=$run/guest
mkdir "$dir"
ns gwA
cat >"$dir/gwA.yaml" <<YAML
gateway: {mode: dp, idle: relax, main_core: 0, workers: [1], buffers: 8192, memory: 256MiB, hugepages: required}
crypto: [crypto_aesni_gcm, crypto_aesni_mb]
ports:
  - name: lan
    side: protected
    bond: {mode: 802.3ad, members: ["00:10.0", "00:11.0"]}
    addresses: [198.51.100.1/24, "2001:db8:ffff::1/64"]
management: {socket: /run/gwA.vici}
YAML
peer() { # what is at the other ends, by the guest's kernel
  cat <<'SH'
modprobe -a e1000e bonding
ip netns add peer
ip -n peer link add both type bond mode 802.3ad lacp_rate fast miimon 100 xmit_hash_policy layer3+4
for i in 0 1; do
  nic=$(ls /sys/bus/pci/devices/0000:00:1$((2 + i)).0/net)
  ip link set "$nic" down
  ip link set "$nic" netns peer name "p$i"
  ip -n peer link set "p$i" master both
  ip -n peer link set "p$i" up
done
ip -n peer addr add 198.51.100.2/24 dev both
ip -n peer addr add 2001:db8:ffff::2/64 dev both nodad
ip -n peer link set both up
SH
}
{ few_drivers
  bind_nics vfio-pci 0000:00:10.0 0000:00:11.0
  peer
  echo "{ $build/simplond $dir/gwA.yaml >$dir/simplond.log 2>&1; touch $dir/ended; } &"
  guest_orders
} >"$dir/guest.sh"
options=(-t 360 -m 1G -c 2 -w "$dir" -k "hugepages=160" -k "intel_iommu=on iommu=nopt"
  -q "-device intel-iommu,intremap=on,caching-mode=on,device-iotlb=on,aw-bits=48")
for i in 0 1; do
  options+=(-q "-netdev hubport,id=hm$i,hubid=$i -netdev hubport,id=hp$i,hubid=$i"
    -q "-device e1000e,netdev=hm$i,id=m$i,mac=02:00:00:00:0a:0$i,bus=pcie.0,addr=0x1$i,romfile="
    -q "-device e1000e,netdev=hp$i,id=p$i,mac=02:00:00:00:0b:0$i,bus=pcie.0,addr=0x1$((2 + i)),romfile=")
done
start gwA guest "$here/../qemu/qemu-run" "${options[@]}" -- bash "$dir/guest.sh"

finish() { cp "$dir"/*.log "$run/" 2>/dev/null; lab_end; }
ctl() { shift; guest "$build/simplonctl --socket /run/gwA.vici $*"; }
member() { tells gwA "^lan .*0000:00:1$1.0 \\($2\\)" ports; } # NUMBER STATE

ok "the guest is up" guest_ready 280
[ $failed = 0 ] || finish
cat "$run/guest.log"
patience=120 ok "the gateway starts" guest "until [ -S /run/gwA.vici ]; do [ ! -e $dir/ended ] || exit 1; sleep 0.1; done"
[ $failed = 0 ] || finish
for i in 0 1; do ok "m$i is in use" wait_for 60 member $i 'in use'; done
ok "Linux has both in one aggregator" guest "[ \$(ip netns exec peer grep -c '^Aggregator ID: 1' /proc/net/bonding/both) = 2 ]"
# Linux chooses by addresses: each family and each of four sources takes one member or the other.
for n in 2 3 4 5; do guest "ip -n peer addr add 198.51.100.1$n/24 dev both; ip -n peer addr add 2001:db8:ffff::1$n/64 dev both nodad"; done
for n in 2 3 4 5; do
  ok "pings of .1$n" wait_for 30 guest "ip netns exec peer ping -q -c 2 -W 2 -I 198.51.100.1$n 198.51.100.1 >/dev/null"
  ok "pings of ::1$n" wait_for 30 guest "ip netns exec peer ping -q -c 2 -W 2 -I 2001:db8:ffff::1$n 2001:db8:ffff::1 >/dev/null"
done
ctl gwA ports
ctl gwA workers
ctl gwA drops
finish
