// SPDX-License-Identifier: Apache-2.0
// SAs that stand by in the kernel while somebody else forwards by them. An outbound one stands at the last
// number there is, beyond which Linux sends nothing (RFC 4303 §3.3.3), whoever asks; an inbound one is as it
// began. When the kernel is to forward, one message for each SA sets where it goes on: its cipher and its
// keys are there already.
#include <algorithm>
#include <ctime>
#include <map>
#include <utility>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/backend/xfrm/compare.h"
#include "ctrl/backend/xfrm/message.h"

namespace simplon::ctrl {
namespace {

std::uint64_t last_number(const SaSpec& sa) {
  return sa.esn == Esn::kOn ? ~std::uint64_t{0} : std::uint64_t{0xffffffff};
}

}  // namespace

Result<void> XfrmBackend::add_standby(const SaRef& sa) {
  std::optional<Progress> progress;
  if (sa->direction == Direction::kOut) {
    progress = progress_at(*sa, last_number(*sa), has_);
    progress->lifetime.add_time = static_cast<std::uint64_t>(std::time(nullptr));
  }
  standby_.insert(sa->id);
  auto done = install(sa, progress ? &*progress : nullptr);
  if (!done) standby_.erase(sa->id);
  return done;
}

Result<void> XfrmBackend::resume(const SaRef& sa, const dp::SaStart& start) {
  const bool in = sa->direction == Direction::kIn;
  if (in && (start.replay_top == 0 || sa->replay_window == 0)) return {};  // it goes on as it began
  const std::uint64_t at = in ? start.replay_top : std::max(start.next_sequence, std::uint64_t{1}) - 1;
  const Progress progress = progress_at(*sa, at, has_);
  NetlinkMessage message(XFRM_MSG_NEWAE, NLM_F_REPLACE);
  auto& id = message.header<xfrm_aevent_id>();
  id.sa_id = sa_id(*sa);
  id.saddr = to_kernel(sa->source);
  message.put(progress.sequence_type, progress.sequence);
  return requests_.request(message, "going on with " + std::string(simplon::name(sa->protocol)) + " SA " +
                                        text(sa->spi) + " in the kernel");
}

Result<std::set<SaId>> XfrmBackend::adopt(const std::vector<SaRef>& sas, bool standing_by) {
  std::map<std::pair<Spi, IpAddress>, SaRef> wanted;
  for (const SaRef& sa : sas) wanted[{sa->spi, sa->destination}] = sa;
  std::vector<SaRef> same;
  const auto read = each_sa([&] { same.clear(); },
                            [&](const nlmsghdr& message, const xfrm_usersa_info& info) {
                              const auto found = wanted.find(key_of(info));
                              if (found == wanted.end() || is_standby(info) != standing_by) return;
                              NetlinkMessage ours = sa_message(*found->second, has_);
                              if (standing_by) mark_standby(ours);
                              if (sa_differences(*ours.raw(), message).empty()) same.push_back(found->second);
                            });
  if (!read) return std::unexpected(read.error());
  std::set<SaId> out;
  for (const SaRef& sa : same) {
    know(sa);
    if (standing_by) standby_.insert(sa->id);
    out.insert(sa->id);
  }
  return out;
}

}  // namespace simplon::ctrl
