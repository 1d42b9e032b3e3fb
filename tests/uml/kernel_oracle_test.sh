#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The kernel as the oracle: gateway A is Simplon's data path, gateway B a Linux kernel in User Mode Linux that knows nothing
# of Simplon; both get their SAs by hand. ESP and AH, tunnel and transport mode, IPv4 and IPv6 inside and outside; for every
# suite (all of ESP once, of the other rows those that take another way through the code), without and with extended sequence
# numbers: pings both ways, and packets of 1,300 octets.
#
#   hostA .10 --- 198.18.1.0/24 --- gwA .1 --- 198.51.100.0/24 ------ .2 guest --- 198.18.2.1
#           2001:db8:a::/64         Simplon    2001:db8:ffff::/64  vec0 Linux    (lo, 2001:db8:b::1)
# Transport mode is between the gateway itself and the guest.
# What the kernel cannot do, or IPsec-MB, is in no row: the implicit IVs of RFC 8750; Camellia and AES-CCM-192.
source "$(dirname "$(realpath "$0")")/../lab/lab.sh"
source "$here/site.sh"
source "$here/guest.sh"
command -v linux.uml >/dev/null || skip "there is no user-mode-linux"
lab_begin oracle
dir=$run/guest
mkdir "$dir"
patience=100 # of an order to the guest, on a busy machine
site_up
{ echo 'legacy: allow'; site_simplon_ports gwA; } >"$run/gwA.yaml"
guest_port gwB wan0 tap0
{
  cat <<'SH'
ethtool -K vec0 tx off rx off tso off gso off gro off >/dev/null 2>&1
ip link set vec0 up
ip link set lo up
ip addr add 198.51.100.2/24 dev vec0
ip addr add 198.18.2.1/32 dev lo
ip route add 198.18.1.0/24 via 198.51.100.1 src 198.18.2.1
ip addr add 2001:db8:ffff::2/64 dev vec0 nodad
ip addr add 2001:db8:b::1/128 dev lo nodad
ip route add 2001:db8:a::/64 via 2001:db8:ffff::1 src 2001:db8:b::1
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.vec0.rp_filter=0
modprobe -a esp4 esp6 ah4 ah6 ccm ctr gcm chacha20poly1305 cmac xcbc des_generic authenc authencesn echainiv seqiv 2>/dev/null
SH
  guest_orders
} >"$dir/guest.sh"
start gwB guest "$here/../uml/uml-run" -t 1440 -m 384M -w "$dir" -n tap0 -- bash "$dir/guest.sh"
simplon_start gwA || exit 1
guest_ready 90 || exit 1

cipher=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223
integrity=404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f
des=0123456789abcdef23456789abcdef01456789abcdef0123
octets() { echo "0x${1:0:$((2 * $2))}"; } # HEX COUNT
kernel_cipher() { # CIPHER : what `ip xfrm` calls it, with its key
  local size=0
  [[ $1 =~ ^aes([0-9]+) ]] && size=$((BASH_REMATCH[1] / 8))
  case $1 in
    aes*gcm*) echo "aead rfc4106(gcm(aes)) $(octets $cipher $((size + 4))) $((8 * ${1##*gcm}))" ;;
    aes*ccm*) echo "aead rfc4309(ccm(aes)) $(octets $cipher $((size + 3))) $((8 * ${1##*ccm}))" ;;
    aes*gmac) echo "aead rfc4543(gcm(aes)) $(octets $cipher $((size + 4))) 128" ;;
    chacha*) echo "aead rfc7539esp(chacha20,poly1305) $(octets $cipher 36) 128" ;;
    aes*ctr) echo "enc rfc3686(ctr(aes)) $(octets $cipher $((size + 4)))" ;;
    null) echo "enc ecb(cipher_null) ''" ;;
    des) echo "enc cbc(des) $(octets $des 8)" ;;
    3des) echo "enc cbc(des3_ede) $(octets $des 24)" ;;
    aes*) echo "enc cbc(aes) $(octets $cipher "$size")" ;;
  esac
}
kernel_integrity() {
  case $1 in
    sha256) echo "auth-trunc hmac(sha256) $(octets $integrity 32) 128" ;;
    sha384) echo "auth-trunc hmac(sha384) $(octets $integrity 48) 192" ;;
    sha512) echo "auth-trunc hmac(sha512) $(octets $integrity 64) 256" ;;
    sha1) echo "auth-trunc hmac(sha1) $(octets $integrity 20) 96" ;;
    md5) echo "auth-trunc hmac(md5) $(octets $integrity 16) 96" ;;
    aesxcbc) echo "auth-trunc xcbc(aes) $(octets $integrity 16) 96" ;;
    aescmac) echo "auth-trunc cmac(aes) $(octets $integrity 16) 96" ;;
  esac
}
# "aead 'rfc4106(gcm(aes))' KEY ICV" for a shell: the names have brackets.
quoted() { sed -E "s/ ([a-z0-9]+\([^ ]*) / '\1' /g"; }
key_of() { kernel_cipher "$1" | awk '{print $3}' | sed "s/^0x//; s/^''$//"; }
# Which SAs: protocol, mode, and the addresses of policy and SA; PROTOCOL MODE 4|6 of the outer, 4|6 of the inner packet.
shape() {
  protocol=$1 mode=$2 outer=$3 inner=$4
  if [ $outer = 4 ]; then a=198.51.100.1 b=198.51.100.2; else a=2001:db8:ffff::1 b=2001:db8:ffff::2; fi
  if [ $inner = 4 ]; then ours=198.18.1.0/24 theirs=198.18.2.0/24 to=198.18.2.1; else ours=2001:db8:a::/64 theirs=2001:db8:b::/64 to=2001:db8:b::1; fi
  ping_from=hostA
  [ $mode = tunnel ] || { ours=$a theirs=$b to=$b ping_from=gwA; }
}
spi=$((0x1000))
sas() { # SUITE off|on
  local of=${1%%-*} with=${1#*-} key integ=() flags="replay-window 64" algorithms
  [ $protocol = ah ] && of= with=$1
  [ "$with" = "$of" ] && with=
  key=$(key_of "$of")
  [ -z "$key" ] || key="--key $key"
  [ -z "$with" ] || integ=(--integ-key "$(kernel_integrity "$with" | awk '{print $3}' | sed s/0x//)")
  [ "$2" = on ] && flags="replay-window 64 flag esn"
  # The kernel fills AH up to 64 bits over IPv4 too, unless it is told not to.
  [ $protocol$outer = ah4 ] && flags+=" flag align4"
  [ $outer = $inner ] || flags+=" flag af-unspec"
  algorithms=$( { kernel_cipher "$of"; [ -z "$with" ] || kernel_integrity "$with"; } | tr '\n' ' ' | quoted)
  spi=$((spi + 2))
  ctl gwA sa add --direction out --spi $spi --source $a --destination $b --suite "$1" $key "${integ[@]}" --policy p --esn "$2" &&
    ctl gwA sa add --direction in --spi $((spi + 1)) --source $b --destination $a --suite "$1" $key "${integ[@]}" \
      --policy p --esn "$2" || return 1
  guest "ip xfrm state flush; set -e
    ip xfrm state add src $a dst $b proto $protocol spi $spi reqid 1 mode $mode $algorithms $flags
    ip xfrm state add src $b dst $a proto $protocol spi $((spi + 1)) reqid 1 mode $mode $algorithms $flags"
}
no_sas() { ctl gwA sa remove --spi $spi && ctl gwA sa remove --spi $((spi + 1)); }
crosses() {
  on $ping_from ping -q -c 3 -i 0.05 -W 5 $to | grep -q ' 3 received' &&
    on $ping_from ping -q -c 1 -s $((inner == 4 ? 1272 : 1252)) -W 5 $to | grep -q ' 1 received'
}
policies() {
  ctl gwA policy add p --action protect --protocol $protocol --mode $mode --local-ts $ours --remote-ts $theirs || return 1
  local ends="tmpl src $a dst $b" back="tmpl src $b dst $a" of="proto $protocol reqid 1 mode $mode"
  guest "ip xfrm policy flush; set -e
    for d in in fwd; do ip xfrm policy add src $ours dst $theirs dir \$d $ends $of; done
    ip xfrm policy add src $theirs dst $ours dir out $back $of"
}
all_suites=(aes128gcm16 aes192gcm16 aes256gcm16 aes128gcm12 aes128gcm8 aes128ccm16 aes256ccm12 aes128ccm8 chacha20poly1305 aes128gmac
  aes192gmac aes256gmac aes128-sha256 aes192-sha384 aes256-sha512 aes128-sha1 aes128-aesxcbc aes128-aescmac aes128ctr-sha256
  aes256ctr-sha1 null-sha256 null-sha1 3des-sha1 des-md5)
some_suites=(aes128gcm16 chacha20poly1305 aes128gmac aes256-sha512 aes128ctr-sha256 null-sha256 des-md5)
ah_suites=(sha256 sha384 sha512 sha1 aesxcbc aescmac md5)
rows=("esp tunnel 4 4" "esp tunnel 6 6" "esp tunnel 4 6" "esp tunnel 6 4" "esp transport 4 4" "esp transport 6 6" "ah tunnel 4 4"
  "ah tunnel 6 6" "ah tunnel 4 6" "ah tunnel 6 4" "ah transport 4 4" "ah transport 6 6")
for row in "${rows[@]}"; do
  shape $row
  ok "$row: the policies of both ends" policies
  suites=("${some_suites[@]}")
  [ "$row" = "esp tunnel 4 4" ] && suites=("${all_suites[@]}")
  [ $protocol = ah ] && suites=("${ah_suites[@]}")
  [ $outer = $inner ] || suites=("${suites[@]:0:2}")
  for suite in "${suites[@]}"; do
    for esn in off on; do
      ok "$row, $suite, ESN $esn" eval 'sas "$suite" $esn && wait_for 10 crosses'
      no_sas >/dev/null || ok "$suite is removed" false
    done
  done
  ok "$row: without the SAs nothing crosses" eval '! crosses'
  ctl gwA policy remove p >/dev/null
done

# A bundle: ESP in a tunnel, inside AH. In transport mode the kernel takes inner packets of AH's own family alone.
bundle() { # with ESN as $esn says
  local flags="replay-window 64" ah_flags="" encr integ way
  [ $esn = on ] && flags+=" flag esn"
  [ $outer = $inner ] || flags+=" flag af-unspec"
  [ $outer = 4 ] && ah_flags="flag align4"
  encr=$(kernel_cipher aes128gcm16 | quoted) integ=$(kernel_integrity sha256 | quoted)
  spi=$((spi + 4))
  for way in "out $spi $a $b" "in $((spi + 1)) $b $a"; do
    set -- $way
    ctl gwA sa add --direction $1 --spi $2 --source $3 --destination $4 --suite aes128gcm16 --key "$(printf %04x $spi)$(key_of aes128gcm16 | cut -c5-)" \
      --policy inside --esn $esn &&
      ctl gwA sa add --direction $1 --spi $(($2 + 2)) --source $3 --destination $4 --suite sha256 --policy outside --esn $esn \
        --integ-key "$(kernel_integrity sha256 | awk '{print $3}' | sed s/0x//)" || return 1
  done
  encr=${encr/0x0001/0x$(printf %04x $spi)}
  guest "ip xfrm state flush; ip xfrm policy flush; set -e
    for n in 0 1; do
      [ \$n = 0 ] && ends='src $a dst $b' || ends='src $b dst $a'
      ip xfrm state add \$ends proto esp spi \$(($spi + n)) reqid 1 mode tunnel $encr $flags
      ip xfrm state add \$ends proto ah spi \$(($spi + 2 + n)) reqid 2 mode $around $integ $flags $ah_flags
    done
    for d in in fwd; do ip xfrm policy add src $ours dst $theirs dir \$d tmpl src $a dst $b proto esp reqid 1 mode tunnel \
      tmpl src $a dst $b proto ah reqid 2 mode $around; done
    ip xfrm policy add src $theirs dst $ours dir out tmpl src $b dst $a proto esp reqid 1 mode tunnel \
      tmpl src $b dst $a proto ah reqid 2 mode $around"
}
bundle_crosses() { crosses && on $ping_from ping -q -c 1 -s $((inner == 4 ? 1372 : 1352)) -W 5 $to | grep -q ' 1 received'; } # 1,400 octets
for row in "4 4 transport" "6 6 transport" "4 6 tunnel" "6 4 tunnel"; do
  read -r out in around <<<"$row"
  shape esp tunnel $out $in
  title="a bundle of ESP inside AH in $around mode, IPv$in in IPv$out"
  ok "$title: its policies" eval 'ctl gwA policy add outside --action protect --protocol ah --mode $around --local-ts "$a[50]" \
    --remote-ts "$b[50]" && ctl gwA policy add inside --action protect --local-ts $ours --remote-ts $theirs --over outside'
  for esn in off on; do
    ok "$title, ESN $esn" eval 'bundle && wait_for 10 bundle_crosses'
    old=$spi
    ok "... other SAs take over" eval 'bundle && wait_for 10 bundle_crosses'
    for n in 0 1 2 3; do ctl gwA sa remove --spi $((old + n)) >/dev/null; done
    ok "... alone" wait_for 10 crosses
    ok "... not without AH" eval 'ctl gwA sa remove --spi $((spi + 2)) && ! crosses'
    for n in 0 1 3; do ctl gwA sa remove --spi $((spi + n)) >/dev/null; done
  done
  for policy in inside outside; do ctl gwA policy remove $policy >/dev/null; done
done
stop guest
lab_end
