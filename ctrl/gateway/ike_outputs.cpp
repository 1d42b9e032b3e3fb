// SPDX-License-Identifier: Apache-2.0
#include "ctrl/gateway/ike_outputs.h"

namespace simplon::ctrl {

using ike::Now;

void IkeOutputs::apply_all(Now now) {
  keep();
  while (std::optional<ike::Output> output = parts_.endpoint.next()) {
    std::visit([&](auto& o) { apply_output(o, now); }, *output);
    keep();
  }
  [[maybe_unused]] const auto logged = install_changes(now);
  keep();
}

// The endpoint hears of what could not be installed, too, and answers with outputs.
void IkeOutputs::keep() {
  if (parts_.guarded != nullptr) parts_.guarded->keep_ike(parts_.endpoint);
}

// An SA that could not be installed, or whose policy could not, is no SA; the child's policy keeps its
// traffic in.
Result<void> IkeOutputs::install_changes(Now now) {
  auto done = parts_.reconciler.reconcile(now);
  if (done) return done;
  for (const SaId id : parts_.reconciler.not_installed()) {
    not_installed_[parts_.reconciler.children().sas().at(id).of].why = done.error().what;
    parts_.endpoint.not_installed(id, done.error().what, now);
  }
  return done;
}

const std::string* IkeOutputs::why_not_installed(ike::ChildSaId child) const {
  const auto found = not_installed_.find(child);
  return found == not_installed_.end() ? nullptr : &found->second.why;
}

void IkeOutputs::apply_output(ike::Datagram& output, Now now) {
  [[maybe_unused]] const auto logged = install_changes(now);
  send(output);
}

void IkeOutputs::apply_output(ike::Keepalive& output, Now) { send(output); }

// The exchange retransmits; a keepalive is sent again anyway.
void IkeOutputs::send(const auto& message) {
  if (auto sent = parts_.sockets.send(message); !sent)
    parts_.log.debug(Category::kNetwork, sent.error().what);
}

void IkeOutputs::apply_output(ike::InstallSa& output, Now) {
  parts_.usage.installed(output);
  parts_.reconciler.add_child_sa(output);
}

void IkeOutputs::apply_output(ike::MoveSa& output, Now) { parts_.reconciler.move_child_sa(*output.sa); }

void IkeOutputs::apply_output(ike::RemoveSa& output, Now) {
  parts_.usage.removed(output.sa);
  parts_.reconciler.remove_child_sa(output.sa);
}

void IkeOutputs::apply_output(ike::InnerAddresses& output, Now) { parts_.assign(output); }

void IkeOutputs::apply_output(ike::AddressGiven& output, Now) { parts_.given(output); }

// What a server is to say is no work for the pool: it is waited for elsewhere.
void IkeOutputs::apply_output(ike::Job& output, Now now) {
  if (const auto* eap = std::get_if<ike::RelayEap>(&output.work))
    return parts_.radius.submit(output.id, *eap, now);
  if (const auto* fetch = std::get_if<ike::Fetch>(&output.work))
    return parts_.fetcher.submit(output.id, *fetch);
  parts_.jobs.submit(std::move(output));
}

void IkeOutputs::apply_output(ike::IkeEvent& output, Now now) {
  parts_.account(output, now);
  tell_consoles(output, now);
}

void IkeOutputs::apply_output(ike::ChildEvent& output, Now now) {
  [[maybe_unused]] const auto logged = install_changes(now);
  const auto found = not_installed_.find(output.child);
  if (found != not_installed_.end() && output.what == ike::UpDown::kUp) {
    found->second.untold = true;
    return;
  }
  const bool told = found == not_installed_.end() || !found->second.untold;
  if (output.what == ike::UpDown::kDown) not_installed_.erase(output.child);
  if (output.what == ike::UpDown::kRekeyed) not_installed_.erase(output.replaced);
  if (told) tell_consoles(output, now);
}

// Whoever hears that an SA is up may use it at once.
void IkeOutputs::tell_consoles(const auto& event, Now now) {
  [[maybe_unused]] const auto logged = install_changes(now);
  for (const auto& console : parts_.consoles) console->event(event, now);
}

void IkeOutputs::apply_output(ike::LogLine& output, Now now) {
  if (output.child != ike::ChildSaId{}) {
    [[maybe_unused]] const auto logged = install_changes(now);
    if (why_not_installed(output.child)) return;
  }
  parts_.log.write({output.level == ike::LogLevel::kWarning ? Level::kWarning : Level::kInfo, Category::kIke,
                    std::move(output.connection), static_cast<std::uint32_t>(output.ike),
                    std::move(output.text)});
}

void IkeOutputs::apply_output(ike::Finished& output, Now now) {
  const Done done = parts_.tickets.take(output.ticket);
  if (!done) return;
  [[maybe_unused]] const auto logged = install_changes(now);
  if (!output.ok) return done(fail(output.why));
  if (const std::string* why = why_not_installed(output.child))
    return done(fail("the child was negotiated, but could not be installed: " + *why));
  done({});
}

}  // namespace simplon::ctrl
