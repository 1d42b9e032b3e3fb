#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guest_peer_test.sh libreswan|openiked: Simplon is gateway A, an IKE daemon that needs a kernel with ESP is gateway B, in a
# User Mode Linux guest. Each side brings the tunnel up, pings cross both ways, each side rekeys under a running ping.
#
#   hostA .10 --- 198.18.1.0/24 --- gwA .1 --- 198.51.100.0/24 --- .2 guest --- 198.18.2.0/24 --- .10 hostB
#                                   Simplon                  vec0 libreswan vec1
#                                                            openiked
# The guest's two ports are TAPs of the namespace gwB, bridged with the wires that site.sh lays to it.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
peer=$1
case $peer in
  libreswan) daemon=/usr/libexec/ipsec/pluto esp=aes128gcm16-x25519 ;;
  # On Linux it speaks PF_KEY, which has no GCM, and whose SHA2-256 is cut to 96 bits where RFC 4868 has 128.
  openiked) daemon=/usr/sbin/iked esp=aes128-sha512-x25519 ;;
  *) echo "usage: guest_peer_test.sh libreswan|openiked"; exit 2 ;;
esac
[ -x "$daemon" ] || skip "there is no $daemon here: run me by tests/lab/debian13.sh in"
command -v linux.uml >/dev/null || skip "there is no user-mode-linux"
lab_begin "$peer"
dir=$run/guest
mkdir "$dir"
site_up

simplon_yaml() {
  site_simplon_ports gwA
  site_secrets gwA
  cat <<YAML
connections:
  sites:
    local: {address: 198.51.100.1, id: a.example}
    remote: {address: 198.51.100.2, id: b.example}
    auth: psk
    proposals: [aes128gcm16-prfsha256-x25519]
    children:
      net:
        local_ts: [198.18.1.0/24]
        remote_ts: [198.18.2.0/24]
        esp_proposals: [$esp]
        start: none
YAML
}

# What the guest does before it takes orders.
guest_begin() {
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
  "${peer}_begin"
}

libreswan_begin() {
  cat <<SH
cat >/etc/ipsec.conf <<'CONF'
config setup
  logfile=$dir/peer.log
conn sites
  left=198.51.100.2
  leftid=@b.example
  leftsubnet=198.18.2.0/24
  right=198.51.100.1
  rightid=@a.example
  rightsubnet=198.18.1.0/24
  authby=secret
  ike=aes_gcm128-sha2_256-dh31
  esp=aes_gcm128-none-dh31
  auto=add
CONF
echo '@a.example @b.example : PSK "a-demonstration-secret-0123456789"' >/etc/ipsec.secrets
chmod 600 /etc/ipsec.secrets
ipsec checknss
$daemon --config /etc/ipsec.conf --logfile $dir/peer.log
for ((i = 0; i < 100; i++)); do ipsec whack --status >/dev/null 2>&1 && break; sleep 0.1; done
ipsec add sites
SH
}

openiked_begin() {
  cat <<SH
cat >/etc/iked.conf <<'CONF'
ikev2 "sites" passive esp from 198.18.2.0/24 to 198.18.1.0/24 local 198.51.100.2 peer 198.51.100.1 \\
  ikesa enc aes-128-gcm prf hmac-sha2-256 group curve25519 \\
  childsa enc aes-128 auth hmac-sha2-512 group curve25519 noesn \\
  srcid b.example dstid a.example lifetime 20 \\
  psk "a-demonstration-secret-0123456789"
CONF
chmod 600 /etc/iked.conf
mkdir -p /etc/iked/private
openssl ecparam -genkey -name prime256v1 -noout -out /etc/iked/private/local.key 2>/dev/null
iked -d -v >$dir/peer.log 2>&1 &
for ((i = 0; i < 100; i++)); do [ -S /run/iked.sock ] && break; sleep 0.1; done
SH
}

guest_start() {
  { guest_begin; guest_orders; } >"$run/guest.sh"
  cp "$run/guest.sh" "$dir/"
  start gwB guest "$here/../uml/uml-run" -t 250 -m 384M -w "$dir" -n tap-wan -n tap-lan -- bash "$dir/guest.sh"
  guest_ready 60
}

children() { ctl gwA sas --json | tr -d ' \n' | grep -o '"spi-in":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
ike_spis() { ctl gwA sas --json | tr -d ' \n' | grep -o '"initiator-spi":"[0-9a-f]*"' | sort -u | tr '\n' ' '; }
changed() { local now; now=$($1); [ -n "$now" ] && [ "$now" != "$2" ] && [ "$(wc -w <<<"$now")" = 1 ]; }
both_ways() {
  ok "pings A to B ($1)" site_pings hostA 198.18.2.10
  ok "pings B to A ($1)" site_pings hostB 198.18.1.10
}

# Who rekeys, by what; a ping runs meanwhile.
rekeyed() { # TITLE WHAT COMMAND...
  local title=$1 what=$2 before; shift 2
  before=$($what)
  ping_begin hostA 198.18.2.10
  ok "$title" "$@"
  ok "$title: new ones took over" wait_for 45 changed "$what" "$before"
  sleep 1 # the ping goes on over the new SAs
  ok "$title: no packet lost" no_gap
  ok "$title: pings go on" wait_for 10 site_pings hostB 198.18.1.10
}

# What a guest on a busy machine still has on its way when ping ends is not lost, up to three packets: of what came back,
# none is missing. (ping_end's own verdict knows of one on its way.)
no_gap() {
  ping_end
  local sent= got=
  read -r sent got < <(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$run/long-ping.log")
  [ -n "$sent" ] && [ $((sent - got)) -le $((${may_lose:-0} + 3)) ] || { echo "$got of ${sent:-no} packets came back"; return 1; }
  sed -n 's/.* bytes from .*icmp_seq=\([0-9]*\).*/\1/p' "$run/long-ping.log" | sort -nu |
    awk -v may="${may_lose:-0}" '{last = $1} END {print last - NR " lost of " last; exit NR < 5 || last - NR > may}'
}

guest_port gwB wan0 tap-wan
guest_port gwB lan0 tap-lan
simplon_yaml >"$run/gwA.yaml"
simplon_start gwA || exit 1
guest_start || { failed=1; lab_end; }

ok "Simplon initiates to $peer" ctl gwA initiate sites net
ok "one child is up" wait_for 10 changed children none
[ $failed = 0 ] || { cp "$dir/peer.log" "$run/peer.log"; lab_end; }
both_ways "Simplon initiated"
rekeyed "Simplon rekeys the child" children ctl gwA rekey --child net
rekeyed "Simplon rekeys the IKE SA" ike_spis ctl gwA rekey --ike sites
case $peer in
  libreswan)
    rekeyed "libreswan rekeys the child" children guest ipsec whack --rekey-child --name sites
    rekeyed "libreswan rekeys the IKE SA" ike_spis guest ipsec whack --rekey-ike --name sites
    ok "Simplon terminates" ctl gwA terminate --ike sites
    ok "libreswan initiates" guest ipsec up sites ;;
  openiked)
    # It has no order for it, but a lifetime of 20 s. As the initiator it deletes the old SA before it has the new one
    # installed, so the one packet may be lost that comes between.
    may_lose=1 rekeyed "openiked rekeys the child" children true ;;
esac
ctl gwA drops
[ $peer = openiked ] || { ok "one child is up again" wait_for 20 changed children none; both_ways "$peer initiated"; }
cp "$dir/peer.log" "$run/peer.log" 2>/dev/null
lab_end
