# SPDX-License-Identifier: Apache-2.0
# Sourced after site.sh: a gateway of the site is a guest (User Mode Linux, QEMU). Its ports are TAPs of the gateway's
# namespace, bridged with the wires that site_up lays to it; it takes orders by files of a folder that it shares.
#
#   guest_port GATEWAY WIRE TAP [multi_queue]   the TAP, on that wire
#   guest_gateway                 the beginning of the script of a guest that is gateway B, with the two ports vec0 and vec1
#   guest_uml SECONDS COMMAND...  makes those ports and starts it, in User Mode Linux, for so long: what COMMAND prints is its
#                                 script between the two; GUEST_IN: what runs it, as "debian13.sh in"
#   guest_orders                  the end of a guest's script: "ready", then each order once, several at a time
#   guest_ready SECONDS           until it is
#   guest COMMAND...              one order: prints what it printed, returns its status; may be called by several at once
#
# $dir is the folder, which the guest sees under the same name.

guest_port() { # GATEWAY WIRE TAP [multi_queue]
  local port
  ip -n "$lab-$1" tuntap add dev "$3" mode tap ${4:-}
  ip -n "$lab-$1" link add "br-$2" type bridge
  for port in "$2" "$3"; do ip -n "$lab-$1" link set "$port" master "br-$2" up; done
  ip -n "$lab-$1" link set "br-$2" up
}

guest_gateway() {
  cat <<'SH'
for port in vec0 vec1; do
  ethtool -K $port tx off rx off tso off gso off gro off >/dev/null 2>&1
  ip link set $port up
done
ip addr add 198.51.100.2/24 dev vec0
ip addr add 198.18.2.1/24 dev vec1
ip route add 198.18.1.0/24 via 198.51.100.1
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.vec0.rp_filter=0
# The modules of the ciphers are loaded now, and not in the middle of IKE_AUTH.
modprobe -a af_key esp4
key=0x0123456789abcdef0123456789abcdef
sa() { ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi $1 mode tunnel "${@:2}"; }
sa 0x100 aead 'rfc4106(gcm(aes))' ${key}01234567 128
sa 0x101 enc 'cbc(aes)' $key auth-trunc 'hmac(sha512)' $key$(sed s/0x// <<<$key) 256
ip xfrm state flush
SH
}

guest_orders() {
  cat <<SH
touch $dir/ready
order() {
  bash $dir/\$1.order >$dir/\$1.out 2>&1
  echo \$? >$dir/\$1.new && mv $dir/\$1.new $dir/\$1.status
}
for ((n = 1; ; n++)); do
  while [ ! -e $dir/\$n.order ]; do sleep 0.1; done
  order \$n &
done
SH
}

guest_uml() { # SECONDS COMMAND...
  guest_port gwB wan0 tap-wan
  guest_port gwB lan0 tap-lan
  { guest_gateway; "${@:2}"; guest_orders; } >"$dir/guest.sh"
  start gwB guest ${GUEST_IN:-} "$here/../uml/uml-run" -t "$1" -m 384M -w "$dir" -n tap-wan -n tap-lan -- bash "$dir/guest.sh"
  guest_ready 120
}

guest_ready() { wait_for "$1" guest_ready_or_gone && [ -e "$dir/ready" ] || { cat "$run/guest.log"; return 1; }; }
guest_ready_or_gone() { [ -e "$dir/ready" ] || ! kill -0 "${pids[guest]}"; }

# What counts the orders is a file: a variable would not outlive a subshell.
guest() { # COMMAND...
  local order status
  order=$dir/$(flock "$dir/orders" sh -c 'n=$(($(cat "$0") + 1)); echo $n | tee "$0"' "$dir/orders")
  echo "$@" >"$order.new" && mv "$order.new" "$order.order"
  wait_for "${patience:-30}" test -e "$order.status" || return 1
  cat "$order.out"
  status=$(cat "$order.status")
  rm -f "$order".*
  return "$status"
}
