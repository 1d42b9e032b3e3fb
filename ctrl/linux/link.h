// SPDX-License-Identifier: Apache-2.0
// The link of a kernel interface. Control thread.
#pragma once

#include <string>

namespace simplon::ctrl {

// Whether it is up and has a carrier; false when there is no such interface.
bool has_link(const std::string& interface);

}  // namespace simplon::ctrl
