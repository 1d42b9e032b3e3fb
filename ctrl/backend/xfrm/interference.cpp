// SPDX-License-Identifier: Apache-2.0
// What other programs change in the kernel's SPD and SAD, and what XfrmBackend does about it. A policy of
// ours is written again at once; until then the kernel's default, to block, stands in for it. An SA that is
// gone is not: its sequence numbers would begin anew under the same key (RFC 4303 §3.3.3). It counts as
// expired.
#include <arpa/inet.h>
#include <linux/ipsec.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "ctrl/backend/xfrm/backend.h"
#include "ctrl/backend/xfrm/compare.h"
#include "ctrl/backend/xfrm/message.h"
#include "ctrl/backend/xfrm/options.h"

namespace simplon::ctrl {
namespace {

constexpr xfrm_userpolicy_default kBlock{
    .in = XFRM_USERPOLICY_BLOCK, .fwd = XFRM_USERPOLICY_BLOCK, .out = XFRM_USERPOLICY_BLOCK};
constexpr xfrm_userpolicy_default kAccept{
    .in = XFRM_USERPOLICY_ACCEPT, .fwd = XFRM_USERPOLICY_ACCEPT, .out = XFRM_USERPOLICY_ACCEPT};

bool blocks(const xfrm_userpolicy_default& d) { return std::memcmp(&d, &kBlock, sizeof d) == 0; }

bool passes_in_clear(const nlmsghdr& message, const xfrm_userpolicy_info& info) {
  const std::vector<xfrm_user_tmpl> all = templates(message, sizeof info);
  return info.action == XFRM_POLICY_ALLOW &&
         std::ranges::all_of(all, [](const xfrm_user_tmpl& t) { return t.optional != 0; });
}

std::string text(const xfrm_selector& selector) {
  const SelectorPair pair = selector_pair(selector);
  return pair.source.text() + " to " + pair.destination.text();
}

std::string counted(std::size_t n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

}  // namespace

Result<void> XfrmBackend::set_default(bool block) {
  NetlinkMessage message(XFRM_MSG_SETDEFAULT, 0);
  message.header<xfrm_userpolicy_default>() = block ? kBlock : kAccept;
  return requests_.request(message, "setting the kernel's default policy");
}

// Whether the kernel blocks what no policy matches; false on a kernel older than 5.15, which cannot.
bool XfrmBackend::default_blocks() {
  NetlinkMessage message(XFRM_MSG_GETDEFAULT, 0);
  message.header<xfrm_userpolicy_default>();
  bool block = false;
  const auto done = requests_.request(message, "reading the kernel's default policy", [&](const nlmsghdr& m) {
    const auto* now = fixed_header<xfrm_userpolicy_default>(m);
    block = now != nullptr && blocks(*now);
  });
  return done && block;
}

void XfrmBackend::read_change(const nlmsghdr& message, std::vector<BackendEvent>& out) {
  switch (message.nlmsg_type) {
    case XFRM_MSG_FLUSHPOLICY:
    case XFRM_MSG_GETDEFAULT:
      check_policies_ = true;
      break;
    case XFRM_MSG_NEWPOLICY:
    case XFRM_MSG_UPDPOLICY:
      if (const auto* info = fixed_header<xfrm_userpolicy_info>(message))
        read_foreign_policy(message, *info, out);
      break;
    case XFRM_MSG_POLEXPIRE:
      if (const auto* gone = fixed_header<xfrm_user_polexpire>(message))
        forget(policy_key(message, sizeof *gone, gone->pol.dir, gone->pol.sel));
      break;
    case XFRM_MSG_DELPOLICY:
      if (const auto* gone = fixed_header<xfrm_userpolicy_id>(message)) {
        if (gone->index != 0) check_policies_ = true;  // the kernel names no selector then
        forget(policy_key(message, sizeof *gone, gone->dir, gone->sel));
      }
      break;
    case XFRM_MSG_MIGRATE:
      // It names SAs by their ends and reqid, not by their SPIs, and changes a policy along with them; no
      // other notice tells of the SAs that it removes.
      check_policies_ = check_sas_ = true;
      break;
    default:
      read_sa_change(message, out);
  }
}

// An SA that another program has removed is gone, also if that adds it again at once: the kernel would send
// by it from the first number on.
void XfrmBackend::read_sa_change(const nlmsghdr& message, std::vector<BackendEvent>& out) {
  switch (message.nlmsg_type) {
    case XFRM_MSG_FLUSHSA:
      if (const auto* flush = fixed_header<xfrm_usersa_flush>(message))
        count_as_gone(
            [&](const SaSpec& sa) {
              return flush->proto == 0 || flush->proto == IPSEC_PROTO_ANY ||
                     flush->proto == static_cast<std::uint8_t>(sa.protocol);
            },
            out);
      break;
    case XFRM_MSG_NEWSA:
    case XFRM_MSG_UPDSA:
      if (const auto* info = fixed_header<xfrm_usersa_info>(message))
        check_sas_ = check_sas_ || known_by(message, sizeof *info, key_of(*info)) != known_.end();
      break;
    case XFRM_MSG_DELSA:
      if (const auto* id = fixed_header<xfrm_usersa_id>(message))
        if (const auto known =
                known_by(message, sizeof *id, {Spi{ntohl(id->spi)}, from_kernel(id->daddr, id->family)});
            known != known_.end()) {
          out.emplace_back(ExpireEvent{known->second.sa->id, true});
          known_.erase(known);
          ++gone_;
        }
      break;
    default:
      break;  // is of nothing that Simplon has; status() counts it
  }
}

void XfrmBackend::count_as_gone(const std::function<bool(const SaSpec&)>& which,
                                std::vector<BackendEvent>& out) {
  gone_ += std::erase_if(known_, [&](const auto& known) {
    const bool gone = which(*known.second.sa);
    if (gone) out.emplace_back(ExpireEvent{known.second.sa->id, true});
    return gone;
  });
}

void XfrmBackend::tell_gone(std::vector<BackendEvent>& out) {
  if (const std::size_t gone = std::exchange(gone_, 0); gone != 0)
    out.emplace_back(ChangedEvent{counted(gone, "SA") + " of Simplon's left the kernel by another program" +
                                      (has_cards_ ? " or with a network card" : "") +
                                      "; their numbers must not begin anew, so they count as expired",
                                  false});
}

void XfrmBackend::suspect(const KernelPolicy& key) {
  if (claims_.contains(key)) suspects_.insert(key);
}

// It is gone from the kernel.
void XfrmBackend::forget(const KernelPolicy& key) {
  suspect(key);
  foreign_.erase(key);
}

// Policies of an if_id that no entry has are for interfaces of others.
bool XfrmBackend::has_entry_of(std::uint32_t if_id) const {
  return if_id == 0 ||
         std::ranges::any_of(policies_, [&](const auto& p) { return p.second.spec.kernel.if_id == if_id; });
}

// A policy of another program that comes before ours and lets pass. Those of a former run are ours.
bool XfrmBackend::is_foreign_opening(const nlmsghdr& message, const xfrm_userpolicy_info& info) const {
  const KernelPolicy key = policy_key(message, sizeof info, info.dir, info.sel);
  if (claims_.contains(key) || !has_entry_of(key.if_id)) return false;
  return info.dir <= XFRM_POLICY_FWD && info.priority <= kPriorityBase + kRestOrder &&
         std::ranges::none_of(former_,
                              [&](const auto& f) { return !(f.second < key) && !(key < f.second); }) &&
         passes_in_clear(message, info);
}

// An xfrm interface drops what its policies give no SA.
void XfrmBackend::tell_foreign(const KernelPolicy& key, std::vector<BackendEvent>& out) const {
  const std::string of = text(key.selector),
                    begin = "another program has set a kernel policy that comes before Simplon's: ";
  if (key.if_id != 0) {
    out.emplace_back(ChangedEvent{begin + "the xfrm interfaces of if_id " + std::to_string(key.if_id) +
                                      " drop " + of + ", which it leaves without an SA",
                                  false});
    return;
  }
  out.emplace_back(
      ChangedEvent{begin + of + " passes in clear" +
                       (nft_ && nft_->stands() ? ", but for what Simplon's entries protect or discard" : ""),
                   true});
}

// A policy of another program that takes the place of one of ours, or that comes before ours and lets pass.
void XfrmBackend::read_foreign_policy(const nlmsghdr& message, const xfrm_userpolicy_info& info,
                                      std::vector<BackendEvent>& out) {
  const KernelPolicy key = policy_key(message, sizeof info, info.dir, info.sel);
  suspect(key);
  foreign_.erase(key);
  if (!is_foreign_opening(message, info)) return;
  foreign_.insert(key);
  tell_foreign(key, out);
}

// All policies, whatever the notices said: ours that are not what they should be become suspect; of others'
// those are told that let pass before ours and were not told yet.
Result<void> XfrmBackend::compare_policies(std::vector<BackendEvent>& out) {
  std::set<KernelPolicy> wrong, foreign;
  const auto begin = [&] {
    for (const auto& [key, claims] : claims_)
      if (!claims.empty()) wrong.insert(key);
    foreign.clear();
  };
  NetlinkMessage message(XFRM_MSG_GETPOLICY, NLM_F_DUMP);
  auto done = requests_.dump(message, "reading the kernel's policies", begin, [&](const nlmsghdr& m) {
    const auto* info = fixed_header<xfrm_userpolicy_info>(m);
    if (info == nullptr) return;
    const KernelPolicy key = policy_key(m, sizeof *info, info->dir, info->sel);
    if (is_foreign_opening(m, *info)) foreign.insert(key);
    const auto found = claims_.find(key);
    if (found == claims_.end() || found->second.empty()) return;
    const NetlinkMessage ours = wanted_policy(found->first, *found->second.begin());
    if (policy_differences(*ours.raw(), m).empty()) wrong.erase(found->first);
  });
  if (!done) return done;
  for (const KernelPolicy& key : foreign)
    if (!foreign_.contains(key)) tell_foreign(key, out);
  foreign_ = std::move(foreign);
  suspects_.merge(wrong);
  return {};
}

// What decides first comes first: an entry that lets pass is never there without those before it.
std::vector<KernelPolicy> XfrmBackend::suspects_in_order() const {
  const auto priority = [&](const KernelPolicy& key) {
    const auto found = claims_.find(key);
    return found == claims_.end() || found->second.empty() ? 0 : found->second.begin()->priority;
  };
  std::vector<KernelPolicy> out(suspects_.begin(), suspects_.end());
  std::ranges::stable_sort(out, {}, priority);
  return out;
}

bool XfrmBackend::lets_pass(const KernelPolicy& key) const {
  const auto found = claims_.find(key);
  if (found == claims_.end() || found->second.empty()) return false;
  const Claim& first = *found->second.begin();
  return first.passage || policies_.at(first.id).spec.action == Action::kBypass;
}

// How many were written. What could not be stays suspect, with all behind it that lets pass; the next poll()
// tries again.
std::size_t XfrmBackend::rewrite_suspects() {
  std::size_t written = 0;
  bool failed = false;
  for (const KernelPolicy& key : suspects_in_order()) {
    if (failed && lets_pass(key)) continue;
    const auto done = write_policy(key, "of Simplon");
    if (done)
      ++written;
    else if (requests_.error() != EAFNOSUPPORT) {  // a kernel without IPv6 does not need it
      failed = true;
      continue;
    }
    suspects_.erase(key);
  }
  return written;
}

void XfrmBackend::repair(std::vector<BackendEvent>& out) {
  const bool blocked = !fenced_ || default_blocks();
  if (fenced_ && !blocked && set_default(true))
    out.emplace_back(
        ChangedEvent{"another program has opened the kernel's default policy; it blocks again", true});
  if (check_policies_ && !compare_policies(out)) return;
  check_policies_ = false;
  const std::size_t repaired = rewrite_suspects();
  if (repaired == 0) return;
  out.emplace_back(
      ChangedEvent{"another program has removed or changed " + std::to_string(repaired) +
                       " of Simplon's kernel policies; put back" +
                       (fenced_ && blocked ? ", and the kernel's default blocked meanwhile" : ""),
                   !(fenced_ && blocked)});
}

// Which of ours the kernel no longer has, and which are not as they were asked for: their limits or ports are
// set again. False: they could not be read, and the next poll() tries again.
bool XfrmBackend::compare_sas(std::vector<BackendEvent>& out) {
  std::set<SaId> there;
  std::map<SaId, SaRef> changed;
  const auto begin = [&] {
    there.clear();
    changed.clear();
  };
  const auto read = each_sa(begin, [&](const nlmsghdr& message, const xfrm_usersa_info& info) {
    const auto known = known_by(message, sizeof info, key_of(info));
    if (known == known_.end()) return;
    const SaRef& sa = known->second.sa;
    there.insert(sa->id);
    const NetlinkMessage ours = wanted_sa(*sa);
    if (!sa_differences(*ours.raw(), message).empty()) changed.emplace(sa->id, sa);
  });
  if (!read) return false;
  count_as_gone([&](const SaSpec& sa) { return !there.contains(sa.id); }, out);
  for (const auto& [id, sa] : changed) put_back(sa, out);
  return true;
}

// The kernel changes limits and ports of an SA in use. What else differs makes it another SA: it counts as
// expired.
void XfrmBackend::put_back(const SaRef& sa, std::vector<BackendEvent>& out) {
  const std::string what = std::string(simplon::name(sa->protocol)) + " SA " + simplon::ctrl::text(sa->spi);
  const std::string left = update(*sa, what);
  const std::string changed = "another program has changed " + what;
  if (left.empty()) {
    out.emplace_back(ChangedEvent{changed + "; put back", false});
    return;
  }
  out.emplace_back(ChangedEvent{changed + ", and it cannot be put back (" + left + "); removed", false});
  if (remove_sa(sa)) out.emplace_back(ExpireEvent{sa->id, true});
}

// Why the kernel does not have it as it was asked for; empty: it has.
std::string XfrmBackend::update(const SaSpec& sa, const std::string& what) {
  if (!can_update(sa)) return "a network card has it";
  NetlinkMessage message = wanted_sa(sa, XFRM_MSG_UPDSA);
  if (const auto done = requests_.request(message, what); !done) return done.error().what;
  const std::vector<std::string> left = differences(sa);
  return left.empty() ? std::string() : left.front();
}

std::vector<std::string> XfrmBackend::differences(const SaSpec& sa) {
  std::vector<std::string> out{"the kernel does not have it"};
  const NetlinkMessage ours = wanted_sa(sa);
  NetlinkMessage message = sa_request(XFRM_MSG_GETSA, sa);
  const auto done = requests_.request(message, "reading SA " + simplon::ctrl::text(sa.spi),
                                      [&](const nlmsghdr& m) { out = sa_differences(*ours.raw(), m); });
  return done ? out : std::vector{done.error().what};
}

}  // namespace simplon::ctrl
