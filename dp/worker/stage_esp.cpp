// The SA's owner at work: bursts through open, crypto, close; and through seal, crypto, route.
#include "dp/worker/worker.h"

namespace simplon::dp {

void Worker::find_sas() {
  for (unsigned i = 0; i < esp_count_; ++i) esp_[i].sa = tables_->sad->find(esp_[i].spi, esp_[i].destination);
}

void Worker::open_all() {
  const unsigned n = std::exchange(esp_count_, 0);
  job_count_ = 0;
  for (unsigned i = 0; i < n; ++i) {
    const Esp& esp = esp_[i];
    const Arrived& packet = packets_[esp.packet];
    if (esp.sa == nullptr) {
      if (tables_->routes->local(destination_of(bytes_of(packet.m) + packet.headers.ip, packet.headers.v4)))
        drop(packet.m, Drop::kUnknownSpi);
      else
        clear_[clear_count_++] = esp.packet;  // somebody else's, in transit: the policies decide
    } else if (!tables_->gateway_on) {
      drop(packet.m, Drop::kGatewayOff);
    } else if (esp.sa->owner != setup_.index) {
      hand_over(packet.m, packet.headers.ip, packet.origin, packet.port, esp.sa->owner);
    } else if (const Drop bad = decapsulate_begin(packet.m, packet.headers, esp.header, *esp.sa,
                                                  opening_[job_count_], jobs_[job_count_]);
               bad != Drop::kNone) {
      esp.sa->replayed += bad == Drop::kReplayed || bad == Drop::kTooOld;
      drop(packet.m, bad);
    } else {
      esp_[job_count_++] = esp;
    }
  }
  if (clock_) clock_->mark(Stage::kSa);
}

void Worker::decrypt() {
  const unsigned n = job_count_;
  const std::uint32_t good = setup_.crypto->run(jobs_.data(), n);
  if (clock_) clock_->mark(Stage::kCrypto);
  for (unsigned i = 0; i < n; ++i) decrypted(i, (good >> i & 1) != 0);
  if (clock_) clock_->mark(Stage::kPost);
}

void Worker::decrypted(unsigned job, bool good) {
  InboundSa& sa = *esp_[job].sa;
  Arrived& packet = packets_[esp_[job].packet];
  if (!good) {
    if (setup_.crypto->dead(*sa.session)) return drop(packet.m, Drop::kCryptoError);
    ++sa.bad_icv;
    return drop(packet.m, Drop::kBadIcv);
  }
  if ((sa.packets >= sa.check_at_packets || sa.bytes >= sa.check_at_bytes) && !allowed(sa))
    return drop(packet.m, Drop::kLifetimeExpired);
  if (const Drop bad = decapsulate_finish(packet.m, opening_[job], sa, packet.headers); bad != Drop::kNone) {
    sa.replayed += bad == Drop::kReplayed || bad == Drop::kTooOld;
    sa.selector_mismatch += bad == Drop::kSelectorMismatch;
    return drop(packet.m, bad);
  }
  ++sa.packets;
  sa.bytes += packet.headers.length;
  ++counters_.decrypted;
  packet.origin = Origin::kDecrypted;
  clear_[clear_count_++] = esp_[job].packet;
}

// Sequence numbers are taken here, one after the other by the one owner (RFC 4303 §3.3.3).
void Worker::seal_all() {
  const unsigned n = std::exchange(protected_count_, 0);
  job_count_ = 0;
  for (unsigned i = 0; i < n; ++i) {
    const Protected& p = protected_[i];
    const Arrived& packet = packets_[p.packet];
    OutboundSa* sa = p.sa;
    if (sa == nullptr) {
      acquire(p);
      drop(packet.m, Drop::kNoSa);
      continue;
    }
    if (sa->owner != setup_.index) {
      hand_over(packet.m, packet.headers.ip, packet.origin, packet.port, sa->owner);
      continue;
    }
    if ((sa->next_seq > sa->check_at_packets || sa->bytes >= sa->check_at_bytes) && !allowed(*sa)) {
      drop(packet.m, sa->next_seq > kLastSequence ? Drop::kSequenceExhausted : Drop::kLifetimeExpired);
      continue;
    }
    if (const Drop bad =
            encapsulate(packet.m, packet.headers, !packet.from_host(), sa->next_seq, *sa, jobs_[job_count_]);
        bad != Drop::kNone) {
      drop(packet.m, bad);
      continue;
    }
    ++sa->next_seq;
    sa->bytes += packet.headers.length;
    sealed_[job_count_++] = sa;
  }
}

void Worker::encrypt() {
  const unsigned n = job_count_;
  const std::uint32_t good = setup_.crypto->run(jobs_.data(), n);
  if (clock_) clock_->mark(Stage::kCrypto);
  const OutboundSa* last = nullptr;
  const NextHop* hop = nullptr;
  for (unsigned i = 0; i < n; ++i) {
    rte_mbuf* m = jobs_[i].mbuf;
    if ((good >> i & 1) == 0) {
      drop(m, Drop::kCryptoError);
      continue;
    }
    ++counters_.encrypted;
    OutboundSa& sa = *sealed_[i];
    if (&sa != last) hop = route_of(sa), last = &sa;
    if (hop == nullptr) {
      drop(m, Drop::kNoRoute);
      continue;
    }
    set_udp_checksum(m, sa);
    forward(m, *hop, {});
  }
  if (clock_) clock_->mark(Stage::kRoute);
}

// The outer destination's route is remembered in the SA, as long as the tables' generation does not change.
const NextHop* Worker::route_of(OutboundSa& sa) {
  if (sa.route_generation != tables_->generation) {
    sa.route = tables_->routes->find(sa.destination);
    sa.route_generation = tables_->generation;
  }
  return sa.route == kNoNextHop ? nullptr : &tables_->routes->next_hop(sa.route);
}

bool Worker::allowed(OutboundSa& sa) {
  tell_limit(sa.limits, sa.limits.reached(sa.next_seq - 1, sa.bytes), sa.id);
  sa.check_at_packets = sa.limits.next_packets();
  sa.check_at_bytes = sa.limits.next_bytes();
  return !sa.limits.expired;
}

bool Worker::allowed(InboundSa& sa) {
  tell_limit(sa.limits, sa.limits.reached(sa.packets, sa.bytes), sa.id);
  sa.check_at_packets = sa.limits.next_packets();
  sa.check_at_bytes = sa.limits.next_bytes();
  return !sa.limits.expired;
}

void Worker::tell_limit(SaLimits& limits, SaLimits::News news, SaId id) {
  if (news == SaLimits::News::kNothing) return;
  if (!tell({.kind = news == SaLimits::News::kHard ? WorkerEvent::Kind::kHard : WorkerEvent::Kind::kSoft,
             .sa = static_cast<std::uint64_t>(id)}))
    limits.untold(news);
}

// At most one a second and policy (two policies that share the place in the table wait for each other).
void Worker::acquire(const Protected& p) {
  const Headers& h = packets_[p.packet].headers;
  std::uint64_t& last = acquired_[static_cast<std::uint64_t>(p.slot->policy) % acquired_.size()];
  const std::uint64_t now = rte_rdtsc();
  if (last != 0 && now - last < second_) return;
  last = now;
  const std::uint8_t* ip = bytes_of(packets_[p.packet].m) + h.ip;
  tell({.kind = WorkerEvent::Kind::kAcquire,
        .protocol = h.protocol,
        .fragment = h.fragment,
        .sport = h.sport,
        .dport = h.dport,
        .policy = p.slot->policy,
        .source = source_of(ip, h.v4),
        .destination = destination_of(ip, h.v4)});
}

}  // namespace simplon::dp
