#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ./simplon bench: see report.py for what is measured and how it is printed.
cd "$(dirname "$(realpath "$0")")/.." || exit 1
secgw=
for a in "$@"; do [ "$a" = secgw ] && secgw=$(perf/secgw_build.sh); done
SIMPLON_SECGW=$secgw exec python3 perf/report.py "$@"
