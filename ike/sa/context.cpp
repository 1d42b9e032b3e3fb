// SPDX-License-Identifier: Apache-2.0
#include "ike/sa/context.h"

#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {

void HalfOpen::add(IkeSaId id, const IpAddress& from) {
  if (all_.insert(id).second) ++by_host_[host_of(from)];
}

void HalfOpen::remove(IkeSaId id, const IpAddress& from) {
  if (all_.erase(id) == 0) return;
  const auto found = by_host_.find(host_of(from));
  if (--found->second == 0) by_host_.erase(found);
}

std::size_t HalfOpen::of(const IpAddress& from) const {
  const auto found = by_host_.find(host_of(from));
  return found == by_host_.end() ? 0 : found->second;
}

Context::Context(Settings s, const Secret& seed, const Exchanges& e, AuthenticatorFor a)
    : settings(s), entropy(seed), exchanges(e), authenticator_for(std::move(a)) {}
Context::~Context() = default;

void Context::log_limited(std::string_view kind, const IpAddress& from, Now now,
                          const std::function<std::string()>& text) {
  const auto kept_back = log_limit.allow(kind, from, now);
  if (!kept_back) return;
  std::string line = text();
  if (*kept_back != 0) line += " (and " + std::to_string(*kept_back) + " more like it)";
  log(LogLevel::kWarning, {}, IkeSaId{}, std::move(line));
}

void Context::submit_work(IkeSaId sa, Work work, OnWorkResult then) {
  const JobId id{next_job++};
  jobs[id] = {sa, std::move(then)};
  outputs.emplace_back(Job{id, std::move(work)});
}

IkeSa& Context::add(std::unique_ptr<IkeSa> sa) {
  IkeSa& out = *sa;
  by_spi[out.our_spi()] = out.id();
  touched.insert(out.id());
  sas[out.id()] = std::move(sa);
  return out;
}

IkeSa* Context::find(IkeSaId id) const {
  const auto found = sas.find(id);
  return found == sas.end() ? nullptr : found->second.get();
}

std::vector<IkeSa*> Context::of(std::string_view name) const {
  std::vector<IkeSa*> out;
  const auto found = by_connection.find(name);
  if (found == by_connection.end()) return out;
  for (const IkeSaId id : found->second)
    if (IkeSa* sa = find(id); sa != nullptr && !sa->dead()) out.push_back(sa);
  return out;
}

std::shared_ptr<const Connection> Context::connection(std::string_view name) const {
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

Spi Context::fresh_spi() {
  for (;;) {
    const auto spi = static_cast<std::uint32_t>(entropy.number());
    if (spi >= static_cast<std::uint32_t>(kFirstSpi) && !spis_in.contains(spi)) return Spi{spi};
  }
}

std::uint64_t Context::fresh_ike_spi() {
  for (;;) {
    const std::uint64_t spi = entropy.number();
    if (spi != 0 && !by_spi.contains(spi)) return spi;
  }
}

void Context::retry(const std::string& name, Again again, Cause cause, Now now) {
  Retry& r = retries[name];
  if (r.forget_at && now >= *r.forget_at) r = {};
  r.forget_at.reset();
  if (cause != Cause::kConfigured) r.cause = cause;
  if (again == Again::kLater) return wait_longer(r, now);
  r.at = now;
  r.wait = {};
}

// With a quarter of jitter, so that a hundred connections to one peer are not tried all at once.
void Context::wait_longer(Retry& r, Now now) {
  r.wait = r.wait.count() == 0 ? settings.retry_first : std::min(r.wait * 2, settings.retry_longest);
  r.at = now + r.wait + milliseconds(entropy.below(static_cast<std::uint64_t>(r.wait.count()) / 4 + 1));
}

void Context::end_retry(const std::string& name, Now now) {
  const auto found = retries.find(name);
  if (found == retries.end()) return;
  found->second.at.reset();
  found->second.forget_at = now + kShortLife;
}

void Context::hold(PolicyId policy, Now now) {
  Retry& r = holds[policy];
  if (r.forget_at && now >= *r.forget_at) r = {};
  wait_longer(r, now);
  r.forget_at = *r.at + settings.retry_longest;
}

bool Context::held(PolicyId policy, Now now) const {
  const auto found = holds.find(policy);
  return found != holds.end() && now < *found->second.at;
}

}  // namespace simplon::ike
