// SPDX-License-Identifier: Apache-2.0
// The exchanges by their type: a new one is a file here and a row in table.cpp.
#pragma once

#include "ike/sa/context.h"

namespace simplon::ike {

const Exchanges& exchanges();

}  // namespace simplon::ike
