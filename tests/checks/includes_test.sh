#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The layering, by what files include (the link targets hold it too). The rooms stand below in their order: a file includes
# its own room and those before it, so no circle can arise; dp and ike never know each other, and yaml-cpp, spdlog, OpenSSL
# and the memory orders have one home each.
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
bad=0
rooms=(dp/base dp/packet dp/sa dp/crypto dp/ipsec dp/tables dp/worker dp/device
  ike/message ike/pad ike/crypto ike/eap ike/auth ike/sa ike/feature ike/exchange ike/endpoint
  ctrl/vici ctrl/console ctrl/runtime ctrl/fetch ctrl/linux ctrl/backend ctrl/backend/xfrm ctrl/guard ctrl/config ctrl/radius ctrl/install ctrl/follow
  ctrl/manage/commands ctrl/manage ctrl/gateway)
mapfile -t all < <(find dp ike ctrl -name '*.h' -o -name '*.cpp' | sort)
[ ${#all[@]} -gt 100 ] || { echo "only ${#all[@]} files found"; exit 1; }
layering() { # FILES...
  printf '%s\n' "${rooms[@]}" | awk '
    FNR == NR { place[$0] = NR; next }
    FNR == 1 { room = FILENAME; sub("/[^/]*$", "", room)
      if (!(room in place)) { print room ": a folder that tests/checks/includes_test.sh does not know; give it its place"; bad = 1 } }
    /^#include "/ { split($0, part, "\""); other = part[2]; sub("/[^/]*$", "", other)
      if (!(other in place)) { print FILENAME ":" FNR ": " part[2] " is in no room"; bad = 1 }
      else if (place[other] > place[room]) { print FILENAME ":" FNR ": " room " must not include " part[2]; bad = 1 } }
    END { exit bad }' - "$@"
}
layering "${all[@]}" || bad=1
# Every rule must find what is planted for it.
planted=$(mktemp -d) || exit 1
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted/dp/packet"
for other in dp/worker/worker.h elsewhere/x.h; do
  printf '#include "%s"\n' $other >"$planted/dp/packet/planted.h"
  (cd "$planted" && layering dp/packet/planted.h >/dev/null) && { echo "the layering does not see $other planted in dp/packet"; bad=1; }
done

inc='^#include *[<"]'
forbid() { # WHY PATTERN EXAMPLE FILES...
  local why=$1 pattern=$2 found
  grep -qE "$pattern" <<<"$3" || { echo "'$3' is not found by: $why"; bad=1; }
  shift 3
  [ $# -gt 0 ] || { echo "no files to check: $why"; bad=1; return; }
  found=$(grep -nE "$pattern" "$@" /dev/null) && { printf '%s:\n%s\n' "$why" "$found"; bad=1; }
}
in_rooms() { printf '%s\n' "${all[@]}" | grep -E "$1"; }
but() { printf '%s\n' "${all[@]}" | grep -E "$1" | grep -vE "$2"; }
forbid "dp/base includes only std and itself" "$inc(rte_|openssl/|yaml-cpp/|spdlog/)" '#include <rte_mbuf.h>' $(in_rooms '^dp/base/')
forbid "dp includes only std, base, dp, rte_* and IPsec-MB" "$inc(openssl/|yaml-cpp/|spdlog/|ike/|ctrl/|libmnl|nftables)" '#include "ike/sa/ike_sa.h"' $(in_rooms '^dp/')
forbid "ike never includes rte_*, the rest of dp/, sockets or threads" \
  "$inc(rte_|dp/[^b]|dp/b[^a]|ctrl/|yaml-cpp/|spdlog/|sys/socket|netinet/|thread|mutex|atomic)" '#include <thread>' $(in_rooms '^ike/' | grep -vx ike/crypto/signing_key.h)
forbid "of ike the console knows what makes certificates alone" "${inc}ike/(crypto/[^i]|crypto/i[^s]|[^c])" '#include "ike/crypto/keys.h"' \
  $(in_rooms '^ctrl/console/')
forbid "ike never reads a clock" 'clock::now\(|clock_gettime|gettimeofday|[^_a-z]time\(nullptr\)' 'std::chrono::steady_clock::now()' $(in_rooms '^ike/')
forbid "OpenSSL only in ike/crypto, and for its version" "${inc}openssl/" '#include <openssl/evp.h>' \
  $(but '.' '^ike/crypto/|^ctrl/runtime/version.cpp|^ctrl/gateway/simplond.cpp')
forbid "yaml-cpp only in ctrl/config" "${inc}yaml-cpp/" '#include <yaml-cpp/yaml.h>' $(but '.' '^ctrl/config/')
forbid "spdlog only in ctrl/runtime/log.cpp" "${inc}spdlog/" '#include <spdlog/spdlog.h>' $(but '.' '^ctrl/runtime/log.cpp$')
forbid "memory orders only in dp/base/published.h (relaxed counters aside)" \
  'memory_order_(acquire|release|acq_rel|seq_cst|consume)|__ATOMIC_(ACQUIRE|RELEASE|ACQ_REL|SEQ_CST)' 'std::memory_order_acquire' \
  $(but '.' '^dp/base/published.h$')
mapfile -t texts < <(find tests docs perf conf -type f -not -path '*/__pycache__/*' | sort; ls ./*.md)
[ ${#texts[@]} -gt 150 ] || { echo "only ${#texts[@]} texts found"; bad=1; }
# Written so that this file itself has neither.
forbid "no path of a build machine" '/hom[e]/|/wor[k]/' '/home'/somebody "${all[@]}" "${texts[@]}"
forbid "no issue numbers" '(^|[^&@[:alnum:]])#[0-9]{2,}\b' 'see #'12 "${all[@]}" "${texts[@]}"
[ $bad = 0 ] && echo "includes: the layering holds over ${#all[@]} files in ${#rooms[@]} rooms"
exit $bad
