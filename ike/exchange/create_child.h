// SPDX-License-Identifier: Apache-2.0
// CREATE_CHILD_SA as initiator (RFC 7296 §1.3, §2.8, §2.9, §2.17, §2.18, §2.25): new children, and the
// rekeying of children; it carries the rekeying of the IKE SA as well (rekey.h). One attempt at a time, in
// ChildSet.
#pragma once

#include <string>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void run(IkeSa& sa, const CreateChild& task, Now now);
void run(IkeSa& sa, const RekeyChild& task, Now now);

// Why this child is not asked for: empty, it is. Whoever waits for it is told.
std::string why_not_asked(const IkeSa& sa, const ChildConfig& config);
void not_asked(IkeSa& sa, const CreateChild& task, const std::string& why, Now now);

// The child of IKE_AUTH has no key exchange of its own (§1.2), so no groups are offered for it.
enum class WithGroups : std::uint8_t { kNo, kYes };
// A child with PFP flags has no selectors but those of a packet.
bool needs_packet(const ChildConfig& config, const std::optional<Selectors>& packet);
std::string no_packet(const ChildConfig& config);
void offer_child(const IkeSa& sa, const Attempt& attempt, WithGroups with_groups, PayloadWriter& out);
void start_attempt(IkeSa& sa, Attempt attempt, Now now);
void create_child_response(IkeSa& sa, const Payloads& payloads, Now now);
// What the peer chose is installed, if it may be. `shared` is empty without PFS.
void complete_child(IkeSa& sa, const Payloads& payloads, Bytes shared, Now now);

}  // namespace simplon::ike
