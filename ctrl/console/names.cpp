// SPDX-License-Identifier: Apache-2.0
// Names that live in the daemon, for completion.
#include "ctrl/console/run.h"
#include "ctrl/vici/command_table.h"

namespace simplon::console {
namespace {

using vici::Element;
using vici::Message;

std::vector<std::string> listed(const std::string& socket, const vici::Command& command,
                                void (*collect)(const Element& section, std::vector<std::string>& into)) {
  std::vector<std::string> out;
  Result<vici::Client> client = vici::Client::connect(socket);
  if (!client) return out;
  const auto each = [&](const std::string&, const Message& message) {
    for (const Element& element : message.elements())
      if (std::holds_alternative<Message>(element.content)) collect(element, out);
  };
  static_cast<void>(
      client->call_streaming(command.vici, command.event, {}, each));  // no names is an answer, too
  return out;
}

void section_name(const Element& section, std::vector<std::string>& into) { into.push_back(section.name); }

template <class Each>
void each_child(const Element& connection, Each each) {
  if (const Message* children = std::get<Message>(connection.content).section("children"))
    for (const Element& child : children->elements()) each(child.name);
}

}  // namespace

std::vector<std::string> Console::names(vici::Names of) const {
  using enum vici::Names;
  using vici::row_of;
  switch (of) {
    case kNone:
      return {};
    case kConnections:
      return listed(socket_, row_of("list-conns"), section_name);
    case kChildren:
      return listed(socket_, row_of("list-conns"), [](const Element& c, std::vector<std::string>& into) {
        each_child(c, [&into](const std::string& child) { into.push_back(child); });
      });
    case kTargets:
      return listed(socket_, row_of("list-conns"), [](const Element& c, std::vector<std::string>& into) {
        into.push_back(c.name);
        each_child(c, [&](const std::string& child) { into.push_back(c.name + "/" + child); });
      });
    case kPolicies:
      return listed(socket_, row_of("list-policies"), [](const Element& e, std::vector<std::string>& into) {
        const auto* policy = std::get_if<Message>(&e.content);
        if (policy != nullptr && policy->get("reqid") != "0") into.push_back(e.name);
      });
    case kManualPolicies:
      return listed(socket_, row_of("policy-list"), section_name);
    case kManualSas:
      return listed(socket_, row_of("sa-list"), section_name);
  }
  return {};
}

}  // namespace simplon::console
