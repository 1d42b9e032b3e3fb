// SPDX-License-Identifier: Apache-2.0
#include "dp/device/port_watch.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace simplon::dp {
namespace {

constexpr std::chrono::milliseconds kLinksEvery{250};

}  // namespace

PortWatch::PortWatch(const Ports& ports, PuntPath& punt_path, Quiescence& quiescence)
    : ports_(ports), punt_path_(punt_path), links_(ports.size(), true) {
  for (std::size_t i = 0; i < ports_.size(); ++i)
    if (Port* device = ports_.device(i)) reattachments_.try_emplace(i, *device, quiescence);
}

// A VF that its host resets or takes away is opened again when it is there.
void PortWatch::look_at_device(std::size_t port, std::vector<Event>& out) {
  const Port::Fault fault = ports_.device(port)->take_fault();
  if (fault == Port::Fault::kNone) return;
  reattachments_.at(port).attach();
  out.emplace_back(PortChanged{PortIndex{static_cast<std::uint16_t>(port)},
                               fault == Port::Fault::kReset ? "asks to be reset: it is opened anew"
                                                            : "has lost its device; it is looked for"});
}

void PortWatch::look_at_links(std::vector<Event>& out) {
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const Port* device = ports_.device(i);
    if (device != nullptr) device->tend_bond();
    // A VLAN stands behind its parent.
    const bool up = device != nullptr ? device->link_up() : links_[ports_.carrier_of(i)];
    if (links_[i] == up) continue;
    links_[i] = up;
    const PortIndex port{static_cast<std::uint16_t>(i)};
    punt_path_.set_link(port, up);
    out.emplace_back(PortChanged{port, up ? "has a link" : "has no link"});
  }
}

void PortWatch::look(Now now, std::vector<Event>& out) {
  std::ranges::move(punt_path_.restore(now), std::back_inserter(out));
  // Drivers that do not tell of their links are asked.
  bool changed = false;
  for (const auto& [i, reattachment] : reattachments_) changed |= ports_.device(i)->take_link_change();
  if (changed || now - links_seen_ >= kLinksEvery) {
    links_seen_ = now;
    look_at_links(out);
  }
  for (const auto& [i, reattachment] : reattachments_) look_at_device(i, out);
  for (auto& [i, reattachment] : reattachments_)
    if (auto what = reattachment.advance(now))
      out.emplace_back(PortChanged{PortIndex{static_cast<std::uint16_t>(i)}, std::move(*what)});
}

}  // namespace simplon::dp
