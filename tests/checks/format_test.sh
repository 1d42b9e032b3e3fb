#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Nobody discusses layout: clang-format does, and of one version, for each has a mind of its own.
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
printf 'int  f( ) {return 1 ;}\n' | clang-format-19 --assume-filename=planted.cpp --dry-run --Werror >/dev/null 2>&1 &&
  { echo "clang-format-19 does not find what was planted for it"; exit 1; }
mapfile -t files < <(find dp ike ctrl tests perf \( -name '*.h' -o -name '*.cpp' \) | sort)
[ ${#files[@]} -gt 200 ] || { echo "found only ${#files[@]} files"; exit 1; }
printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 40 clang-format-19 --dry-run --Werror &&
  echo "format: ${#files[@]} files as .clang-format wants them"
