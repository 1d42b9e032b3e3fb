// SPDX-License-Identifier: Apache-2.0
#include "ctrl/runtime/version.h"

#include <openssl/crypto.h>
#include <rte_version.h>

#include <memory>

#include "dp/crypto/ipsec_mb.h"

namespace simplon::ctrl {
namespace {

// The code path that IPsec-MB chooses on this processor.
std::string_view ipsec_mb_architecture() {
  const std::unique_ptr<IMB_MGR, decltype(&free_mb_mgr)> manager(alloc_mb_mgr(0), &free_mb_mgr);
  if (!manager) return "unknown";
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager.get(), &arch);
  return dp::name_of(arch);
}

}  // namespace

std::string version_text() {
  std::string out = "Simplon " + std::string(kVersion) + "\n";
  out += "ISA        " SIMPLON_ISA " (built for)\n";
  out += std::string("DPDK       ") + rte_version() + "\n";
  out += std::string("IPsec-MB   ") + imb_get_version_str() + " (" + std::string(ipsec_mb_architecture()) +
         " here)\n";
  out += std::string("OpenSSL    ") + OpenSSL_version(OPENSSL_VERSION_STRING) + "\n";
  return out;
}

}  // namespace simplon::ctrl
