#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# unit.sh BINARY: runs a GoogleTest binary; it fails too when no case ran, or one was skipped (unless SIMPLON_MAY_SKIP=1).
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
"$1" --gtest_brief=1 2>&1 | tee "$out"
status=${PIPESTATUS[0]}
[ "$status" = 0 ] || exit "$status"
grep -qE '^\[  PASSED  \] [1-9][0-9]* tests?\.' "$out" || { echo "no case ran"; exit 1; }
skipped=$(grep -c '^\[  SKIPPED \] [0-9]* test' "$out")
[ "$skipped" = 0 ] || [ -n "${SIMPLON_MAY_SKIP:-}" ] || { echo "cases were skipped; SIMPLON_MAY_SKIP=1 lets them be"; exit 1; }
