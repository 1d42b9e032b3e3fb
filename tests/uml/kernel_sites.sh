# SPDX-License-Identifier: Apache-2.0
# Sourced after lab.sh, in User Mode Linux: two Simplons without a data path, a host behind the first.
#
#   L 198.18.1.10 ----- 198.18.1.9 A
#   A 198.18.1.1 -- lo   A 198.51.100.1 ----- 198.51.100.2 B   lo -- 198.18.2.1 B
#
# kernel_sites starts both. Environment: SUITE, CHILD (a line of both children), policies_A (lines for A's configuration).
kernel_sites() {
  ns A B L
  ip link add lan0 netns "$lab-A" type veth peer name eth0 netns "$lab-L"
  ip -n "$lab-A" link set lan0 up
  ip -n "$lab-L" link set eth0 up
  ip -n "$lab-A" addr add 198.18.1.9/24 dev lan0
  ip -n "$lab-L" addr add 198.18.1.10/24 dev eth0
  ip -n "$lab-L" route add default via 198.18.1.9
  on A sysctl -qw net.ipv4.ip_forward=1
  ip link add wan0 netns "$lab-A" type veth peer name wan0 netns "$lab-B"
  for side in "A 1 2 a b" "B 2 1 b a"; do
    set -- $side
    ip -n "$lab-$1" link set wan0 up
    ip -n "$lab-$1" addr add "198.51.100.$2/24" dev wan0
    ip -n "$lab-$1" addr add "2001:db8:ffff::$2/64" dev wan0 nodad
    ip -n "$lab-$1" addr add "198.18.$2.1/32" dev lo
    ip -n "$lab-$1" route add "198.18.$3.0/24" via "198.51.100.$3" src "198.18.$2.1"
    (umask 077; printf 'psks:\n  - ids: [a.example, b.example]\n    secret: "a-secret-0123456789abcdef"\n' >"$run/$1.secrets.yaml")
    cat >"$run/$1.yaml" <<YAML
gateway: {mode: kernel}
management: {socket: $run/$1.vici}
secrets: $1.secrets.yaml
connections:
  sites:
    local: {address: 198.51.100.$2, id: $4.example}
    remote: {address: 198.51.100.$3, id: $5.example}
    auth: psk
    proposals: [aes128gcm16-prfsha256-x25519]
    children:
      net:
        local_ts: [198.18.$2.0/24]
        remote_ts: [198.18.$3.0/24]
        esp_proposals: [${SUITE:-aes128gcm16}]
        start: trap
        rekey_time: 20m
        life_time: 22m
        replay_window: 128
        ${CHILD:-}
YAML
    [ "$1" = A ] && echo "${policies_A:-}" >>"$run/A.yaml"
    "$build/simplond" --check "$run/$1.yaml" || exit 1
    simplon_start "$1" || exit 1
  done
}
