// SPDX-License-Identifier: Apache-2.0
// An answer that comes at once, or when a piece of slow work is done.
#pragma once

#include <functional>
#include <variant>

#include "ike/crypto/job.h"

namespace simplon::ike {

template <class T>
struct Later {
  Work work;
  std::function<T(const WorkResult&)> finish;  // holds copies of what it needs
};
template <class T>
using Step = std::variant<T, Later<T>>;

}  // namespace simplon::ike
