// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/json.h"

#include <nlohmann/json.hpp>

namespace simplon::console {
namespace {

using Json = nlohmann::ordered_json;
using vici::Message;

Json json_of(const Message& message) {
  Json out = Json::object();
  for (const vici::Element& element : message.elements()) {
    if (const auto* section = std::get_if<Message>(&element.content))
      out[element.name] = json_of(*section);
    else if (const auto* list = std::get_if<vici::List>(&element.content))
      out[element.name] = *list;
    else
      out[element.name] = std::get<std::string>(element.content);
  }
  return out;
}

// A value may hold any bytes; what is no UTF-8 is replaced.
std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string json_text(const Message& message) { return dump(json_of(message), -1); }

std::string json_text(const vici::Command& command, const Reply& reply) {
  if (command.answered != vici::Answered::kStream) return dump(json_of(reply.answer), 2);
  Json all = Json::array();
  for (const Message& event : reply.events) all.push_back(json_of(event));
  return dump(all, 2);
}

}  // namespace simplon::console
