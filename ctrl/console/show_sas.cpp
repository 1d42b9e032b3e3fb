// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "ctrl/console/show.h"
#include "ctrl/console/table.h"

namespace simplon::console {
namespace {

using vici::Element;
using vici::Message;

std::string algorithms(const Message& m) {
  std::string out = field(m, "encr-alg");
  if (m.value("encr-keysize")) out += "-" + field(m, "encr-keysize");
  for (const auto* key : {"integ-alg", "prf-alg", "dh-group"})
    if (m.value(key)) out += "/" + field(m, key);
  return out;
}

std::string traffic(const Message& m, const std::string& way) {
  return grouped(field(m, "packets-" + way)) + " / " + bytes_text(field(m, "bytes-" + way));
}

std::string life(const Message& m) {
  std::string out;
  if (m.value("rekey-time")) out += "rekey in " + time_text(field(m, "rekey-time"));
  if (m.value("life-time"))
    out += (out.empty() ? "" : ", ") + ("ends in " + time_text(field(m, "life-time")));
  return out;
}

// What its SAs are, beside the usual: ESP in tunnel mode.
std::string kind(const Message& child) {
  return (field(child, "protocol") == "AH" ? "AH " : "") + algorithms(child) +
         (field(child, "mode") == "TRANSPORT" ? ", transport" : "") +
         (child.value("tfc") ? ", TFC " + field(child, "tfc") : "") +
         (child.value("aggfrag") ? ", AGGFRAG" : "") + kernel_options(child, ", ");
}

void show_children(std::ostream& out, const Message& children) {
  Table table({"CHILD", "STATE", "SPI IN", "SPI OUT", "SUITE", "IN", "OUT", "LIFE", "SELECTORS"});
  for (const Element& element : children.elements()) {
    const auto* c = std::get_if<Message>(&element.content);
    if (!c) continue;
    table.add({field(*c, "name") + " #" + field(*c, "uniqueid"), field(*c, "state"), field(*c, "spi-in"),
               field(*c, "spi-out"),
               kind(*c) + (c->value("encap") ? " in UDP" : "") +
                   (c->value("crypto") ? " (" + field(*c, "crypto") + ")" : ""),
               traffic(*c, "in"), traffic(*c, "out"), life(*c),
               joined(*c, "local-ts") + " === " + joined(*c, "remote-ts")});
  }
  table.empty() ? void(out << "  no child SAs\n") : table.print(out, "  ");
  for (const Element& element : children.elements())
    if (const auto* c = std::get_if<Message>(&element.content); c && c->value("why-kernel"))
      out << "  " << field(*c, "name") << " #" << field(*c, "uniqueid")
          << " is in the kernel: " << field(*c, "why-kernel") << '\n';
}

std::string end_text(const Message& m, const std::string& side) {
  return field(m, side + "-id") + " @ " + field(m, side + "-host") + "[" + field(m, side + "-port") + "]" +
         (m.value("nat-" + side) ? ", behind a NAT" : "");
}

void show_ike(std::ostream& out, const std::string& name, const Message& m) {
  out << name << " #" << field(m, "uniqueid") << "  " << field(m, "state") << ", IKEv" << field(m, "version")
      << ", " << (m.is_yes("initiator") ? "initiator" : "responder");
  if (m.value("established")) out << ", up " << time_text(field(m, "established"));
  if (m.value("rekey-time")) out << ", rekey in " << time_text(field(m, "rekey-time"));
  out << "\n  local   " << end_text(m, "local") << "\n  remote  " << end_text(m, "remote") << "\n  spi     "
      << field(m, "initiator-spi") << "_i " << field(m, "responder-spi") << "_r\n";
  if (m.value("encr-alg")) out << "  crypto  " << algorithms(m) << '\n';
  if (const Message* children = m.section("child-sas")) show_children(out, *children);
}

void show_child_change(std::ostream& out, const std::string& ike, const Message& children, bool up) {
  for (const Element& element : children.elements()) {
    const auto* c = std::get_if<Message>(&element.content);
    if (!c) continue;
    const Message *before = c->section("old"), *now = c->section("new");
    const Message& shown = now ? *now : *c;
    out << "child SA "
        << (now  ? "rekeyed"
            : up ? "up     "
                 : "down   ")
        << "  " << ike << '/' << field(shown, "name") << " #" << field(shown, "uniqueid") << "  in "
        << field(shown, "spi-in") << " out " << field(shown, "spi-out");
    if (before) out << ", was in " << field(*before, "spi-in") << " out " << field(*before, "spi-out");
    out << "  " << joined(shown, "local-ts") << " === " << joined(shown, "remote-ts") << '\n';
  }
}

void show_ike_change(std::ostream& out, const std::string& name, const Message& m, bool up) {
  const Message* now = m.section("new");
  const Message& shown = now ? *now : m;
  out << "IKE SA   "
      << (now  ? "rekeyed"
          : up ? "up     "
               : "down   ")
      << "  " << name << " #" << field(shown, "uniqueid") << "  " << end_text(shown, "local") << " - "
      << end_text(shown, "remote") << '\n';
}

}  // namespace

void show_sas(std::ostream& out, const Reply& reply) {
  if (reply.events.empty()) out << "no IKE SAs\n";
  for (const Message& event : reply.events)
    for (const Element& element : event.elements())
      if (const auto* ike = std::get_if<Message>(&element.content))
        show_ike(out, printable(element.name), *ike);
}

void show_change(std::ostream& out, const Reply& reply) {
  for (const Message& event : reply.events)
    for (const Element& element : event.elements()) {
      const auto* ike = std::get_if<Message>(&element.content);
      if (!ike) continue;
      if (const Message* children = ike->section("child-sas"))
        show_child_change(out, printable(element.name), *children, event.is_yes("up"));
      else
        show_ike_change(out, printable(element.name), *ike, event.is_yes("up"));
    }
}

}  // namespace simplon::console
