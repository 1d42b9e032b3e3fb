#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ./simplon bench: see report.py for what is measured and how it is printed.
cd "$(dirname "$(realpath "$0")")/.." || exit 1
secgw=
for a in "$@"; do
  case $a in
    secgw) secgw=$(perf/secgw_build.sh) ;;
    debian13) tests/lab/debian13.sh run ./simplon build simplon-bench || exit 1 ;;
  esac
done
SIMPLON_SECGW=$secgw exec python3 perf/report.py "$@"
