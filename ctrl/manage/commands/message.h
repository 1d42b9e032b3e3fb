// SPDX-License-Identifier: Apache-2.0
// What the gateway holds, as vici messages with strongSwan's field names and spellings.
#pragma once

#include <string>
#include <string_view>

#include "ctrl/manage/commands/commands.h"

namespace simplon::ctrl {

// The fields of a list-sa event. `children` false: without the section of child SAs.
enum class WithChildren : std::uint8_t { kNo, kYes };
using CountersOf = std::function<std::optional<SaCounters>(SaId)>;
vici::Message ike_message(const ike::IkeStatus& ike, Now now);  // without child SAs
vici::Message child_message(const ike::ChildStatus& child, const CountersOf& counters, Now now);
std::string unique_name(const ike::ChildStatus& child);  // "net-7"

vici::Message connection_message(const ike::Connection& connection);
void add_selectors(vici::Message& m, const Selectors& selectors);
void add_kernel_options(vici::Message& m, const KernelOptions& options);
vici::Message policy_message(const PolicySpec& policy);
vici::Message log_message(const LogEntry& entry);
// strongSwan's levels: 0 audit, 1 control, 2 diagnostics.
int vici_level(Level level);

}  // namespace simplon::ctrl
