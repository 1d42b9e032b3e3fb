#!/bin/bash
# The layering, by what files include (the link targets hold it too): base knows the standard library, dp adds DPDK, ike
# adds OpenSSL in its crypto files, ctrl may use all, but yaml-cpp, spdlog and memory orders have one home each.
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
bad=0
forbid() { # WHY PATTERN FILES...
  local why=$1 pattern=$2 found; shift 2
  [ $# -gt 0 ] || { echo "no files to check: $why"; bad=1; return; }
  found=$(grep -nE "$pattern" "$@" /dev/null) && { printf '%s:\n%s\n' "$why" "$found"; bad=1; }
}
files() { find "$@" -name '*.h' -o -name '*.cpp' | sort; }
base=$(find dp/base -name '*.h' -o -name '*.cpp')
dp=$(find dp -path dp/base -prune -o \( -name '*.h' -o -name '*.cpp' \) -print)
ike=$(files ike)
ctrl=$(files ctrl)
inc='^#include *[<"]'
forbid "dp/base includes only std and itself" "$inc(rte_|openssl/|yaml-cpp/|spdlog/|ike/|ctrl/|dp/[^b]|dp/b[^a])" $base
forbid "dp includes only std, base, dp and rte_*" "$inc(openssl/|yaml-cpp/|spdlog/|ike/|ctrl/|libmnl|nftables)" $dp
forbid "ike never includes rte_*, dp/, ctrl/, sockets or threads" \
  "$inc(rte_|dp/[^b]|dp/b[^a]|ctrl/|yaml-cpp/|spdlog/|sys/socket|netinet/|thread|mutex|atomic)" $ike
forbid "ike never reads a clock" 'clock::now\(|clock_gettime|gettimeofday|[^_a-z]time\(nullptr\)' $ike
forbid "OpenSSL only in ike's crypto files" "${inc}openssl/" $(grep -LE '^// OpenSSL lives here' $ike)
forbid "OpenSSL is not ctrl's business, but for its version" "${inc}openssl/" $(ls ctrl/*.h ctrl/*.cpp | grep -v -e simplond.cpp -e version.cpp)
forbid "yaml-cpp only in ctrl/config*.cpp" "${inc}yaml-cpp/" $(ls ctrl/*.h ctrl/*.cpp | grep -v '^ctrl/config')
forbid "spdlog only in ctrl/log.cpp" "${inc}spdlog/" $(echo "$ctrl" | grep -v '^ctrl/log.cpp$')
forbid "memory orders only in dp/published.h (relaxed counters aside)" \
  'memory_order_(acquire|release|acq_rel|seq_cst|consume)|__ATOMIC_(ACQUIRE|RELEASE|ACQ_REL|SEQ_CST)' \
  $(echo "$dp" "$base" "$ike" "$ctrl" | tr ' ' '\n' | grep -v '^dp/published.h$')
forbid "no path of a build machine, no issue numbers" '/home/|/wor[k]/' $base $dp $ike $ctrl
[ $bad = 0 ] && echo "includes: the layering holds over $(echo $base $dp $ike $ctrl | wc -w) files"
exit $bad
