// SPDX-License-Identifier: Apache-2.0
// An answer that comes at once, or when a piece of slow work is done, and then perhaps another one.
#pragma once

#include <functional>
#include <variant>

#include "ike/crypto/job.h"

namespace simplon::ike {

template <class T>
struct Later;
template <class T>
using Step = std::variant<T, Later<T>>;
template <class T>
struct Later {
  Work work;
  std::function<Step<T>(const WorkResult&)> finish;  // holds copies of what it needs
};

}  // namespace simplon::ike
