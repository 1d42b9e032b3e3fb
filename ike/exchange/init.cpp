// IKE_SA_INIT (RFC 7296 §1.2, §2.6, §2.7, §2.10, §2.23).
#include <algorithm>

#include "ike/sa/ike_sa.h"

namespace simplon::ike {
namespace {

constexpr unsigned kMostInits = 5;  // cookies and other groups that one attempt follows

std::vector<Proposal> numbered(std::vector<Proposal> proposals) {
  std::uint8_t n = 0;
  for (Proposal& p : proposals) p.number = ++n;
  return proposals;
}

}  // namespace

void IkeSa::initiate(std::shared_ptr<const Connection> connection, std::vector<CreateChild> children,
                     std::uint64_t ticket, Now) {
  belong_to(std::move(connection));
  first_children_ = std::move(children);
  if (ticket != 0) tickets_.push_back(ticket);
  // Without an address of our own we cannot hash it: to the peer that is a NAT, so it must be one to us.
  forced_ = connection_->force_encap || local_.address.is_unspecified();
  group_ = connection_->proposals[0].groups[0];
  ni_ = core_.entropy.bytes(kNonceBytes);
  log(LogLevel::kInfo, "initiating to " + remote_.text());
  restart_init();
}

// From the start, with a fresh key of the group that is wanted now.
bool IkeSa::restart_init() {
  if (++init_tries_ > kMostInits) return false;
  random_ = Secret(core_.entropy.bytes(64));
  pending_.reset();
  core_.submit(id_, group_, random_.clone(), {}, [](IkeSa& sa, const JobResult& result, Now at) {
    sa.public_ = result.public_value;
    sa.send_init(at);
  });
  return true;
}

void IkeSa::send_init(Now now) {
  PayloadWriter out;
  if (!cookie_.empty()) out.notify(NotifyType::kCookie, cookie_);
  out.sa(numbered(connection_->proposals));
  out.ke(group_, public_);
  out.nonce(ni_);
  nat_notifies(out);
  request_clear(out, now);
}

// A forced NAT is one that does not exist: a source hash of nothing.
void IkeSa::nat_notifies(PayloadWriter& out) const {
  const std::uint64_t spi_r = initiator_ ? 0 : spi_r_;
  out.notify(NotifyType::kNatDetectionSourceIp,
             nat_hash(spi_i_, spi_r,
                      forced_ ? SocketAddress{IpAddress::any(local_.address.family()), Port{0}} : local_));
  out.notify(NotifyType::kNatDetectionDestinationIp, nat_hash(spi_i_, spi_r, remote_));
}

void IkeSa::detect_nat(const Payloads& payloads) {
  const std::uint64_t spi_r = initiator_ ? spi_r_ : 0;
  const Buffer ours = nat_hash(spi_i_, spi_r, local_), theirs = nat_hash(spi_i_, spi_r, remote_);
  bool source = false, source_fits = false;
  for (const Notify& n : payloads.notifies) {
    if (n.type == NotifyType::kNatDetectionSourceIp) source = true, source_fits |= n.data == theirs;
    if (n.type == NotifyType::kNatDetectionDestinationIp) nat_local_ = n.data != ours;
  }
  nat_remote_ = source && !source_fits;
  if (forced_ && source) nat_local_ = true;
}

void IkeSa::init_response(const Header& h, const Datagram& datagram, Now now) {
  const auto parsed = parse_payloads(h.next, Bytes(datagram.bytes).subspan(kHeaderBytes));
  if (!parsed) {
    ++core_.counters.malformed;
    return core_.log_limited(
        "init", now, "IKE_SA_INIT response from " + datagram.remote.text() + ": " + parsed.error().what);
  }
  if (const Notify* n = parsed->find(NotifyType::kCookie)) {
    cookie_ = n->data;
    if (cookie_.empty() || cookie_.size() > 64 || ++init_tries_ > kMostInits)
      return end("the peer keeps asking for cookies", now);
    return send_init(now);  // all else unchanged (§2.6)
  }
  if (const Notify* n = parsed->find(NotifyType::kInvalidKePayload); n && n->data.size() == 2) {
    const DhGroup wanted{load_be16(n->data.data())};
    if (wanted == group_) return;  // the answer to an earlier sending, come twice: it has been followed
    const bool ours = std::ranges::any_of(connection_->proposals, [&](const Proposal& p) {
      return std::ranges::find(p.groups, wanted) != p.groups.end();
    });
    log(LogLevel::kInfo, "the peer asks for key exchange " + std::to_string(static_cast<unsigned>(wanted)));
    group_ = wanted;
    if (!ours || !restart_init()) end("the peer asks for a key exchange that we do not offer", now);
    return;
  }
  if (const Notify* n = parsed->error()) {
    if (n->type == NotifyType::kNoProposalChosen) ++core_.counters.no_proposal;
    return end("the peer refuses: " + name(n->type) + "; we offered " + text(connection_->proposals), now);
  }
  spi_r_ = h.spi_r;
  if (local_.address.is_unspecified()) local_.address = datagram.local.address;
  init_accepted(*parsed, datagram.bytes, now);
}

void IkeSa::init_accepted(const Payloads& p, Bytes message, Now now) {
  if (!p.sa || p.sa->size() != 1 || !p.ke || !p.nonce || spi_r_ == 0)
    return end("the peer's IKE_SA_INIT response lacks payloads", now);
  if (!is_choice_of((*p.sa)[0], connection_->proposals))
    return end("the peer chose what we did not offer: " + (*p.sa)[0].text(), now);
  if (DhGroup{p.ke->group} != group_) return end("the peer's key exchange is of another group", now);
  proposal_ = choose(*p.sa, connection_->proposals);
  nr_ = *p.nonce;
  init_reply_ = Buffer(message.begin(), message.end());
  detect_nat(p);
  pending_.reset();
  state_ = State::kAuth;
  core_.submit(id_, group_, random_.clone(), p.ke->data, [](IkeSa& sa, const JobResult& result, Now at) {
    if (!result.ok) return sa.end("the peer's public value is not valid", at);
    sa.keys_ = derive_keys(*sa.proposal_, result.shared.bytes(), sa.ni_, sa.nr_, sa.spi_i_, sa.spi_r_);
    sa.have_keys_ = true;
    if (sa.nat_local_ || sa.nat_remote_) {  // §2.23: to port 4500 from here on
      sa.local_.port = kNatTraversalPort;
      if (sa.remote_.port == kIkePort) sa.remote_.port = kNatTraversalPort;
    }
    sa.send_auth(at);
  });
}

// Stateless: nothing is kept of a peer that we refuse.
void IkeSa::refuse_init(const Header& h, NotifyType type, Bytes data) {
  PayloadWriter out;
  out.notify(type, data);
  Header answer = h;
  answer.flags = kFlagResponse;
  send(write_message(answer, out));
  state_ = State::kDead;
  core_.touched.insert(id_);
}

void IkeSa::respond_init(std::vector<std::shared_ptr<const Connection>> candidates, const Header& h,
                         const Payloads& p, Bytes message, Now now) {
  spi_i_ = h.spi_i;
  candidates_ = std::move(candidates);
  std::vector<Proposal> ours;
  for (const auto& c : candidates_)  // a thousand connections may say the same
    for (const Proposal& p : c->proposals)
      if (std::ranges::find(ours, p) == ours.end()) ours.push_back(p);
  proposal_ = choose(*p.sa, ours);
  if (!proposal_) {
    ++core_.counters.no_proposal;
    core_.log_limited("proposal", now,
                      [&] { return "no proposal of " + remote_.text() + " fits: " + why_not(*p.sa, ours); });
    return refuse_init(h, NotifyType::kNoProposalChosen, {});
  }
  group_ = proposal_->groups[0];
  if (DhGroup{p.ke->group} != group_) {
    Writer group;
    group.be16(static_cast<std::uint16_t>(group_));
    return refuse_init(h, NotifyType::kInvalidKePayload, group.view());
  }
  if (p.ke->data.size() != public_bytes(group_)) {
    ++core_.counters.malformed;
    core_.log_limited("ke", now, "IKE_SA_INIT from " + remote_.text() + ": a public value of another length");
    return refuse_init(h, NotifyType::kInvalidSyntax, {});
  }
  // Who it is shows later; a pretended NAT hurts nobody who did not ask for it.
  forced_ = std::ranges::any_of(candidates_, [](const auto& c) { return c->force_encap; });
  init_request_ = Buffer(message.begin(), message.end());
  ni_ = *p.nonce;
  nr_ = core_.entropy.bytes(kNonceBytes);
  detect_nat(p);
  state_ = State::kAuth;
  busy_ = true;
  core_.half_open.add(id_, came_from_.address);
  core_.by_initiator[{spi_i_, came_from_}] = id_;
  core_.submit(id_, group_, Secret(core_.entropy.bytes(64)), p.ke->data,
               [](IkeSa& sa, const JobResult& result, Now at) {
                 if (!result.ok) return sa.end("the initiator's public value is not valid", at);
                 sa.keys_ =
                     derive_keys(*sa.proposal_, result.shared.bytes(), sa.ni_, sa.nr_, sa.spi_i_, sa.spi_r_);
                 sa.have_keys_ = true;
                 PayloadWriter out;
                 out.sa({*sa.proposal_});
                 out.ke(sa.group_, result.public_value);
                 out.nonce(sa.nr_);
                 sa.nat_notifies(out);
                 sa.init_reply_ = write_message(sa.header(Exchange::kIkeSaInit, true, 0), out);
                 sa.last_response_ = sa.init_reply_;
                 sa.next_expected_ = 1;
                 sa.busy_ = false;
                 sa.send(sa.last_response_);
               });
}

}  // namespace simplon::ike
