// SPDX-License-Identifier: Apache-2.0
#include "ctrl/backend/dp_backend.h"

#include <cstdio>
#include <utility>

namespace simplon::ctrl {

Result<void> DpBackend::add_sa(const SaRef& sa) {
  return datapath_.add_sa(sa, starts_ ? starts_(*sa) : dp::SaStart{});
}

Result<void> DpBackend::remove_sa(const SaRef& sa) {
  datapath_.remove_sa(sa->id);
  return {};
}

// What the data path cannot change in place, as the address family, ends there: nothing goes by it meanwhile,
// and IKE is told to replace it at once.
Result<void> DpBackend::move_sa(const SaRef&, const SaRef& to) {
  if (datapath_.move_sa(to)) return {};
  datapath_.remove_sa(to->id);
  left_.push_back(to->id);
  return {};
}

Result<void> DpBackend::add_policy(const PolicySpec& policy) { return datapath_.add_policy(policy); }

Result<void> DpBackend::remove_policy(const PolicySpec& policy) {
  datapath_.remove_policy(policy.id);
  return {};
}

Result<void> DpBackend::set_gateway(bool on) {
  datapath_.set_gateway(on);
  if (auto done = datapath_.commit(); !done) return done;
  return {};
}

Result<SaCounters> DpBackend::counters(const SaRef& sa) {
  if (const auto found = datapath_.counters(sa->id)) return *found;
  return fail("the data path has no SA " + std::to_string(static_cast<std::uint64_t>(sa->id)));
}

std::map<SaId, std::uint64_t> DpBackend::packets(const std::vector<SaRef>& sas) {
  std::map<SaId, std::uint64_t> out;
  for (const SaRef& sa : sas)
    if (const auto found = datapath_.counters(sa->id)) out[sa->id] = found->packets;
  return out;
}

// RFC 4301 §5.2, RFC 4303 §3.4; the log adds the time.
AuditEvent audit_event(const dp::AuditedDrop& drop) {
  AuditEvent out;
  char spi[11], label[8];
  std::snprintf(spi, sizeof spi, "0x%08x", static_cast<unsigned>(drop.spi));
  std::snprintf(label, sizeof label, "0x%05x", drop.flow_label & 0xfffff);
  out.what = std::string(dp::name(drop.reason)) + ": SPI " + spi + ", sequence number " +
             std::to_string(drop.sequence) + ", " + (drop.inner ? "inner " : "") + drop.source.text() +
             " to " + drop.destination.text();
  if (!drop.source.addresses.first.is_v4()) out.what += std::string(", flow label ") + label;
  out.sa = drop.sa;
  if (drop.reason == dp::Drop::kSelectorMismatch) out.packet.assign(drop.start.begin(), drop.start.end());
  return out;
}

std::vector<BackendEvent> DpBackend::poll() {
  std::vector<BackendEvent> out;
  for (const dp::Event& event : datapath_.poll()) {
    if (const auto* acquire = std::get_if<dp::Acquire>(&event))
      out.emplace_back(AcquireEvent{acquire->policy, acquire->source, acquire->destination});
    else if (const auto* expire = std::get_if<dp::Expire>(&event))
      out.emplace_back(ExpireEvent{expire->sa, expire->hard});
    else if (const auto* moved = std::get_if<dp::PeerMoved>(&event))
      out.emplace_back(MovedEvent{moved->sa, moved->remote});
    else if (const auto* audited = std::get_if<dp::AuditedDrop>(&event))
      out.emplace_back(audit_event(*audited));
    else
      others_(event);
  }
  for (const SaId sa : std::exchange(left_, {})) out.emplace_back(ExpireEvent{sa, false});
  return out;
}

}  // namespace simplon::ctrl
