# SPDX-License-Identifier: Apache-2.0
# Sourced after guest.sh: what a QEMU guest does before Simplon has its PCI NICs. Both print a part of the guest's script.
#
#   few_drivers [DRIVER]...    DPDK loads every driver of its folder, and 384 files take long to load here: only those that
#                              matter are left in it, and these
#   bind_nics DRIVER NIC...    what an administrator does: the NICs go to the driver

few_drivers() {
  echo "more='$*'"
  cat <<'SH'
all=$(ls -d /usr/lib/x86_64-linux-gnu/dpdk/pmds-*)
mkdir /run/drivers
mount --bind "$all" /run/drivers
mount -t tmpfs -o mode=755 tmpfs "$all"
for d in bus_pci bus_vdev mempool_ring net_bond net_virtio net_e1000 net_vmxnet3 common_qat crypto_ipsec_mb $more; do
  for f in /run/drivers/librte_$d.so*; do [ ! -e "$f" ] || ln -s "$f" "$all"; done
done
export LD_LIBRARY_PATH=/run/drivers
SH
}

bind_nics() {
  local driver=$1; shift
  cat <<SH
modprobe -a $driver tun
for nic in $*; do
  echo $driver >/sys/bus/pci/devices/\$nic/driver_override
  [ ! -e /sys/bus/pci/devices/\$nic/driver ] || echo \$nic >/sys/bus/pci/devices/\$nic/driver/unbind
  echo \$nic >/sys/bus/pci/drivers_probe
  echo "\$nic: \$(basename \$(readlink /sys/bus/pci/devices/\$nic/driver))"
done
SH
}
