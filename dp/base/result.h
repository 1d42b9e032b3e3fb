// SPDX-License-Identifier: Apache-2.0
// Failures off the hot path. A Result holds a value or one Error whose text is written for the person who has
// to mend the cause: what, where, and what to do. On the hot path a failure is a Drop reason instead
// (dp/packet/drop.h).
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace simplon {

struct Error {
  std::string what;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string what) { return std::unexpected(Error{std::move(what)}); }

}  // namespace simplon
