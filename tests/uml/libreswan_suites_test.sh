#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What IKE agrees on with libreswan: every cipher, every integrity algorithm, AH with each of them, ESN in every second of them;
# transport mode of ESP and AH. Each child is made by either side; pings cross in all, both ways. libreswan leaves the packets to
# Linux, in User Mode Linux; Simplon's data path does its own.
#
#   hostA 198.18.1.N --- gwA 198.51.100.1 ----- 198.51.100.2 guest, lo 198.18.2.N     child N in tunnel mode
#                        Simplon 198.51.100.31 - 198.51.100.32 libreswan              those of AH
#                            198.51.100.11 ----- 198.51.100.12                        ESP in transport mode
#                            198.51.100.21 ----- 198.51.100.22                        AH in transport mode
# As responder libreswan compares what is offered for another child with the proposals of the connection that the IKE SA began
# with: the first child of each has all of them.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
source "$here/libreswan.sh"
[ -n "${GUEST_IN:-}" ] || [ -x "$libreswan" ] || skip "there is no $libreswan here: run me by tests/lab/debian13.sh in"
command -v linux.uml >/dev/null || skip "there is no user-mode-linux"
lab_begin lsuites
dir=$run/guest patience=100
mkdir "$dir"
site_up

first=100 # of N
suites=(aes{128,192,256}gcm{16,12,8} aes{128,256}ccm{16,12,8} chacha20poly1305 aes{128,192,256}gmac aes{128,192,256}-sha256
  aes{128,192,256}ctr-sha256 null-sha256 3des-sha256 aes128-{sha384,sha512,sha1,aesxcbc,aescmac,md5}
  ah:sha256 ah:sha384 ah:sha512 ah:sha1 ah:aesxcbc ah:aescmac ah:md5)
echo "   libreswan has no DES, none of RFC 8750, and none of AES-GMAC for AH; Simplon's data path no Camellia and no AES-CCM-192"
# NAME PROTOCOL SUITE ESN MODE OURS THEIRS, and the ends of the IKE SA
rows=()
for suite in "${suites[@]}"; do
  n=$((${#rows[@]} + 1)) protocol=esp esn=off name=n$n ends="198.51.100.1 198.51.100.2"
  [[ $suite = ah:* ]] && protocol=ah suite=${suite#ah:} name=a$n ends="198.51.100.31 198.51.100.32"
  [ $((n % 2)) = 0 ] && esn=require
  rows+=("$name $protocol $suite $esn tunnel 198.18.1.$((first + n)) 198.18.2.$((first + n)) $ends")
done
tunnels=${#rows[@]}
rows+=("t1 esp aes128gcm16 off transport 198.51.100.11 198.51.100.12 198.51.100.11 198.51.100.12"
  "t2 ah sha384 require transport 198.51.100.21 198.51.100.22 198.51.100.21 198.51.100.22")

their_name() { # of a suite
  local out= part bits
  for part in ${1//-/ }; do
    bits=${part:3:3}
    case $part in
      aes*gcm*) out+=-aes_gcm_${part##*gcm}_$bits ;;
      aes*ccm*) out+=-aes_ccm_${part##*ccm}_$bits ;;
      aes*gmac) out+=-null_auth_aes_gmac_$bits ;;
      aes*ctr) out+=-aes_ctr$bits ;;
      aesxcbc) out+=-aes_xcbc ;;
      aescmac) out+=-aes_cmac ;;
      chacha*) out+=-chacha20_poly1305 ;;
      sha256 | sha384 | sha512) out+=-sha2_${part#sha} ;;
      *) out+=-$part ;;
    esac
  done
  echo "${out#-}"
}
all_of() { # esp|ah : all suites of the table
  local suite out=
  for suite in "${suites[@]}"; do
    case $1:$suite in
      ah:ah:*) out+=,$(their_name "${suite#ah:}") ;;
      esp:ah:*) ;;
      esp:*) out+=,$(their_name "$suite") ;;
    esac
  done
  echo "${out#,}"
}
connection_of() { case $1 in n*) echo sites ;; a*) echo ah ;; *) echo "$1" ;; esac; }
simplon_child() { # FIELDS OF A ROW
  local ts="local_ts: $6, remote_ts: $7, "
  [ "$5" = tunnel ] || ts=
  echo "$1: {mode: $5, $ts$2_proposals: [$3], esn: $4, start: none}"
}
{
  echo "legacy: allow"
  site_simplon_ports gwA | sed 's|198.51.100.1/24|&, 198.51.100.11/24, 198.51.100.21/24, 198.51.100.31/24|'
  site_secrets gwA
  echo "connections:"
  last=
  for row in "${rows[@]}"; do
    set -- $row
    [ "$(connection_of "$1")" = "$last" ] || cat <<YAML
  $(connection_of "$1"):
    local: {address: $8, id: a.example}
    remote: {address: $9, id: b.example}
    proposals: [aes128gcm16-prfsha256-x25519]
    children:
YAML
    last=$(connection_of "$1")
    echo "      $(simplon_child "$@")"
  done
} >"$run/gwA.yaml"
"$build/simplond" --check "$run/gwA.yaml" || exit 1

guest_port gwB wan0 tap0
{
  cat <<SH
ethtool -K vec0 tx off rx off tso off gso off gro off >/dev/null 2>&1
ip link set vec0 up
for n in 2 12 22 32; do ip addr add 198.51.100.\$n/24 dev vec0; done
for ((n = 1; n <= $tunnels; n++)); do ip addr add 198.18.2.\$(($first + n))/32 dev lo; done
ip route add 198.18.1.0/24 via 198.51.100.1
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.vec0.rp_filter=0
modprobe -a esp4 ah4 ccm ctr gcm chacha20poly1305 cmac xcbc des_generic md5 sha1 sha512 authenc authencesn echainiv seqiv 2>/dev/null
cat >/etc/ipsec.conf <<'CONF'
config setup
  logfile=$dir/peer.log
SH
  last=
  for row in "${rows[@]}"; do
    set -- $row
    proposals=$(their_name "$3") esn=no
    [ "$4" = off ] || esn=yes
    [ "$5:$(connection_of "$1")" = "tunnel:$last" ] || [ "$5" = transport ] || proposals=$(all_of "$2") esn=either
    last=$(connection_of "$1")
    cat <<CONF
conn $1
  left=$9
  leftid=@b.example
  right=$8
  rightid=@a.example
  $([ "$5" = tunnel ] && printf 'leftsubnet=%s/32\n  rightsubnet=%s/32' "$7" "$6" || echo type=transport)
  authby=secret
  ike=aes_gcm128-sha2_256-dh31
  phase2=$2
  $2=$proposals
  esn=$esn
  pfs=no
  auto=add
CONF
  done
  cat <<SH
CONF
echo '@a.example @b.example : PSK "a-demonstration-secret-0123456789"' >/etc/ipsec.secrets
chmod 600 /etc/ipsec.secrets
ipsec checknss
$libreswan --config /etc/ipsec.conf --logfile $dir/peer.log
for ((i = 0; i < 100; i++)); do ipsec whack --status >/dev/null 2>&1 && break; sleep 0.1; done
for name in $(printf '%s\n' "${rows[@]}" | cut -d' ' -f1 | tr '\n' ' '); do ipsec add \$name; done
SH
  guest_orders
} >"$dir/guest.sh"
start gwB guest ${GUEST_IN:-} "$here/../uml/uml-run" -t 860 -m 384M -w "$run" -n tap0 -- bash "$dir/guest.sh"
for ((n = 1; n <= tunnels; n++)); do ip -n "$lab-hostA" addr add "198.18.1.$((first + n))/32" dev eth0; done
simplon_start gwA || exit 1
guest_ready 90 || exit 1

installed() { ctl gwA sas | grep -E "^ *$1 #.*INSTALLED" | wc -l; }
pings() { # FROM OUR-ADDRESS THEIRS
  on "$1" ping -q -c 2 -i 0.1 -W 5 -I "$2" "$3" | grep -q ' 2 received' &&
    guest "ping -q -c 2 -i 0.1 -W 5 -I $3 $2" | grep -q ' 2 received'
}
# A child of each row, made by one side; all of them are up at once.
all_rows() { # WHO
  local row name ours theirs from who=$1
  for row in "${rows[@]}"; do
    set -- $row
    if [ "$who" = Simplon ]; then ctl gwA initiate "$(connection_of "$1")" "$1"; else guest "timeout 30 ipsec up $1"; fi >"$run/initiate.$1" 2>&1 ||
      { echo "$1, $3:"; tail -n 3 "$run/initiate.$1"; }
  done
  for row in "${rows[@]}"; do
    set -- $row
    name=$1 ours=$6 theirs=$7 from=hostA
    [ "$5" = tunnel ] || from=gwA
    ok "$who initiates: $2 $3, $5 mode, ESN $4" eval 'test "$(installed $name)" = 1 && wait_for 60 pings $from $ours $theirs'
  done
}
all_rows Simplon
ok "Simplon deletes all of them" eval 'for c in sites ah t1 t2; do ctl gwA terminate --ike $c; done; wait_for 30 tells_not gwA INSTALLED sas'
all_rows libreswan
cp "$dir/peer.log" "$run/peer.log"
lab_end
