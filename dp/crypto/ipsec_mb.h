// SPDX-License-Identifier: Apache-2.0
// What differs between the IPsec-MB of Debian 12 (1.3) and that of Debian 13 (2.0), in one place.
//
//   IMB_ARCH_AVX        2.0 has no code path for AVX without AVX2
//   imb_set_session     a job of a burst must have one since 1.4; 1.3 knows no sessions
#pragma once

#include <intel-ipsec-mb.h>

#include <string_view>

namespace simplon::dp {

// What a code path of the library is called.
template <class Arch>
std::string_view name_of(Arch arch) {
  if constexpr (requires { Arch::IMB_ARCH_AVX; })
    if (arch == Arch::IMB_ARCH_AVX) return "AVX";
  switch (arch) {
    case Arch::IMB_ARCH_SSE:
      return "SSE";
    case Arch::IMB_ARCH_AVX2:
      return "AVX2";
    case Arch::IMB_ARCH_AVX512:
      return "AVX-512";
    default:
      return "unknown";
  }
}

// Makes a job, filled but for what is a packet's own, ready to be copied and submitted in bursts.
template <class Job>
void make_burst_job(IMB_MGR* manager, Job* job) {
  if constexpr (requires { imb_set_session(manager, job); }) imb_set_session(manager, job);
}

}  // namespace simplon::dp
