#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nic_test.sh NIC DRIVER [WORKERS [PAGES [OUTER [MTU]]]]: Simplon is gateway A on the PCI NICs of a QEMU guest, bound as
# docs/drivers.md says; strongSwan is gateway B, or for jumbo frames Simplon. The tunnel comes up, pings of both families and TCP cross it, both ways.
#
#   NIC      virtio-net-pci, e1000e, vmxnet3
#   DRIVER   vfio-pci (behind an emulated Intel IOMMU), uio_pci_generic
#   WORKERS  1 or 2        PAGES  huge or none        OUTER  4 or 6        MTU  of all ports and hosts' links but for ESP's room
#
#   hostA .10 --- 198.18.1.0/24 --- .1 guest .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#                           0000:00:10.0   0000:00:11.0               strongSwan
# The guest's two NICs end at TAPs of the namespace gwA, bridged with the wires that site.sh lays to it.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
source "$here/../qemu/nics.sh"
nic=$1 driver=$2 workers=${3:-1} pages=${4:-huge} outer=${5:-4} mtu=${6:-1500}
command -v qemu-system-x86_64 >/dev/null || skip "there is no qemu-system-x86"
"$here/../qemu/guest_kernel.sh" >/dev/null || exit 1 # the namespaces have no way to a mirror
lab_begin qemu
dir=$run/guest
mkdir "$dir"
site_up
# virtio has as many queues as the host gives it. QEMU's vmxnet3 gives every frame to the first queue.
queues=1
[ "$nic" = virtio-net-pci ] && queues=$workers
multi=$([ "$queues" = 1 ] || echo multi_queue)
guest_port gwA wan0 tap-wan $multi
guest_port gwA lan0 tap-lan $multi
if [ "$mtu" -gt 1500 ]; then
  for link in "gwA wan0" "gwA tap-wan" "gwA br-wan0" "gwA lan0" "gwA tap-lan" "gwA br-lan0" "gwB wan0" "gwB lan0"; do
    set -- $link
    ip -n "$lab-$1" link set "$2" mtu "$mtu"
  done
  for host in hostA hostB; do ip -n "$lab-$host" link set eth0 mtu $((mtu - 100)); done
fi

configuration() {
  local list="[1]"
  [ "$workers" = 2 ] && list="[1, 2]"
  site_simplon_ports gwA "$list" | sed -e "s|net_af_packet0,iface=lan0|00:10.0|" -e "s|net_af_packet1,iface=wan0|0000:00:11.0|" \
    -e "s|^    side:|    queues: $([ "$nic" = vmxnet3 ] && echo 1 || echo 0)\n&|" -e "s|^  idle:|  hugepages: $([ "$pages" = huge ] && echo required || echo never)\n&|" \
    -e "s|socket: .*|socket: /run/gwA.vici|"
  site_secrets gwA
  start=none site_connection gwA
}
(umask 077; configuration >"$dir/gwA.yaml")
cp -p "$run/gwA.secrets.yaml" "$dir/"

{ few_drivers
  bind_nics $driver 0000:00:10.0 0000:00:11.0
  echo "{ $build/simplond $dir/gwA.yaml >$dir/simplond.log 2>&1; touch $dir/ended; } &"
  guest_orders
} >"$dir/guest.sh"
ctl() { shift; guest "$build/simplonctl --socket /run/gwA.vici $*"; }

device() { # TAP ADDRESS MAC
  local extra=
  [ "$driver $nic" = "vfio-pci virtio-net-pci" ] && extra=,disable-legacy=on,iommu_platform=on,ats=on
  [ "$nic" = virtio-net-pci ] && [ "$mtu" -gt 1500 ] && extra+=,host_mtu=$mtu
  [ "$queues" = 1 ] || extra+=,mq=on,vectors=$((2 * queues + 2))
  echo "-netdev tap,id=$1,ifname=$1,script=no,downscript=no,queues=$queues -device $nic,netdev=$1,mac=$3,bus=pcie.0,addr=$2,romfile=$extra"
}
options=(-t 360 -m 1G -c $((workers + 1)) -w "$dir")
[ "$pages" = huge ] && options+=(-k "hugepages=160")
[ "$driver" = vfio-pci ] && options+=(-k "intel_iommu=on iommu=nopt" -q "-device intel-iommu,intremap=on,caching-mode=on,device-iotlb=on,aw-bits=48")
options+=(-q "$(device tap-lan 0x10 02:00:00:00:0a:01)" -q "$(device tap-wan 0x11 02:00:00:00:0a:02)")
start gwA guest "$here/../qemu/qemu-run" "${options[@]}" -- bash "$dir/guest.sh"
# strongSwan's own ESP (kernel-libipsec) takes no packet above 1500 octets, so there another Simplon is the peer.
large_peer() {
  { port_kind=pcap site_simplon_ports gwB
    site_secrets gwB
    start=none site_connection gwB
  } >"$run/gwB.yaml"
  simplon_start gwB
}
if [ "$mtu" -gt 1500 ]; then large_peer; else site_strongswan; fi || exit 1

finish() { cp "$dir"/*.log "$run/" 2>/dev/null; lab_end; }
ok "the guest is up" guest_ready 150
[ $failed = 0 ] || finish
cat "$run/guest.log"
if [ "$driver $pages" = "uio_pci_generic none" ]; then
  ok "it ends" wait_for 120 test -e "$dir/ended"
  ok "and says why" grep -q 'uio.*hugepages' "$dir/simplond.log"
  finish
fi
patience=120 ok "the gateway starts" guest "until [ -S /run/gwA.vici ]; do [ ! -e $dir/ended ] || exit 1; sleep 0.1; done"
[ $failed = 0 ] || finish
ctl gwA ports
ok "Simplon initiates" ctl gwA initiate sites net
up() { ctl gwA sas --json | tr -d ' \n' | grep -q '"state":"INSTALLED"'; }
ok "one child is up" wait_for 30 up
ok "the capture sees what is sent in clear on purpose" site_watch_clear
for family in 4 6; do
  a=198.18.1.10 b=198.18.2.10; [ $family = 6 ] && a=2001:db8:a::10 b=2001:db8:b::10
  ok "pings A to B, IPv$family in IPv$outer" site_pings hostA $b
  ok "pings B to A, IPv$family in IPv$outer" site_pings hostB $a
done
ok "TCP" site_tcp
if [ "$mtu" -gt 1500 ]; then
  ok "pings of $((mtu - 200)) octets A to B" on hostA ping -q -c 5 -i 0.2 -W 3 -M 'do' -s $((mtu - 200)) 198.18.2.10
  ok "pings of $((mtu - 200)) octets B to A" on hostB ping -q -c 5 -i 0.2 -W 3 -M 'do' -s $((mtu - 200)) 198.18.1.10
fi
ok "all of it went through ESP" nothing_in_clear
ctl gwA workers
ctl gwA drops
finish
