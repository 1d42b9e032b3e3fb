// What the IKE endpoint says, done in the order in which it says it (RFC 7296 §2.8 depends on the order).
#include "ctrl/gateway/gateway.h"

namespace simplon::ctrl {
void Gateway::drain(Now now) {
  while (auto output = endpoint_->next()) std::visit([&](auto& o) { apply_output(o, now); }, *output);
  install_changes(now);
}

// SAs and policies that were named before this datagram are in place before the peer hears of them.
void Gateway::apply_output(ike::Datagram& output, Now now) {
  install_changes(now);
  if (auto sent = sockets_->send(output); !sent) log_.debug(Category::kNetwork, sent.error().what);
}

void Gateway::apply_output(ike::Keepalive& output, Now) {
  if (auto sent = sockets_->send(output); !sent) log_.debug(Category::kNetwork, sent.error().what);
}

void Gateway::apply_output(ike::InstallSa& output, Now) {
  touched_.push_back(children_.add(output, config_, ids_));
}

void Gateway::apply_output(ike::RemoveSa& output, Now) {
  if (SaRef gone = children_.remove(output.sa)) touched_.push_back(std::move(gone));
  seen_packets_.erase(output.sa);
}

void Gateway::apply_output(ike::Job& output, Now) { jobs_->submit(std::move(output)); }

void Gateway::apply_output(ike::IkeEvent& output, Now now) {
  install_changes(now);
  for (const auto& console : consoles_) console->event(output, now);
}

void Gateway::apply_output(ike::ChildEvent& output, Now now) {
  install_changes(now);
  for (const auto& console : consoles_) console->event(output, now);
}

void Gateway::apply_output(ike::LogLine& output, Now) {
  log_.write({output.level == ike::LogLevel::kWarning ? Level::kWarning : Level::kInfo, Category::kIke,
              std::move(output.connection), static_cast<std::uint32_t>(output.ike), std::move(output.text)});
}

void Gateway::apply_output(ike::Finished& output, Now now) {
  const auto found = waiting_.find(output.ticket);
  if (found == waiting_.end()) return;
  install_changes(now);
  const Done done = std::move(found->second);
  waiting_.erase(found);
  done(output.ok ? Result<void>{} : fail(output.why));
}

}  // namespace simplon::ctrl
