// SPDX-License-Identifier: Apache-2.0
// Backend over NETLINK_XFRM: the kernel's own SPD and SAD do the work. Control thread.
//
// An SPD entry becomes several kernel policies: one per pair of selectors and per direction (out and a
// passage through fwd; in and fwd). A bundle (PolicySpec::over) is one policy that names an SA for each of
// its entries. The outbound policies' templates have the entry's id as their reqid, the inbound ones' that of
// its child. A PROTECT entry becomes a block while its peer is unknown, and while the gateway is off: nothing
// leaves in the clear.
//
// KernelOptions (dp/base/kernel_options.h) come with each SA and policy. An entry with an if_id is of the
// xfrm interface of that number: it decides about what is routed there alone, and of that about what no entry
// without if_id takes, which the kernel asks first, whatever their order. So the fence has nothing of it, and
// its passages are for that interface. An SA with an
// offload that the card did not take goes again at once. A card that goes down takes its SAs out of the
// kernel: they count as expired.
//
// The kernel holds one policy per selector and direction. Where several entries need the same one, each of
// them claims it: the first in the order of the SPD gets it, and when that entry is removed, the next.
//
// Other programs share the kernel. What they remove or change of ours is noticed and put back
// (interference.cpp); until it is, the kernel's default policy, which is to block, holds, and a fence in
// nftables stops what another's policy lets pass.
//
// A later run recognises our policies by their priorities, and our SAs by a mark in their netlink sequence
// number. Policies and SAs of other programs are left alone.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "ctrl/backend/backend.h"
#include "ctrl/backend/xfrm/interfaces.h"
#include "ctrl/backend/xfrm/message.h"
#include "ctrl/backend/xfrm/nft_fence.h"
#include "ctrl/backend/xfrm/support.h"
#include "ctrl/backend/xfrm/trial.h"
#include "ctrl/linux/netlink.h"
#include "dp/base/lease.h"

namespace simplon::ctrl {

struct Progress;

class XfrmBackend final : public Backend {
 public:
  // What of ours in the kernel it is about: it sees, and is told of, nothing else. kStandby has no policies.
  enum class Scope : std::uint8_t { kAll, kInstalled, kStandby };  // kInstalled: without what stands by
  static Result<std::unique_ptr<XfrmBackend>> open(Scope scope = Scope::kAll);
  // Removes what any run of ours left in the kernel, but these SAs.
  static Result<void> release(const std::vector<SaRef>& but = {});
  // The same of what stands by alone.
  static Result<void> release_standby();

  std::string_view name() const override { return "xfrm"; }
  // What can be said beforehand: whether the kernel has the algorithms (but for twins: standby.h tries
  // theirs) and takes the replay window, and knows the options. Whether the card takes the SA is known when
  // one is installed.
  Result<void> can(const SaSpec& sa) override;
  // What this and former runs of ours have in the kernel, without the fence.
  Result<Installed> dump() override;
  // Policies that hold whatever the entries say: the host's own neighbour discovery passes, forwarded
  // neighbour discovery does not, and nothing is forwarded that no entry matches. Traffic of the host itself
  // that no entry matches passes: else the gateway could not be reached any more. Then the kernel's default
  // is set to block (Linux 5.15): it holds when somebody removes our policies. release() sets it back. From
  // now on a second lock stands beside the policies (nft_fence.h).
  Result<void> fence() override { return fence(true); }
  // `nft_now` false: a kernel that could not have the second lock is asked for it by poll().
  Result<void> fence(bool nft_now);
  // The same beside a data path, which keeps closed what is to be closed: the policies for neighbour
  // discovery and the second lock for the entries, nothing that all of the machine's traffic would meet.
  Result<void> fence_entries();
  Result<void> add_sa(const SaRef& sa) override { return add_sa(sa, {}); }
  // For who goes on with an SA that another had before, as far as it came.
  Result<void> add_sa(const SaRef& sa, const dp::SaStart& start);
  // An SA that somebody else forwards by (standby.cpp): the kernel has it whole, and refuses to send and to
  // receive by it until resume(), which is add_sa() for such a one.
  Result<void> add_standby(const SaRef& sa);
  Result<void> resume(const SaRef& sa, const dp::SaStart& start);
  bool has_nft_fence() const { return nft_ && nft_->stands(); }
  // Those of `sas` that a former run has left in the kernel exactly as they shall be: they are this one's
  // from now on. `standing_by`: by add_standby(), else by add_sa(). One dump for all.
  Result<std::set<SaId>> adopt(const std::vector<SaRef>& sas, bool standing_by);
  Result<void> remove_sa(const SaRef& sa) override;
  Result<void> move_sa(const SaRef& from, const SaRef& to) override;
  void prepare(const std::vector<PolicySpec>& policies) override;
  Result<void> add_policy(const PolicySpec& policy) override;
  Result<void> remove_policy(const PolicySpec& policy) override;
  Result<void> set_gateway(bool on) override;
  // The kernel takes each change of a policy at once; the fence in nftables opens here.
  void commit() override;
  Result<SaCounters> counters(const SaRef& sa) override;
  // The last number that it sent, or the highest that it received. Unlike counters() it has no key told.
  Result<std::uint64_t> sequence(const SaSpec& sa);
  // What of this SA the kernel does not have as it was asked for (compare.h); none: it has all of it so.
  std::vector<std::string> differences(const SaSpec& sa);
  // Looks at all SAs of ours, not at `sas` alone.
  std::map<SaId, std::uint64_t> packets(const std::vector<SaRef>& sas) override;
  void recheck() override;
  std::vector<int> fds() const override;
  std::vector<BackendEvent> poll() override;
  StatusLines status() override;

 private:
  using Clock = std::chrono::steady_clock;

  XfrmBackend(Scope scope, Netlink requests, Netlink events, XfrmInterfaces interfaces)
      : scope_(scope),
        requests_(std::move(requests)),
        events_(std::move(events)),
        interfaces_(std::move(interfaces)),
        has_(probe_support(requests_)) {}
  // Our SAs, by SPI and destination. The kernel tells of no ESP packet's time before Linux 6.2, so packets()
  // compares each SA's packet counter with what it was.
  struct Known {
    SaRef sa;
    std::uint64_t packets = 0;  // when packets() last looked
    Clock::time_point active;   // when it last saw that they had become more, or of the installation
    bool runs_out = false;      // its rekey was asked for since it has few numbers left
  };
  using KnownSas = std::map<std::pair<Spi, IpAddress>, Known>;
  struct Entry {
    PolicySpec spec;
    std::vector<KernelPolicy> kernel;
  };
  // What an entry wants of a kernel policy; the lowest claim of a set gets it.
  struct Claim {
    std::uint32_t priority = 0;  // as the kernel has it
    PolicyId id{};
    bool passage = false;
    friend auto operator<=>(const Claim&, const Claim&) = default;
  };

  static Claim claim(const KernelPolicy& key, const PolicySpec& policy) {
    return {kernel_priority(key, policy), policy.id, key.passage};
  }
  bool blocked(const PolicySpec& policy) const { return !on_ && policy.action == Action::kProtect; }
  // The entries whose SAs are around this one's; none while one of them is missing or has no ends: then the
  // policy only blocks.
  std::optional<std::vector<const PolicySpec*>> around(const PolicySpec& policy) const;
  Result<void> kernel_can(const SaSpec& sa);
  static void ask_soon_again();
  static void ask_as_before();
  Result<void> install(const SaRef& sa, NetlinkMessage& message);
  Result<void> check_offload(const SaSpec& sa, const std::string& what);
  unsigned card(const KernelOptions& options) const;
  Result<std::vector<KernelPolicy>> keys_of(const PolicySpec& policy);
  void follow_interfaces(Clock::time_point now);
  void follow_cards(bool changed, Clock::time_point now);
  NetlinkMessage message_of(const SaSpec& sa, std::uint16_t type = XFRM_MSG_NEWSA,
                            const Progress* progress = nullptr) const;
  void know(const SaRef& sa);
  NetlinkMessage wanted_sa(const SaSpec& sa, std::uint16_t type = XFRM_MSG_NEWSA,
                           const Progress* progress = nullptr) const;
  Result<void> write_those_inside(PolicyId over);
  void take_from_inside(const PolicySpec& policy);
  Result<void> one_peer_behind_nat(const SaSpec& sa) const;
  void fence_off(const PolicySpec& policy, const std::vector<KernelPolicy>& kernel);
  Result<void> replace_sa(const SaSpec& from, const SaRef& to, const std::string& what);
  Result<void> end_moved(const SaRef& sa);
  void drop_claims(PolicyId id);
  NetlinkMessage wanted_policy(const KernelPolicy& key, const Claim& claim) const;
  Result<void> write_policy(const KernelPolicy& key, const std::string& name);
  Result<void> write_policies(const std::vector<KernelPolicy>& keys, const std::string& name);
  Result<void> fence_discovery();
  void open_nft(bool now = true);
  Result<void> write_fence(const PolicySpec& policy, const std::vector<std::uint8_t>& directions);
  using EachSa = std::function<void(const nlmsghdr&, const xfrm_usersa_info&)>;
  Result<void> each_sa(const std::function<void()>& begin, const EachSa& each);
  Result<void> dump_sas(Installed& out);
  Result<void> dump_policies(Installed& out);
  void read_policy(const nlmsghdr& message, Installed& out);
  void read_event(const nlmsghdr& message, std::vector<BackendEvent>& out);
  void read_mapping(const nlmsghdr& message, std::vector<BackendEvent>& out) const;
  void count_entries(StatusLines& out);

  // interference.cpp
  Result<void> set_default(bool block);
  bool default_blocks();
  void watch_numbers(const nlmsghdr& message, Known& known);
  void read_change(const nlmsghdr& message, std::vector<BackendEvent>& out);
  void read_foreign_policy(const nlmsghdr& message, const xfrm_userpolicy_info& info,
                           std::vector<BackendEvent>& out);
  bool has_entry_of(std::uint32_t if_id) const;
  bool is_foreign_opening(const nlmsghdr& message, const xfrm_userpolicy_info& info) const;
  void tell_foreign(const KernelPolicy& key, std::vector<BackendEvent>& out) const;
  Result<void> compare_policies(std::vector<BackendEvent>& out);
  void suspect(const KernelPolicy& key);
  std::vector<KernelPolicy> suspects_in_order() const;
  bool lets_pass(const KernelPolicy& key) const;
  void forget(const KernelPolicy& key);
  std::size_t rewrite_suspects();
  void repair(std::vector<BackendEvent>& out);
  bool compare_sas(std::vector<BackendEvent>& out);
  void read_sa_change(const nlmsghdr& message, std::vector<BackendEvent>& out);
  void count_as_gone(const std::function<bool(const SaSpec&)>& which, std::vector<BackendEvent>& out);
  void tell_gone(std::vector<BackendEvent>& out);
  void put_back(const SaRef& sa, std::vector<BackendEvent>& out);
  std::string update(const SaSpec& sa, const std::string& what);

  Scope scope_;
  Netlink requests_, events_;
  XfrmInterfaces interfaces_;
  KernelSupport has_;
  KnownAttributes known_attributes_;
  std::optional<NftFence> nft_;  // none before fence()
  KnownSas known_;
  struct Tried {
    Result<void> result;
    Clock::time_point until{};  // it holds
  };
  std::map<KernelSuite, Tried> tried_;
  KnownSas::iterator known_by(const nlmsghdr& message, std::size_t header, const KnownSas::key_type& key);
  std::map<PolicyId, std::map<SaId, SaRef>> outbound_;  // SAs, by their entry
  std::set<SaId> standby_;                              // made by add_standby(); they keep the mark
  std::map<PolicyId, Entry> policies_;
  std::map<PolicyId, std::set<PolicyId>> inside_;  // the entries that name this one as over them
  std::map<KernelPolicy, std::set<Claim>> claims_;
  std::map<PolicyId, KernelPolicy> former_;  // of a former run, by the ids that the last dump() gave them
  std::vector<ExpireEvent> left_;            // SAs that did not get to another address; for the next poll()
  bool on_ = true;
  bool fenced_ = false;   // the kernel's default was set to block
  std::size_t gone_ = 0;  // SAs that others have removed and nobody was told of yet
  bool check_sas_ = false, check_policies_ = false;  // the next poll() compares all of them
  bool has_cards_ = false;                           // an SA has or had an offload
  std::optional<Clock::time_point> compare_again_;   // when a card may have gone down
  bool changed_since_ = false;                       // a link, while that is waited for
  std::set<KernelPolicy> suspects_;                  // policies that the next poll() writes again
  std::set<KernelPolicy> foreign_;  // policies of others that let pass before ours, and were told
  std::vector<std::string> told_;   // for the next poll() to tell
  std::map<std::uint16_t, std::uint64_t> notices_;  // how many came, by XFRM_MSG_*
  std::uint64_t overruns_ = 0;                      // how often the kernel lost some
};

}  // namespace simplon::ctrl
