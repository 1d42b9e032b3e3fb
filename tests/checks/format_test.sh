#!/bin/bash
# Nobody discusses layout: clang-format does.
cd "$(dirname "$(realpath "$0")")/../.." || exit 1
mapfile -t files < <(find dp ike ctrl tests perf \( -name '*.h' -o -name '*.cpp' \) | sort)
[ ${#files[@]} -gt 10 ] || { echo "found only ${#files[@]} files"; exit 1; }
clang-format --dry-run --Werror "${files[@]}" && echo "format: ${#files[@]} files as .clang-format wants them"
