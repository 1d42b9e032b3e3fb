// SPDX-License-Identifier: Apache-2.0
// SAs that stand by in the kernel while somebody else forwards by them. A lock keeps each from being used,
// whoever asks: it has carried all the packets that its life has, so that Linux ends it before it sends or
// takes in one. An outbound one has another: it stands before the last number there is (RFC 4303 §3.3.3).
// When the kernel is to forward, one message for each SA opens them and sets where it goes on: its cipher and
// its keys are there already.
#include <algorithm>
#include <ctime>
#include <map>
#include <utility>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/backend/xfrm/compare.h"
#include "ctrl/backend/xfrm/message.h"
#include "ctrl/backend/xfrm/options.h"

namespace simplon::ctrl {
namespace {

// One before the last: from Linux 6.10 on the kernel takes no SA that stands at its last.
std::uint64_t last_number(const SaSpec& sa) {
  return (sa.esn == Esn::kOn ? ~std::uint64_t{0} : std::uint64_t{0xffffffff}) - 1;
}

// Linux compares them with the limits, of which none is higher, before it looks at the number.
constexpr std::uint64_t kSpent = ~std::uint64_t{0};

xfrm_lifetime_cur spent() {
  return {.bytes = kSpent,
          .packets = kSpent,
          .add_time = static_cast<std::uint64_t>(std::time(nullptr)),
          .use_time = 0};
}

// Exactly as add_standby() left it: one that another program has made anew, or that was asked to send, is
// not.
bool is_untouched(const SaSpec& sa, const nlmsghdr& message, const xfrm_usersa_info& info) {
  if (info.curlft.packets != kSpent || info.curlft.bytes != kSpent) return false;
  if (sa.direction == Direction::kIn) return true;
  Progress at;
  for_attributes(message, sizeof info, [&](const nlattr& a) { read_progress(a, at); });
  return at.sequence_type == XFRMA_REPLAY_ESN_VAL && sequence_of(at, sa.direction) == last_number(sa);
}

}  // namespace

Result<void> XfrmBackend::add_standby(const SaRef& sa) {
  Progress progress = progress_at(*sa, last_number(*sa), has_);
  progress.lifetime = spent();
  standby_.insert(sa->id);
  NetlinkMessage message =
      wanted_sa(*sa, XFRM_MSG_NEWSA, sa->direction == Direction::kOut ? &progress : nullptr);
  if (sa->direction == Direction::kIn) message.put_struct(XFRMA_LTIME_VAL, progress.lifetime);
  auto done = install(sa, message);
  if (!done) standby_.erase(sa->id);
  return done;
}

Result<void> XfrmBackend::resume(const SaRef& sa, const dp::SaStart& start) {
  const bool in = sa->direction == Direction::kIn;
  const std::uint64_t at = in ? start.replay_top : std::max(start.next_sequence, std::uint64_t{1}) - 1;
  NetlinkMessage message(XFRM_MSG_NEWAE, NLM_F_REPLACE);
  auto& id = message.header<xfrm_aevent_id>();
  id.sa_id = sa_id(*sa);
  id.saddr = to_kernel(sa->source);
  put_lookup(message, sa->kernel);
  if (!in || (at != 0 && sa->replay_window != 0)) {  // else it has seen nothing, or does not look
    const Progress progress = progress_at(*sa, at, has_);
    message.put(progress.sequence_type, progress.sequence);
  }
  xfrm_lifetime_cur begins{};
  begins.add_time = static_cast<std::uint64_t>(std::time(nullptr));
  message.put_struct(XFRMA_LTIME_VAL, begins);
  return requests_.request(message, "going on with " + std::string(simplon::name(sa->protocol)) + " SA " +
                                        text(sa->spi) + " in the kernel");
}

Result<std::set<SaId>> XfrmBackend::adopt(const std::vector<SaRef>& sas, bool standing_by) {
  if (sas.empty()) return std::set<SaId>{};
  std::map<std::pair<Spi, IpAddress>, SaRef> wanted;
  for (const SaRef& sa : sas) wanted[{sa->spi, sa->destination}] = sa;
  std::vector<SaRef> same;
  const auto read = each_sa([&] { same.clear(); },
                            [&](const nlmsghdr& message, const xfrm_usersa_info& info) {
                              const auto found = wanted.find(key_of(info));
                              if (found == wanted.end() || is_standby(info) != standing_by) return;
                              if (standing_by && !is_untouched(*found->second, message, info)) return;
                              NetlinkMessage ours = message_of(*found->second);
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
