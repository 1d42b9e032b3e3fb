// SPDX-License-Identifier: Apache-2.0
// How answers look for people, one function for each kind. What --json prints is json.h's.
#pragma once

#include <iosfwd>
#include <string>

#include "ctrl/console/reply.h"
#include "ctrl/vici/command.h"

namespace simplon::console {

using Show = void(std::ostream& out, const Reply& reply);
Show* show_of(const vici::Command& command);

void show_sas(std::ostream& out, const Reply& reply);
void show_connections(std::ostream& out, const Reply& reply);
void show_policies(std::ostream& out, const Reply& reply);
void show_manual_sas(std::ostream& out, const Reply& reply);
void show_ports(std::ostream& out, const Reply& reply);
void show_workers(std::ostream& out, const Reply& reply);
void show_totals(std::ostream& out, const Reply& reply);
void show_counts(std::ostream& out, const Reply& reply);  // name and number
void show_pools(std::ostream& out, const Reply& reply);
void show_certificates(std::ostream& out, const Reply& reply);
void show_drops(std::ostream& out, const Reply& reply);  // and what the name means
void show_status(std::ostream& out, const Reply& reply);
void show_stats(std::ostream& out, const Reply& reply);
void show_version(std::ostream& out, const Reply& reply);
void show_fields(std::ostream& out, const Reply& reply);  // "key: value", what is worth saying
void show_done(std::ostream& out, const Reply& reply);
void show_config_check(std::ostream& out, const Reply& reply);
void show_log(std::ostream& out, const Reply& reply);     // events: log lines
void show_change(std::ostream& out, const Reply& reply);  // events: SAs that came, went, were replaced

// The values of a list in one line; empty when there is none.
std::string joined(const vici::Message& message, std::string_view list, std::string_view separator = ", ");
// A field, made safe for a terminal.
std::string field(const vici::Message& message, std::string_view key);
// What an SA or a policy has in the kernel beside the usual, `before` in front; empty: nothing.
std::string kernel_options(const vici::Message& message, std::string_view before);

}  // namespace simplon::console
