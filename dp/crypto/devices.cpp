// The control thread's half: devices, and the keys in them.
#include "dp/crypto/crypto.h"

namespace simplon::dp {
namespace {

constexpr unsigned kEspHeader = 8;

struct Xforms {
  std::array<rte_crypto_sym_xform, 2> chain{};
  rte_crypto_sym_xform* first = &chain[0];

  explicit Xforms(const SaSpec& sa) {
    const bool out = sa.direction == Direction::kOut;
    if (sa.suite.encr->aead())
      aead(sa, out);
    else
      cipher_and_auth(sa, out);
  }
  void aead(const SaSpec& sa, bool out) {
    chain[0].type = RTE_CRYPTO_SYM_XFORM_AEAD;
    chain[0].aead = {.op = out ? RTE_CRYPTO_AEAD_OP_ENCRYPT : RTE_CRYPTO_AEAD_OP_DECRYPT,
                     .algo = RTE_CRYPTO_AEAD_AES_GCM,
                     .key = {.data = sa.encr_key.bytes().data(), .length = sa.suite.encr->key},
                     .iv = {.offset = kIvOffset, .length = 12},
                     .digest_length = sa.suite.encr->icv,
                     .aad_length = kEspHeader};
  }
  void cipher_and_auth(const SaSpec& sa, bool out) {
    rte_crypto_sym_xform &cipher = chain[out ? 0 : 1], &auth = chain[out ? 1 : 0];
    chain[0].next = &chain[1];
    cipher.type = RTE_CRYPTO_SYM_XFORM_CIPHER;
    cipher.cipher = {.op = out ? RTE_CRYPTO_CIPHER_OP_ENCRYPT : RTE_CRYPTO_CIPHER_OP_DECRYPT,
                     .algo = RTE_CRYPTO_CIPHER_AES_CBC,
                     .key = {.data = sa.encr_key.bytes().data(), .length = sa.suite.encr->key},
                     .iv = {.offset = kIvOffset, .length = 16},
                     .dataunit_len = 0};
    auth.type = RTE_CRYPTO_SYM_XFORM_AUTH;
    auth.auth = {.op = out ? RTE_CRYPTO_AUTH_OP_GENERATE : RTE_CRYPTO_AUTH_OP_VERIFY,
                 .algo = algorithm(sa.suite.integ->id),
                 .key = {.data = sa.integ_key.bytes().data(), .length = sa.suite.integ->key},
                 .iv = {},
                 .digest_length = sa.suite.integ->icv};
  }
  static rte_crypto_auth_algorithm algorithm(IntegId id) {
    switch (id) {
      case IntegId::kSha256_128:
        return RTE_CRYPTO_AUTH_SHA256_HMAC;
      case IntegId::kSha384_192:
        return RTE_CRYPTO_AUTH_SHA384_HMAC;
      case IntegId::kSha512_256:
        return RTE_CRYPTO_AUTH_SHA512_HMAC;
    }
    return RTE_CRYPTO_AUTH_NULL;  // unreachable: every enumerator is above
  }
};

bool can(std::uint8_t device, const SaSpec& sa) {
  rte_cryptodev_sym_capability_idx index{};
  index.type = sa.suite.encr->aead() ? RTE_CRYPTO_SYM_XFORM_AEAD : RTE_CRYPTO_SYM_XFORM_CIPHER;
  if (sa.suite.encr->aead())
    index.algo.aead = RTE_CRYPTO_AEAD_AES_GCM;
  else
    index.algo.cipher = RTE_CRYPTO_CIPHER_AES_CBC;
  return rte_cryptodev_sym_capability_get(device, &index) != nullptr;
}

Result<void> start(std::uint8_t id, const std::string& name, unsigned workers, rte_mempool* sessions) {
  rte_cryptodev_info info{};
  rte_cryptodev_info_get(id, &info);
  if (info.max_nb_queue_pairs < workers)
    return fail(name + " has " + std::to_string(info.max_nb_queue_pairs) + " queue pairs for " +
                std::to_string(workers) +
                " workers; give it more with max_nb_queue_pairs=" + std::to_string(workers));
  rte_cryptodev_config config{
      .socket_id = SOCKET_ID_ANY, .nb_queue_pairs = static_cast<std::uint16_t>(workers), .ff_disable = 0};
  if (rte_cryptodev_configure(id, &config) < 0) return fail(name + ": cannot be configured");
  const rte_cryptodev_qp_conf queue{.nb_descriptors = 256, .mp_session = sessions};
  for (unsigned q = 0; q < workers; ++q)
    if (rte_cryptodev_queue_pair_setup(id, static_cast<std::uint16_t>(q), &queue, SOCKET_ID_ANY) < 0)
      return fail(name + ": queue pair " + std::to_string(q) + " cannot be set up");
  if (rte_cryptodev_start(id) < 0) return fail(name + ": cannot be started");
  return {};
}

}  // namespace

CryptoSession::~CryptoSession() {
  if (session != nullptr) rte_cryptodev_sym_session_free(device, session);
}

Result<std::unique_ptr<CryptoDevices>> CryptoDevices::open(const std::vector<std::string>& names,
                                                           unsigned workers, unsigned sessions) {
  auto devices = std::make_unique<CryptoDevices>();
  for (const std::string& full : names) {
    const std::string name = full.substr(0, full.find(','));
    const int id = rte_cryptodev_get_dev_id(name.c_str());
    if (id < 0)
      return fail("there is no crypto device '" + name + "'; is its driver installed, its name right?");
    Device device{.id = static_cast<std::uint8_t>(id), .name = name};
    device.sessions = rte_cryptodev_sym_session_pool_create(
        ("sessions-" + std::to_string(id)).c_str(), sessions,
        rte_cryptodev_sym_get_private_session_size(device.id), 0, 0, SOCKET_ID_ANY);
    if (device.sessions == nullptr)
      return fail(name + ": no memory for the keys of " + std::to_string(sessions) +
                  " SAs; raise 'memory' or lower 'buffers'");
    if (auto done = start(device.id, name, workers, device.sessions); !done)
      return std::unexpected(done.error());
    rte_cryptodev_info info{};
    rte_cryptodev_info_get(device.id, &info);
    device.cpu = (info.feature_flags & RTE_CRYPTODEV_FF_SYM_CPU_CRYPTO) != 0;
    devices->devices_.push_back(std::move(device));
  }
  return devices;
}

CryptoDevices::~CryptoDevices() {
  for (const Device& device : devices_) {
    rte_cryptodev_stop(device.id);
    rte_cryptodev_close(device.id);
    rte_mempool_free(device.sessions);
  }
}

Result<std::unique_ptr<const CryptoSession>> CryptoDevices::make_session(const SaSpec& sa) const {
  Xforms xforms(sa);
  bool full = false;
  for (const Device& device : devices_) {
    if (!can(device.id, sa)) continue;
    void* made = rte_cryptodev_sym_session_create(device.id, xforms.first, device.sessions);
    if (made == nullptr) {
      full = full || rte_mempool_empty(device.sessions) != 0;
      continue;
    }
    auto session = std::make_unique<CryptoSession>();
    session->device = device.id;
    session->aead = sa.suite.encr->aead();
    session->cpu = device.cpu;
    session->session = made;
    return std::unique_ptr<const CryptoSession>(std::move(session));
  }
  if (full) return fail("there is no room for the keys of another SA; raise 'memory'");
  return fail("no crypto device takes " + std::string(sa.suite.encr->name) +
              (sa.suite.integ ? "-" + std::string(sa.suite.integ->name) : "") + "; see the key 'crypto'");
}

}  // namespace simplon::dp
