// SPDX-License-Identifier: Apache-2.0
#include "ctrl/linux/mute_watch.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <utility>

#include "ctrl/linux/link.h"
#include "ctrl/linux/mute.h"

namespace simplon::ctrl {
namespace {

constexpr std::chrono::milliseconds kEvery{1000};
constexpr std::chrono::milliseconds kPause{20};  // between two checks: a flood of notices is no flood of them

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : between) + part;
  return out;
}

}  // namespace

Result<MuteWatch> MuteWatch::start(std::vector<std::string> interfaces, std::vector<std::string> with_xdp,
                                   bool at_once) {
  auto nft = Netlink::open(NETLINK_NETFILTER, 0);
  if (!nft) return std::unexpected(nft.error());
  if (auto done = nft->join(NFNLGRP_NFTABLES); !done) return std::unexpected(done.error());
  auto links = Netlink::open(NETLINK_ROUTE, 0);
  if (!links) return std::unexpected(links.error());
  for (const unsigned group : {RTNLGRP_LINK, RTNLGRP_TC, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF})
    if (auto done = links->join(group); !done) return std::unexpected(done.error());
  MuteWatch out(std::move(interfaces), std::move(with_xdp), std::move(*nft), std::move(*links));
  for (const std::string& interface : out.interfaces_) {
    if (at_once && mute_at_once(interface)) continue;
    if (auto done = out.close(interface); !done) return std::unexpected(done.error());
  }
  return out;
}

void MuteWatch::finish() {
  for (const std::string& interface : interfaces_) {
    if (told_.contains(interface)) continue;
    if (auto done = close(interface); !done) missing_.push_back(done.error().what);
    told_.try_emplace(interface);  // one that is gone meanwhile is waited for
  }
}

Result<void> MuteWatch::close(const std::string& interface) {
  const bool xdp_is_free = std::ranges::find(with_xdp_, interface) == with_xdp_.end();
  offloads_.try_emplace(interface, interface, xdp_is_free);
  const auto muted = mute(interface);
  if (!muted) return std::unexpected(muted.error());
  // What this kernel does not have is missing at every check.
  std::vector<std::string> failed;
  for (const MissingLock& missing : *muted) {
    missing_.push_back("interface " + interface + " has no " + missing.lock + ": " + missing.why);
    failed.push_back(missing.why);
  }
  if (auto off = offloads_.at(interface).switch_off(); !off) {
    missing_.push_back(off.error().what);
    failed.push_back(off.error().what);
  }
  told_[interface] = {interface_index(links_.fd(), interface), joined(failed, "; ")};
  return {};
}

std::vector<MuteWatch::Finding> MuteWatch::poll(Now now) {
  const auto any = [this](const nlmsghdr&) { news_ = true; };
  for (Netlink* socket : {&nft_, &links_})
    if (!socket->notices(any)) news_ = true;
  if (now - checked_ < (news_ ? kPause : kEvery)) return {};
  return check(now);
}

std::vector<MuteWatch::Finding> MuteWatch::check(Now now) {
  checked_ = now;
  news_ = false;
  std::vector<Finding> out;
  for (const std::string& interface : interfaces_)
    if (told_.contains(interface))
      if (auto finding = check(interface)) out.push_back(std::move(*finding));
  return out;
}

MuteWatch::Look MuteWatch::look(const std::string& interface) {
  Look out{.mute = mute_again(interface), .merging = {}};
  if (auto off = offloads_.at(interface).switch_off(); off)
    out.merging = std::move(*off);
  else
    out.mute.failed.push_back(off.error().what);
  return out;
}

std::optional<MuteWatch::Finding> MuteWatch::check(const std::string& interface) {
  Told& told = told_[interface];
  Finding out{.interface = interface, .text = "interface " + interface};
  const unsigned index = interface_index(links_.fd(), interface);
  const unsigned before = std::exchange(told.index, index);
  if (index == 0) {
    if (before == 0) return std::nullopt;
    out.what = Finding::What::kGone;
    out.text += " is gone";
    return out;
  }
  const bool back = before != index;
  if (back) offloads_.at(interface).forget();
  const auto [found, merging] = look(interface);
  const std::string failed = joined(found.failed, "; ");
  const bool news = std::exchange(told.failed, failed) != failed && !failed.empty();
  if (found.locks.empty() && merging.empty() && !news && !back) return std::nullopt;
  out.what = back ? Finding::What::kBack : Finding::What::kOpened;
  out.open = found.open && !back;
  if (back) out.text += " is there again";
  if (!back && !found.locks.empty()) out.text += " was opened to the kernel by another program";
  if (!found.locks.empty()) out.text += "; closed: " + joined(found.locks, ", ");
  if (!back && !merging.empty())
    out.text += "; another program switched " + joined(merging, ", ") + " on, off again";
  if (!failed.empty()) out.text += "; cannot be closed: " + failed;
  if (!found.open && !found.locks.empty()) out.text += " (another lock held: nothing passed)";
  return out;
}

}  // namespace simplon::ctrl
