// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <unistd.h>

#include "ctrl/runtime/isa.h"

namespace simplon::ctrl {
namespace {

struct Named {
  unsigned feature;
  const char* name;
};
// The most telling first: whoever lacks AVX lacks AVX2 as well.
constexpr Named kNames[] = {{kIsaAvx512f, "AVX-512F"},
                            {kIsaAvx512bw, "AVX-512BW"},
                            {kIsaAvx512dq, "AVX-512DQ"},
                            {kIsaAvx512vl, "AVX-512VL"},
                            {kIsaAvx2, "AVX2"},
                            {kIsaFma, "FMA"},
                            {kIsaBmi2, "BMI2"},
                            {kIsaBmi, "BMI"},
                            {kIsaAvx, "AVX"},
                            {kIsaSse42, "SSE4.2"},
                            {kIsaPopcnt, "POPCNT"}};

void say(const char* text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

void check(int argc, char** argv, char** /*environment*/) {
  const char* lacking = isa_lacking(kIsaNeeds, isa_here());
  if (lacking == nullptr) return;
  say(argc > 0 ? argv[0] : "simplon");
  say(": built for " SIMPLON_ISA ", and this processor lacks ");
  say(lacking);
  say("; build with -Disa=x86-64-v2, or what this processor is\n");
  _exit(1);
}

// Before the constructors of the program and of its libraries.
[[gnu::section(".preinit_array"), gnu::used]] void (*before_all)(int, char**, char**) = check;

}  // namespace

const char* isa_lacking(unsigned needs, unsigned has) {
  for (const Named& one : kNames)
    if ((needs & ~has & one.feature) != 0) return one.name;
  return nullptr;
}

unsigned isa_here() {
  __builtin_cpu_init();
  unsigned out = 0;
  if (__builtin_cpu_supports("popcnt")) out |= kIsaPopcnt;
  if (__builtin_cpu_supports("sse4.2")) out |= kIsaSse42;
  if (__builtin_cpu_supports("avx")) out |= kIsaAvx;
  if (__builtin_cpu_supports("avx2")) out |= kIsaAvx2;
  if (__builtin_cpu_supports("bmi")) out |= kIsaBmi;
  if (__builtin_cpu_supports("bmi2")) out |= kIsaBmi2;
  if (__builtin_cpu_supports("fma")) out |= kIsaFma;
  if (__builtin_cpu_supports("avx512f")) out |= kIsaAvx512f;
  if (__builtin_cpu_supports("avx512bw")) out |= kIsaAvx512bw;
  if (__builtin_cpu_supports("avx512dq")) out |= kIsaAvx512dq;
  if (__builtin_cpu_supports("avx512vl")) out |= kIsaAvx512vl;
  return out;
}

}  // namespace simplon::ctrl
