// SPDX-License-Identifier: Apache-2.0
// Features of a kernel interface, by the names that `ethtool -k` has for them, and its driver. Control
// thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/result.h"

namespace simplon::ctrl {

// Those of `names` that are on and can be switched off. A name that this kernel does not know is left out.
Result<std::vector<std::string>> features_on(const std::string& interface,
                                             std::span<const std::string_view> names);
// Also one that cannot be switched off. False: it is off, or there is no interface or feature of this name.
bool is_feature_on(const std::string& interface, std::string_view name);
// An error when one of them is not as asked for afterwards.
Result<void> set_features(const std::string& interface, const std::vector<std::string>& names, bool on);

std::string driver_of(const std::string& interface);  // empty: it has none, or there is no interface

}  // namespace simplon::ctrl
