#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A bundle by IKE (RFC 4301 §4.5) with libreswan: ESP in a tunnel, inside AH in tunnel mode. libreswan has two connections that
# know nothing of each other, over Linux in User Mode Linux; what joins their SAs is a policy of the kernel that is made by hand,
# since libreswan's own names one SA. Pings cross both ways by both SAs. What libreswan cannot is printed with its reason.
#
#   hostA 198.18.1.10 --- gwA 198.51.100.1 ----- 198.51.100.2 guest, lo 198.18.2.10
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
source "$here/libreswan.sh"
[ -n "${GUEST_IN:-}" ] || [ -x "$libreswan" ] || skip "there is no $libreswan here: run me by tests/lab/debian13.sh in"
command -v linux.uml >/dev/null || skip "there is no user-mode-linux"
lab_begin lbundle
dir=$run/guest patience=100
mkdir "$dir"
site_up
{
  site_simplon_ports gwA
  site_secrets gwA
  cat <<YAML
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    proposals: [aes128gcm16-prfsha256-x25519]
    children:
      net:
        local_ts: 198.18.1.0/24
        remote_ts: 198.18.2.0/24
        esp_proposals: [aes128gcm16]
        ah_proposals: [sha256]
        ah_mode: tunnel
        esn: off
        start: none
YAML
} >"$run/gwA.yaml"

conn() { # NAME PROTOCOL PROPOSAL LINE...
  cat <<CONF
conn $1
  left=198.51.100.2
  leftid=@b.example
  right=198.51.100.1
  rightid=@a.example
  authby=secret
  ike=aes_gcm128-sha2_256-dh31
  phase2=$2
  $2=$3
  esn=no
  pfs=no
  auto=add
CONF
  printf '  %s\n' "${@:4}"
}
guest_port gwB wan0 tap0
{
  cat <<SH
ethtool -K vec0 tx off rx off tso off gso off gro off >/dev/null 2>&1
ip link set vec0 up
ip addr add 198.51.100.2/24 dev vec0
ip addr add 198.18.2.10/32 dev lo
ip route add 198.18.1.0/24 via 198.51.100.1 src 198.18.2.10
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.vec0.rp_filter=0
modprobe -a esp4 ah4 gcm authenc echainiv seqiv sha256 2>/dev/null
cat >/etc/ipsec.conf <<'CONF'
config setup
  logfile=$dir/peer.log
SH
  conn net esp aes_gcm128 leftsubnet=198.18.2.0/24 rightsubnet=198.18.1.0/24
  conn around ah sha2_256 leftsubnet=198.51.100.2/32 rightsubnet=198.51.100.1/32 leftprotoport=50 rightprotoport=50
  cat <<SH
CONF
echo '@a.example @b.example : PSK "a-demonstration-secret-0123456789"' >/etc/ipsec.secrets
chmod 600 /etc/ipsec.secrets
ipsec checknss
$libreswan --config /etc/ipsec.conf --logfile $dir/peer.log
for ((i = 0; i < 100; i++)); do ipsec whack --status >/dev/null 2>&1 && break; sleep 0.1; done
ipsec add net
ipsec add around
SH
  guest_orders
} >"$dir/guest.sh"
cat >"$dir/join.sh" <<'SH'
# The kernel's policies for the two nets, with both SAs.
reqid() { ip xfrm state | sed -n "/^src $2 dst $3/{n;s/.*proto $1 .*reqid \([0-9]*\) .*/\1/p}" | tail -1; }
join() { # FROM TO SOURCE DESTINATION DIRECTION
  local esp ah
  esp=$(reqid esp "$3" "$4") ah=$(reqid ah "$3" "$4")
  ip xfrm policy update src "$1" dst "$2" dir "$5" tmpl src "$3" dst "$4" proto esp reqid "$esp" mode tunnel \
    tmpl src "$3" dst "$4" proto ah reqid "$ah" mode tunnel
}
ip xfrm policy flush
join 198.18.2.0/24 198.18.1.0/24 198.51.100.2 198.51.100.1 out && join 198.18.1.0/24 198.18.2.0/24 198.51.100.1 198.51.100.2 in
ip xfrm state; ip xfrm policy
SH
start gwB guest ${GUEST_IN:-} "$here/../uml/uml-run" -t 480 -m 384M -w "$run" -n tap0 -- bash "$dir/guest.sh"
simplon_start gwA || exit 1
guest_ready 90 || exit 1

halves() { # COUNT : of each, installed
  local all; all=$(ctl gwA sas)
  [ "$(grep -cE '^ *net #.*INSTALLED' <<<"$all")" = "$1" ] && [ "$(grep -cE '^ *net\+ah #.*INSTALLED' <<<"$all")" = "$1" ]
}
pings() { on hostA ping -q -c 3 -i 0.1 -W 5 198.18.2.10 | grep -q ' 3 received' && guest "ping -q -c 3 -i 0.1 -W 5 198.18.1.10" | grep -q ' 3 received'; }
crosses() { guest bash "$dir/join.sh" >"$run/joined" 2>&1 || { cat "$run/joined"; return 1; }; wait_for 10 pings; }
packets() { tcpdump -nr "$run/wan.pcap" "$1" 2>"$run/read.log" | wc -l; }
only_ah() { [ "$(packets 'ip proto 51')" -ge 10 ] && [ "$(packets 'ip proto 50 or icmp')" = 0 ]; }
by_libreswan() { guest "timeout 30 ipsec up around && timeout 30 ipsec up net" >"$run/up" 2>&1 || { tail -n 5 "$run/up"; return 1; }; }

start gwB wan tcpdump -U -ni wan0 -w "$run/wan.pcap"
wait_for 10 test -s "$run/wan.pcap"
ok "nothing crosses without it" no_answer hostA 198.18.2.10
ok "Simplon initiates" ctl gwA initiate sites net
ok "both halves are up" wait_for 10 halves 1
ok "pings cross both ways, by both" crosses
# Which began it, so that libreswan does not bring it up again.
ok "Simplon ends it" eval 'ctl gwA terminate --ike sites >/dev/null; wait_for 20 halves 0'
ok "nothing crosses" no_answer hostA 198.18.2.10
ok "libreswan initiates AH, then ESP" by_libreswan
ok "both halves are up" wait_for 10 halves 1
ok "pings cross both ways, by both" crosses
ok "between the two AH alone is seen" wait_for 5 only_ah
cp "$dir/peer.log" "$run/peer.log"
[ $failed = 0 ] || grep -hE 'NO_PROPOSAL|no proposal|no acceptable|TS_UNACCEPTABLE|refus|does not match|no local proposal' "$run"/*.log | tail -n 8
lab_end
