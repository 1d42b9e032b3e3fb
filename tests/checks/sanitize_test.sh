#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitize_test.sh address|thread TARGETS...: builds the targets with the sanitizer and runs them; a report fails the test.
set -u
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
kind=$1; shift
source tests/checks/tree.sh
case $kind in
  address) fuzz_build "$@"; runtime=__asan_init ;;
  thread) tree_build tsan -- "$@"; runtime=__tsan_init ;;
  *) exit 2 ;;
esac
export TSAN_OPTIONS=halt_on_error=1
for target in "$@"; do
  nm "$build/tests/$target" | grep -q " $runtime" || { echo "$target was built without the $kind sanitizer"; exit 1; }
  # DPDK keeps what it allocated until the process ends: leaks are looked for in the binaries that do not start it.
  export ASAN_OPTIONS=detect_leaks=$([ "$target" = dp_test ] && echo 0 || echo 1):strict_string_checks=1
  tests/checks/unit.sh "$build/tests/$target" || { echo "$target fails under the $kind sanitizer"; exit 1; }
done
