// SPDX-License-Identifier: Apache-2.0
// Packets for two gateways with SAs of every kind (tests/dp/many_sas.h) and a bundle, through the worker's
// own stages, both ways. So that more than the ICV is met, most inputs are plaintext: they are protected with
// an SA's keys first, by the left gateway or here.
//
// An input: what it is, the SA, a size, a choice; then octets, or edits (two octets of place, one that is
// added by exclusive or) of a packet that is right.
#include "tests/dp/eal.h"
#include "tests/dp/fragments.h"
#include "tests/dp/many_sas.h"
#include "tests/fuzz/sealer.h"

namespace simplon::dp::test {
namespace {

constexpr PolicyId kInside{1001}, kOutside{1002};

class Site {
 public:
  Site() {
    for (const OneOfMany& sa : sas_)
      for (auto [lab, direction] : {std::pair(&left_, Direction::kOut), {&right_, Direction::kIn}}) {
        check(lab->registry().add_policy(policy_of(sa, direction)).has_value());
        check(lab->registry().add_sa(sa_of(sa, direction)).has_value());
      }
    add_bundle();
    for (Lab* lab : {&left_, &right_}) {
      check(lab->registry().commit().has_value());
      lab->registry().tick(std::chrono::steady_clock::time_point{} + std::chrono::seconds(5));
    }
  }

  void run(const Input& in) {
    const OneOfMany& sa = sas_[in.sa % sas_.size()];
    choice_ = in.choice;
    reset(sa);
    switch (in.what % 11) {
      case 0:  // anything from the LAN
        return all_to_right(from_lan(Buffer(in.rest.begin(), in.rest.end())));
      case 1: {
        Buffer packet = packet_for(sa, in.size * 7u);
        edit(packet, 0, in.rest);
        return all_to_right(to_left(sa, packet));
      }
      case 2:  // anything from the WAN
        to_right(Buffer(in.rest.begin(), in.rest.end()));
        return;
      case 3:  // anything inside an SA
        return inside(sa, Buffer(in.rest.begin(), in.rest.end()));
      case 4:
        return inside(sa, edited_plaintext(sa, in));
      case 5:
        return forged(sa, in);
      case 6:
        return changed_headers(sa, in);
      case 7:
        return fragments(sa, in);
      case 8:
        return frames(in);
      case 9:
        return through_bundle(in);
      case 10:
        return in_parts(sa, in);
    }
  }
  // Packets that nobody has touched pass every SA, sealed by the left gateway and here, and the bundle: else
  // nothing of the rest would be worth anything.
  void prove() {
    const auto passed = [&](std::uint64_t id) { return right_.registry().counters(SaId{id})->packets; };
    for (std::uint8_t i = 0; i < sas_.size(); ++i)
      for (const std::uint8_t what : {1, 4}) {
        const std::uint64_t before = passed(sas_[i].options.id);
        const std::uint8_t input[] = {what, i, 20, 3};
        run(Input(input, sizeof input));
        look_after();
        check(passed(sas_[i].options.id) == before + 1);
      }
    const std::uint8_t bundle[] = {9, 0, 20, 3};
    run(Input(bundle, sizeof bundle));
    check(passed(1001) == 1 && passed(1002) == 1);
  }
  // Nothing is left behind but what waits for a neighbour, or for the rest of its datagram.
  void look_after() {
    for (Lab* lab : {&left_, &right_}) lab->events(), lab->punted();
    const unsigned waiting = static_cast<unsigned>(left_.worker().counters().waiting.get() +
                                                   right_.worker().counters().waiting.get());
    check(rte_mempool_in_use_count(Shared::get().buffers) <= waiting * 70 + 64);
  }

 private:
  void add_bundle() {
    for (auto [lab, direction] : {std::pair(&left_, Direction::kOut), {&right_, Direction::kIn}}) {
      const bool out = direction == Direction::kOut;
      const Selectors inside = out ? selectors("198.18.1.0/24", "198.18.2.250/32")
                                   : selectors("198.18.2.250/32", "198.18.1.0/24"),
                      outside = out ? selectors("198.51.100.1[50]", "198.51.100.2[50]")
                                    : selectors("198.51.100.2[50]", "198.51.100.1[50]");
      Registry& r = lab->registry();
      check(r.add_policy({.id = kInside,
                          .name = "inside",
                          .order = 1001,
                          .action = Action::kProtect,
                          .selectors = inside,
                          .over = kOutside})
                .has_value());
      check(r.add_policy({.id = kOutside,
                          .name = "outside",
                          .order = 1002,
                          .action = Action::kProtect,
                          .selectors = outside,
                          .protocol = IpsecProtocol::kAh,
                          .mode = SaMode::kTransport})
                .has_value());
      auto esp = std::make_shared<SaSpec>(
          *make_sa(direction, {.spi = Spi{0x5001}, .selectors = inside, .id = 1001}));
      esp->policy = kInside;
      esp->over = kOutside;
      auto ah = std::make_shared<SaSpec>(*make_sa(direction, {.suite = *find_ah_suite("sha256"),
                                                              .spi = Spi{0x5002},
                                                              .selectors = outside,
                                                              .id = 1002,
                                                              .protocol = IpsecProtocol::kAh,
                                                              .mode = SaMode::kTransport}));
      ah->policy = kOutside;
      check(r.add_sa(esp).has_value() && r.add_sa(ah).has_value());
    }
  }

  // The same input does the same again.
  void reset(const OneOfMany& sa) {
    const OutboundSlots& slots = *left_.registry().tables().read()->outbound;
    for (std::uint32_t i = 0; i < sas_.size() + 2; ++i)
      if (OutboundSa* out = slots[i].sa.read(); out != nullptr && out->id == SaId{sa.options.id})
        out->next_seq = Sealer::first(sa);
    for (const std::uint64_t id : {sa.options.id, std::uint64_t{1001}, std::uint64_t{1002}}) {
      ReplayWindow& window = right_.registry().inbound(SaId{id})->window;
      window.forget();
      if (id == sa.options.id && sa.options.esn == Esn::kOn) window.mark(Sealer::first(sa) - 1);
    }
  }

  // An Ethernet header stays before the packet (Mailboxes::hand_over()).
  unsigned room_before() const { return kEthernetBytes + (choice_ & 1 ? 128 : 8u * (choice_ >> 4)); }
  unsigned room_behind() const { return choice_ & 2 ? 600 : 4u * (choice_ >> 2 & 15); }
  std::vector<Buffer> give(Lab& lab, const Buffer& packet, Origin origin, PortIndex port) {
    rte_mbuf* m = guarded(packet, port, room_before(), room_behind());
    m->hash.usr = static_cast<std::uint32_t>(origin);
    return lab.hand(m);
  }
  std::vector<Buffer> from_lan(const Buffer& packet) { return give(left_, packet, Origin::kProtected, kLan); }
  std::vector<Buffer> to_right(const Buffer& packet) {
    return give(right_, packet, Origin::kUnprotected, kWan);
  }
  // As this SA's packets come: from a host, or from the gateway's own kernel.
  std::vector<Buffer> to_left(const OneOfMany& sa, const Buffer& packet) {
    if (!sa.transport()) return from_lan(packet);
    const bool v4 = packet[0] >> 4 == 4;
    return left_.inject(frame_of({2, 0, 0, 0, 0, 2}, v4 ? kEtherTypeIpv4 : kEtherTypeIpv6, packet), kWan);
  }
  void all_to_right(const std::vector<Buffer>& frames) {
    for (const Buffer& frame : frames) to_right(ip_of(frame));
  }

  static Buffer edited_plaintext(const OneOfMany& sa, const Input& in) {
    Buffer plain = Sealer::plaintext(sa, in.size * 3u);
    edit(plain, 0, in.rest);
    return plain;
  }
  void inside(const OneOfMany& sa, Buffer plain) { to_right(sealer_.seal(sa, std::move(plain))); }

  // Of what is authenticated no octet may be another: nothing comes out.
  void forged(const OneOfMany& sa, const Input& in) {
    const auto sealed = to_left(sa, packet_for(sa, in.size * 4u));
    if (sealed.size() != 1) return;
    Buffer packet = ip_of(sealed[0]);
    const std::size_t from = (sa.options.to.is_v4() ? 20 : 40) + (sa.options.udp ? 8 : 0);
    const bool changed = edit(packet, from, in.rest);
    const std::uint64_t before = right_.registry().counters(SaId{sa.options.id})->packets;
    to_right(packet);
    const std::uint64_t after = right_.registry().counters(SaId{sa.options.id})->packets;
    check(!changed || after == before);
  }
  void changed_headers(const OneOfMany& sa, const Input& in) {
    for (const Buffer& frame : to_left(sa, packet_for(sa, in.size * 4u))) {
      Buffer packet = ip_of(frame);
      Buffer head(packet.begin(), packet.begin() + (packet[0] >> 4 == 4 ? 20 : 40));
      edit(head, 0, in.rest);
      std::ranges::copy(head, packet.begin());
      if (packet[0] >> 4 == 4 && (packet[0] & 15) == 5) set_ipv4_checksum(packet.data());
      to_right(packet);
    }
  }
  void fragments(const OneOfMany& sa, const Input& in) {
    const unsigned each = 8u * (1 + in.choice % 64);
    for (const Buffer& frame : to_left(sa, packet_for(sa, in.size * 5u))) {
      auto pieces = cut(ip_of(frame), each, in.size);
      for (std::size_t i = 0; i < pieces.size() && 3 * i + 3 <= in.rest.size(); ++i)
        edit(pieces[i], 0, in.rest.subspan(3 * i, 3));
      if (in.choice & 0x80) std::ranges::reverse(pieces);
      for (const Buffer& piece : pieces) to_right(piece);
    }
  }
  void frames(const Input& in) {
    Lab& lab = in.choice & 4 ? left_ : right_;
    const PortIndex port = in.choice & 8 ? kLan : kWan;
    Buffer frame(in.rest.begin(), in.rest.end());
    if ((in.size & 1) != 0) {  // for us
      const Mac mac = port == kLan ? Mac{2, 0, 0, 0, 0, 1} : Mac{2, 0, 0, 0, 0, 2};
      if (frame.size() >= mac.size()) std::ranges::copy(mac, frame.begin());
    }
    rte_ring_enqueue(Wire::of(port).ring, guarded(frame, port, 128, room_behind()));
    lab.pass(std::vector<Buffer>{}, Origin::kProtected, kLan);
  }
  void through_bundle(const Input& in) {
    const auto sealed = from_lan(udp4("198.18.1.10", "198.18.2.250", in.size * 4u));
    for (const Buffer& frame : sealed) {
      Buffer packet = ip_of(frame);
      edit(packet, in.choice & 0x40 ? 20 : 0, in.rest);
      to_right(packet);
    }
  }
  void in_parts(const OneOfMany& sa, const Input& in) {
    for (const Buffer& frame : to_left(sa, packet_for(sa, in.size * 4u))) {
      std::vector<std::size_t> sizes;
      std::size_t left = frame.size();
      for (const std::uint8_t b : in.rest.first(std::min<std::size_t>(in.rest.size(), 8))) {
        const std::size_t n = std::min<std::size_t>(left, b);
        if (n != 0) sizes.push_back(n), left -= n;
      }
      if (left != 0) sizes.push_back(left);
      right_.receive_in_parts(frame, sizes, kWan);
    }
  }

  const std::vector<OneOfMany> sas_ = many_sas();
  Lab left_{0, true}, right_{1, false};
  const Sealer sealer_{sas_};
  std::uint8_t choice_ = 0;
};

Site* site;

}  // namespace
}  // namespace simplon::dp::test

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  using namespace simplon::dp::test;
  if (!start_eal(kImbDevices)) std::abort();
  site = new Site;
  site->prove();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace simplon::dp::test;
  if (size > 2000) return 0;
  site->run(Input(data, size));
  site->look_after();
  return 0;
}
