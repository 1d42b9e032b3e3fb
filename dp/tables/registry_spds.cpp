// SPDX-License-Identifier: Apache-2.0
// The SPDs of a commit: Registry's half that makes of the published ones those with what has changed. The
// cost is that of the policies that have changed, not of all.
#include <algorithm>
#include <utility>

#include "dp/tables/registry.h"

namespace simplon::dp {

// What the next tables have in place of what the published ones share with them; copied when it is asked for.
class Registry::SpdChanges {
 public:
  explicit SpdChanges(Tables& next) : next_(next) {}

  // There is one for each tunnel interface that has entries, one for each name that ports give theirs, and
  // one for all else.
  Spd& spd_of(const PolicySpec& policy, const std::vector<PortFacts>& ports) {
    std::shared_ptr<Spd>& spd = spds_[{policy.spd.empty() ? policy.interface : InterfaceId{}, policy.spd}];
    if (!spd) spd = copy_of(published(policy, ports));
    return *spd;
  }
  ClassTable& classes() {
    if (!classes_) classes_ = copy_of(next_.classes.get());
    return *classes_;
  }
  void finish(const std::vector<PortFacts>& ports) {
    for (auto& [where, spd] : spds_) {
      const auto& [interface, name] = where;
      if (!name.empty())
        set_named(name, std::move(spd), ports);
      else if (interface != InterfaceId{})
        set_tunnel(static_cast<std::size_t>(interface), std::move(spd));
      else
        next_.spd = std::move(spd);
    }
    if (classes_) next_.classes = std::move(classes_);
    if (tunnels_) next_.tunnels = std::move(tunnels_);
  }

 private:
  template <class T>
  static std::shared_ptr<T> copy_of(const T* published) {
    return published == nullptr ? std::make_shared<T>() : std::make_shared<T>(*published);
  }
  const Spd* published(const PolicySpec& policy, const std::vector<PortFacts>& ports) const {
    if (!policy.spd.empty()) {
      const auto port = std::ranges::find(ports, policy.spd, &PortFacts::spd);
      return (*next_.port_spds)[static_cast<std::size_t>(port - ports.begin())].get();
    }
    if (policy.interface == InterfaceId{}) return next_.spd.get();
    const auto index = static_cast<std::size_t>(policy.interface);
    return next_.tunnels && index < next_.tunnels->size() ? (*next_.tunnels)[index].get() : nullptr;
  }
  void set_named(const std::string& name, const std::shared_ptr<const Spd>& spd,
                 const std::vector<PortFacts>& ports) {
    auto out = copy_of(next_.port_spds.get());
    for (std::size_t i = 0; i < ports.size(); ++i)
      if (ports[i].spd == name) (*out)[i] = spd;
    next_.port_spds = std::move(out);
  }
  void set_tunnel(std::size_t index, std::shared_ptr<const Spd> spd) {
    if (!tunnels_) tunnels_ = copy_of(next_.tunnels.get());
    if (index >= tunnels_->size()) tunnels_->resize(index + 1);
    (*tunnels_)[index] = spd->entries() == 0 ? nullptr : std::move(spd);
  }

  Tables& next_;
  std::map<std::pair<InterfaceId, std::string>, std::shared_ptr<Spd>> spds_;
  std::shared_ptr<ClassTable> classes_;
  std::shared_ptr<TunnelSpds> tunnels_;
};

// To be called before it does.
void Registry::will_change(PolicyId policy) {
  policies_changed_ = true;
  if (changed_.contains(policy)) return;
  const auto have = policies_.find(policy);
  changed_[policy] = have == policies_.end() ? std::nullopt : std::optional(have->second);
}

// What goes does so first: the rank of a policy, and its place, are those of the one that is there.
void Registry::change_spds(Tables& next) {
  if (!next.spd) make_first_spds(next);
  SpdChanges changes(next);
  for (const auto& [id, gone] : changed_) {
    if (!gone) continue;
    changes.spd_of(gone->spec, ports_).remove(gone->spec);
    if (gone->classes != 0) free_classes_.push_back(gone->classes);
    count_pieces(gone->spec, -1);
  }
  for (const auto& [id, gone] : changed_) {
    const auto found = policies_.find(id);
    if (found == policies_.end()) continue;
    Policy& policy = found->second;
    policy.classes = 0;
    if (policy.spec.classes.any()) {
      ClassSlots classes{.classes = policy.spec.classes};
      for (std::uint8_t c = 0; c < policy.spec.classes.count; ++c) classes.slots[c] = slots_.at({id, c}).slot;
      policy.classes = place_of_classes(changes.classes());
      changes.classes().set(policy.classes - 1, classes);
    }
    changes.spd_of(policy.spec, ports_)
        .add({policy.spec, policy.slot, policy.classes, kernel_entries_.contains(id), sends_by_kernel(id)});
    count_pieces(policy.spec, 1);
  }
  changes.finish(ports_);
  next.pieces = pieces_ != 0;
  changed_.clear();
}

// A port whose SPD has no entries discards all the same.
void Registry::make_first_spds(Tables& next) const {
  next.spd = std::make_shared<const Spd>();
  std::map<std::string, std::shared_ptr<const Spd>> named;
  auto by_port = std::make_shared<PortSpds>(ports_.size());
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].spd.empty()) continue;
    auto& spd = named[ports_[i].spd];
    if (!spd) spd = std::make_shared<const Spd>();
    (*by_port)[i] = spd;
  }
  if (!named.empty()) next.port_spds = std::move(by_port);
}

void Registry::count_pieces(const PolicySpec& policy, int more) {
  if (SpdEntry::by_piece(policy.fragments)) pieces_ += static_cast<std::size_t>(more);
}

// Index + 1: one that was given up, or a new one. Versions of the table before this one keep what they have.
std::uint32_t Registry::place_of_classes(const ClassTable& table) {
  if (free_classes_.empty()) return table.size() + 1;
  const std::uint32_t out = free_classes_.back();
  free_classes_.pop_back();
  return out;
}

}  // namespace simplon::dp
