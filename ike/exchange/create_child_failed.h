// SPDX-License-Identifier: Apache-2.0
// CREATE_CHILD_SA as initiator, when nothing comes of it: what the peer refuses is tried with another group,
// as another child, later, or not at all (RFC 7296 §1.3, §2.25).
#pragma once

#include <string>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void refused(IkeSa& sa, const Payloads& payloads, const Notify& notify, Now now);
// What the peer agreed to we cannot take: it has the child, and is to delete it.
void not_taken(IkeSa& sa, const std::string& why, Now now);
// kLasting: the next rekey comes each time later.
enum class Failure : std::uint8_t { kTemporary, kLasting };
void attempt_failed(IkeSa& sa, const std::string& why, Now now, Failure failure = Failure::kLasting);

}  // namespace simplon::ike
