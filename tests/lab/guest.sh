# SPDX-License-Identifier: Apache-2.0
# Sourced after site.sh: a gateway of the site is a guest (User Mode Linux, QEMU). Its ports are TAPs of the gateway's
# namespace, bridged with the wires that site_up lays to it; it takes orders by files of a folder that it shares.
#
#   guest_port GATEWAY WIRE TAP [multi_queue]   the TAP, on that wire
#   guest_orders                  the end of the guest's script: "ready", then each order once
#   guest_ready SECONDS           until it is
#   guest COMMAND...              one order: prints what it printed, returns its status
#
# $dir is the folder, which the guest sees under the same name.

guest_port() { # GATEWAY WIRE TAP [multi_queue]
  local port
  ip -n "$lab-$1" tuntap add dev "$3" mode tap ${4:-}
  ip -n "$lab-$1" link add "br-$2" type bridge
  for port in "$2" "$3"; do ip -n "$lab-$1" link set "$port" master "br-$2" up; done
  ip -n "$lab-$1" link set "br-$2" up
}

guest_orders() {
  cat <<SH
touch $dir/ready
for ((n = 1; ; n++)); do
  while [ ! -e $dir/\$n.order ]; do sleep 0.1; done
  bash $dir/\$n.order >$dir/\$n.out 2>&1
  echo \$? >$dir/\$n.new && mv $dir/\$n.new $dir/\$n.status
done
SH
}

guest_ready() { wait_for "$1" guest_ready_or_gone && [ -e "$dir/ready" ] || { cat "$run/guest.log"; return 1; }; }
guest_ready_or_gone() { [ -e "$dir/ready" ] || ! kill -0 "${pids[guest]}"; }

# What counts the orders is the folder: a variable would not outlive a subshell.
guest() { # COMMAND...
  local order=$dir/$(($(find "$dir" -name '*.order' | wc -l) + 1))
  echo "$@" >"$order.new" && mv "$order.new" "$order.order"
  wait_for "${patience:-30}" test -e "$order.status" || return 1
  cat "$order.out"
  return "$(cat "$order.status")"
}
