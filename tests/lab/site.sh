# Sourced after lab.sh: two sites, each a LAN with one host behind a gateway, the gateways joined by a "WAN" wire.
#
#   hostA .10 --- 198.18.1.0/24 --- .1 gwA .1 --- 198.51.100.0/24 --- .2 gwB .1 --- 198.18.2.0/24 --- .10 hostB
#           2001:db8:a::/64              2001:db8:ffff::/64                  2001:db8:b::/64
#
# The LANs' MTU leaves room for ESP: 1400. A Simplon gateway owns lan0 and wan0 through af_packet and shows the kernel
# its ports "lan" and "wan"; a strongSwan gateway uses them as they are.

site_up() {
  ns hostA gwA gwB hostB
  wire hostA eth0 gwA lan0
  wire gwA wan0 gwB wan0
  wire gwB lan0 hostB eth0
  local side n
  for side in "A 1 a" "B 2 b"; do
    set -- $side
    ip -n "$lab-host$1" link set eth0 mtu 1400
    ip -n "$lab-host$1" addr add "198.18.$2.10/24" dev eth0
    ip -n "$lab-host$1" addr add "2001:db8:$3::10/64" dev eth0 nodad
    ip -n "$lab-host$1" route add default via "198.18.$2.1"
    ip -n "$lab-host$1" -6 route add default via "2001:db8:$3::1"
  done
}

# The addresses of gateway B when it is a kernel that forwards (strongSwan).
site_kernel_addresses() { # gwA|gwB
  local n=1 h=a; [ "$1" = gwB ] && n=2 h=b
  on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  ip -n "$lab-$1" addr add "198.51.100.$n/24" dev wan0
  ip -n "$lab-$1" addr add "2001:db8:ffff::$n/64" dev wan0 nodad
  ip -n "$lab-$1" addr add "198.18.$n.1/24" dev lan0
  ip -n "$lab-$1" addr add "2001:db8:$h::1/64" dev lan0 nodad
}

# The top of a Simplon configuration for one of the two gateways; connections and policies follow.
site_simplon_ports() { # gwA|gwB [WORKERS]
  local n=1 h=a workers=${2:-"[1]"}; [ "$1" = gwB ] && n=2 h=b
  cat <<YAML
gateway:
  mode: dp
  idle: relax
  main_core: 0
  workers: $workers
  buffers: 8192
  memory: 256MiB
crypto: [crypto_aesni_gcm, crypto_aesni_mb]
ports:
  - name: lan
    device: net_af_packet0,iface=lan0
    side: protected
    addresses: [198.18.$n.1/24, "2001:db8:$h::1/64"]
  - name: wan
    device: net_af_packet1,iface=wan0
    side: unprotected
    addresses: [198.51.100.$n/24, "2001:db8:ffff::$n/64"]
management:
  socket: $run/$1.vici
YAML
}

site_secrets() { # gwA|gwB : the one key the two sites share
  (umask 077; cat >"$run/$1.secrets.yaml" <<'YAML'
psks:
  - ids: [a.example, b.example]
    secret: "a-demonstration-secret-0123456789"
YAML
  )
  echo "secrets: $1.secrets.yaml"
}
