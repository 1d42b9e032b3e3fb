// Names that live in the daemon, for completion.
#include "ctrl/console/run.h"

namespace simplon::console {
namespace {

using vici::Element;
using vici::Message;

std::vector<std::string> listed(const std::string& socket, std::string_view command, std::string_view event,
                                void (*collect)(const Element& section, std::vector<std::string>& into)) {
  std::vector<std::string> out;
  Result<vici::Client> client = vici::Client::connect(socket);
  if (!client) return out;
  const auto each = [&](const std::string&, const Message& message) {
    for (const Element& element : message.elements())
      if (std::holds_alternative<Message>(element.content)) collect(element, out);
  };
  static_cast<void>(client->call_streaming(command, event, {}, each));  // no names is an answer, too
  return out;
}

void section_name(const Element& section, std::vector<std::string>& into) { into.push_back(section.name); }

template <class Each>
void each_child(const Element& connection, Each each) {
  if (const Message* children = std::get<Message>(connection.content).section("children"))
    for (const Element& child : children->elements()) each(child.name);
}

}  // namespace

std::vector<std::string> Console::names(Names of) const {
  switch (of) {
    case Names::kNone:
      return {};
    case Names::kConnections:
      return listed(socket_, "list-conns", "list-conn", section_name);
    case Names::kChildren:
      return listed(socket_, "list-conns", "list-conn", [](const Element& c, std::vector<std::string>& into) {
        each_child(c, [&into](const std::string& child) { into.push_back(child); });
      });
    case Names::kTargets:
      return listed(socket_, "list-conns", "list-conn", [](const Element& c, std::vector<std::string>& into) {
        into.push_back(c.name);
        each_child(c, [&](const std::string& child) { into.push_back(c.name + "/" + child); });
      });
    case Names::kPolicies:
      return listed(socket_, "list-policies", "list-policy", section_name);
    case Names::kManualPolicies:
      return listed(socket_, "policy-list", "manual-policy", section_name);
    case Names::kManualSas:
      return listed(socket_, "sa-list", "manual-sa", section_name);
  }
  return {};
}

}  // namespace simplon::console
