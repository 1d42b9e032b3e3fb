#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitize_test.sh address|thread TARGETS...: builds the targets with the sanitizer and runs them; a report fails the test.
set -u
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
kind=$1; shift
thread_build() {
  build=${SIMPLON_BUILD:-$PWD/build}/thread log=${SIMPLON_BUILD:-$PWD/build}/log
  mkdir -p "$log"
  [ -f "$build/build.ninja" ] || cmake --preset tsan -B "$build" >"$log/thread-configure.log" 2>&1 ||
    { tail -n 20 "$log/thread-configure.log"; exit 1; }
  ninja -C "$build" "$@" >"$log/thread-compile.log" 2>&1 ||
    { grep -E -A10 'FAILED|error' "$log/thread-compile.log" | head -n 60; exit 1; }
}
case $kind in
  address) source tests/checks/fuzz_tree.sh; fuzz_build "$@"; runtime=__asan_init ;;
  thread) thread_build "$@"; runtime=__tsan_init ;;
  *) exit 2 ;;
esac
export TSAN_OPTIONS=halt_on_error=1
for target in "$@"; do
  nm "$build/tests/$target" | grep -q " $runtime" || { echo "$target was built without the $kind sanitizer"; exit 1; }
  # DPDK keeps what it allocated until the process ends: leaks are looked for in the binaries that do not start it.
  export ASAN_OPTIONS=detect_leaks=$([ "$target" = dp_test ] && echo 0 || echo 1):strict_string_checks=1
  tests/checks/unit.sh "$build/tests/$target" || { echo "$target fails under the $kind sanitizer"; exit 1; }
done
