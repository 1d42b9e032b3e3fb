// SPDX-License-Identifier: Apache-2.0
// A drop of every packet that an interface receives, at its netdev ingress hook: an nftables table of its
// own. It stays when the process ends. Control thread.
#pragma once

#include <string>

#include "dp/base/result.h"

namespace simplon::ctrl {

// What a former run left is replaced in one transaction.
Result<void> set_nft_drop(const std::string& interface);
// No error when there is none.
Result<void> remove_nft_drop(const std::string& interface);
// Whether it stands as it was set: the policy is to drop, and nobody has put a rule before it.
Result<bool> has_nft_drop(const std::string& interface);

}  // namespace simplon::ctrl
