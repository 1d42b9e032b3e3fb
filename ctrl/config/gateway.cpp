// SPDX-License-Identifier: Apache-2.0
// The sections `gateway`, `crypto`, `icmp`, `log`, `management` and `limits`.
#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "ctrl/config/parts.h"
#include "ctrl/vici/client.h"
#include "dp/base/device_name.h"

namespace simplon::ctrl {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr unsigned kMostCores = 1024;
constexpr std::array kCryptoDrivers{std::string_view("crypto_aesni_gcm"), std::string_view("crypto_aesni_mb"),
                                    std::string_view("crypto_openssl"), std::string_view("crypto_scheduler")};

std::optional<unsigned> read_core(const Value& value, const Machine& machine) {
  const auto core = value.number(0, kMostCores - 1);
  if (!core) return std::nullopt;
  if (std::ranges::find(machine.cores, *core) != machine.cores.end()) return static_cast<unsigned>(*core);
  std::string have;
  for (unsigned c : machine.cores) have += (have.empty() ? "" : ", ") + std::to_string(c);
  value.error("this process has no core " + std::to_string(*core) + "; it may run on " + have);
  return std::nullopt;
}

void read_cores(Section& gateway, const Machine& machine, Mode mode, dp::Setup& out) {
  const Value main_core = gateway.get("main_core"), workers = gateway.get("workers");
  if (const auto core = read_core(main_core, machine))
    out.main_core = *core;
  else if (!main_core && !machine.cores.empty())
    out.main_core = machine.cores.front();
  for (const Value& item : workers.list()) {
    const auto core = read_core(item, machine);
    if (!core) continue;
    if (*core == out.main_core && out.idle == dp::Idle::kPoll)
      item.error("core " + std::to_string(*core) +
                 " is the main core; a worker that polls needs one for itself: use another, or idle: relax");
    else if (std::ranges::find(out.worker_cores, *core) != out.worker_cores.end())
      item.error("core " + std::to_string(*core) + " has a worker already");
    else
      out.worker_cores.push_back(*core);
  }
  if (workers && workers.list().empty() && workers.node()->kind != Yaml::Kind::kMap)
    workers.error("at least one core is needed");
  if (workers || mode == Mode::kKernel) return;
  const auto other = std::ranges::find_if(machine.cores, [&](unsigned c) { return c != out.main_core; });
  if (other != machine.cores.end())
    out.worker_cores = {*other};
  else if (out.idle == dp::Idle::kRelax)
    out.worker_cores = {out.main_core};
  else
    workers.error(
        "there is only one core, and a worker that polls needs one for itself; use idle: relax or mode: "
        "kernel");
}

void read_setup(Section& gateway, const Machine& machine, Mode mode, dp::Setup& out) {
  if (const auto idle =
          gateway.get("idle").choice<dp::Idle>({{"poll", dp::Idle::kPoll}, {"relax", dp::Idle::kRelax}}))
    out.idle = *idle;
  read_cores(gateway, machine, mode, out);
  if (const auto pages = gateway.get("hugepages")
                             .choice<dp::Hugepages>({{"auto", dp::Hugepages::kAuto},
                                                     {"required", dp::Hugepages::kRequired},
                                                     {"never", dp::Hugepages::kNever}}))
    out.hugepages = *pages;
  if (const auto memory = gateway.get("memory").bytes(64 * kMiB, kMiB * kMiB))
    out.memory_mb = static_cast<unsigned>(*memory / kMiB);
  if (const auto buffers = gateway.get("buffers").number(1024, 64u << 20))
    out.buffers = static_cast<unsigned>(*buffers);
  const Value prefix = gateway.get("file_prefix");
  if (const auto text = prefix.text()) {
    if (!valid_name(*text)) prefix.error(kNameRule);
    out.file_prefix = *text;
  }
}

void read_crypto_choice(Section& prefer, const EspSuite& suite, dp::Setup& out) {
  const Value value = prefer.get(suite_name(suite));
  const auto backend = value.choice<dp::CryptoBackend>({{"direct", dp::CryptoBackend::kDirect},
                                                        {"cpu", dp::CryptoBackend::kCpu},
                                                        {"queue", dp::CryptoBackend::kQueue}});
  if (!backend) return;
  if (*backend == dp::CryptoBackend::kDirect && !dp::direct_takes(suite))
    return value.error("IPsec-MB is not called directly for this suite; use cpu or queue");
  out.crypto_prefer.push_back({suite, *backend});
}

// "crypto_aesni_mb", "crypto_aesni_mb1,max_nb_queue_pairs=4", or the PCI address of an accelerator.
void read_crypto_devices(const Value& value, dp::Setup& out) {
  for (const Value& item : value.list()) {
    const auto text = item.text();
    if (!text) continue;
    std::string_view driver = std::string_view(*text).substr(0, text->find(','));
    driver = driver.substr(0, driver.find_last_not_of("0123456789") + 1);
    const bool pci = is_pci_address(*text);
    const bool known = std::ranges::find(kCryptoDrivers, driver) != kCryptoDrivers.end();
    if (!pci && !known)
      item.error(
          "unknown crypto device '" + text->substr(0, 60) +
          "'; use crypto_aesni_gcm, crypto_aesni_mb, crypto_openssl, crypto_scheduler or a PCI address" +
          did_you_mean(driver, {kCryptoDrivers.begin(), kCryptoDrivers.end()}));
    else if (std::ranges::find(out.crypto_devices, *text) != out.crypto_devices.end())
      item.error("'" + *text + "' stands here twice");
    else
      out.crypto_devices.push_back(*text);
  }
  if (value && value.list().empty()) value.error("at least one device is needed");
  if (!value) out.crypto_devices = {"crypto_aesni_gcm", "crypto_aesni_mb"};
}

// One key a suite: "aes128gcm16: cpu".
void read_crypto_choices(const Value& value, dp::Setup& out) {
  Section prefer(value);
  for (const Encr& encr : kEncrs) {
    if (encr.aead()) read_crypto_choice(prefer, {&encr, nullptr}, out);
    for (const Integ& integ : kIntegs)
      if (const EspSuite suite{&encr, &integ}; suite.valid()) read_crypto_choice(prefer, suite, out);
  }
  prefer.finish();
}

// A list of devices, or a section.
void read_crypto(const Value& value, dp::Setup& out) {
  if (!value || value.node()->kind != Yaml::Kind::kMap) return read_crypto_devices(value, out);
  Section crypto(value);
  read_crypto_devices(crypto.get("devices"), out);
  read_crypto_choices(crypto.get("prefer"), out);
  crypto.finish();
}

void read_icmp(const Value& value, dp::IcmpOptions& out) {
  Section icmp(value);
  if (const auto rate = icmp.get("rate").number(0, 1'000'000)) out.rate = static_cast<unsigned>(*rate);
  if (const auto tell = icmp.get("prohibited").boolean()) out.prohibited = *tell;
  icmp.finish();
}

}  // namespace

void read_gateway(const Value& value, Section& root, const Machine& machine, Config& out) {
  Section gateway(value);
  const Value mode = gateway.get("mode");
  if (const auto given = mode.choice<Mode>({{"dp", Mode::kDataPath}, {"kernel", Mode::kKernel}}))
    out.mode = *given;
  read_setup(gateway, machine, out.mode, out.setup);
  read_crypto(root.get("crypto"), out.setup);
  read_icmp(root.get("icmp"), out.setup.icmp);
  gateway.finish();
  if (out.mode == Mode::kDataPath) return;
  // Only the word `mode` has to change to use a file in the other mode, so the rest is checked as well.
  for (const char* key : {"main_core", "workers", "idle", "hugepages", "memory", "buffers", "file_prefix"})
    if (const Value extra = gateway.get(key)) extra.warning("is not used in mode 'kernel'");
  if (const Value crypto = root.get("crypto")) crypto.warning("is not used in mode 'kernel'");
  if (const Value icmp = root.get("icmp"))
    icmp.warning("is not used in mode 'kernel': the kernel answers by its own rules");
  for (const char* key : {"ports", "routes"})
    if (const Value extra = root.get(key))
      extra.warning("is not used in mode 'kernel': the kernel's own interfaces, addresses and routes serve");
}

void read_daemon(Section& root, Config& out) {
  const Value value = root.get("ike");
  if (const auto given =
          value.choice<IkeDaemon>({{"internal", IkeDaemon::kInternal}, {"external", IkeDaemon::kExternal}}))
    out.daemon = *given;
  if (out.daemon == IkeDaemon::kInternal) return;
  if (out.mode == Mode::kKernel)
    value.error("'external' is for mode 'dp': in mode 'kernel' the other IKE daemon needs no Simplon");
  if (const Value connections = root.get("connections"))
    connections.error("are the other IKE daemon's with 'ike: external'; take this section out");
}

namespace {

// What an open for appending would say, without making the file.
void check_log_file(const Value& value, const std::string& file) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path path(file), folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (fs::is_directory(path, error)) return value.error("'" + file + "' is a folder; name a file in it");
  if (!fs::exists(path, error) && !fs::is_directory(folder, error))
    return value.error("there is no folder '" + folder.string() + "'; make it first");
  const fs::path& written = fs::exists(path, error) ? path : folder;
  if (access(written.c_str(), W_OK) == 0) return;
  const std::string what = "'" + written.string() + "' cannot be written: " + std::strerror(errno);
  // Who checks a file need not be who runs it.
  geteuid() == 0 ? value.error(what) : value.warning(what);
}

}  // namespace

void read_log(const Value& value, LogConfig& out) {
  Section log(value);
  const auto level = [](const Value& v) {
    return v.choice<Level>({{"error", Level::kError},
                            {"warning", Level::kWarning},
                            {"info", Level::kInfo},
                            {"debug", Level::kDebug}});
  };
  if (const auto given = level(log.get("level"))) out.level = *given;
  const Value file = log.get("file");
  if (const auto path = file.text()) {
    out.file = *path;
    check_log_file(file, *path);
  }
  Section categories(log.get("categories"));
  constexpr std::pair<const char*, Category> kCategories[] = {
      {"daemon", Category::kDaemon},   {"config", Category::kConfig},      {"ike", Category::kIke},
      {"network", Category::kNetwork}, {"data_path", Category::kDataPath}, {"kernel", Category::kKernel},
      {"console", Category::kConsole}, {"audit", Category::kAudit}};
  for (const auto& [key, category] : kCategories)
    if (const auto given = level(categories.get(key))) out.categories[category] = *given;
  categories.finish();
  log.finish();
}

void read_management(const Value& value, Management& out) {
  // sockaddr_un.sun_path, with its final zero.
  constexpr std::size_t kLongestSocket = 107;
  Section management(value);
  const Value sockets = management.get("socket");
  for (const Value& item : sockets.filled_list()) {
    const auto path = item.text();
    if (!path) continue;
    if (!path->starts_with('/') || path->size() > kLongestSocket)
      item.error("the path of a socket begins with '/' and has at most 107 characters");
    else if (std::ranges::find(out.sockets, *path) != out.sockets.end())
      item.error("'" + *path + "' stands here twice");
    else
      out.sockets.push_back(*path);
  }
  if (out.sockets.empty()) out.sockets = {vici::kDefaultSocket};
  const Value group = management.get("group"), mode = management.get("mode");
  if (const auto name = group.text()) {
    if (!getgrnam(name->c_str())) group.error("there is no group '" + *name + "' on this machine");
    out.group = *name;
  }
  if (const auto digits = mode.text()) {
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), bits, 8);
    if (error != std::errc{} || end != digits->data() + digits->size() || bits > 0777 ||
        (bits & 0600) != 0600 || (bits & 007) != 0)
      mode.error("use an octal mode that lets the owner read and write and others do nothing: 0600 or 0660");
    else
      out.mode = bits;
  }
  management.finish();
}

void read_limits(const Value& value, ike::Settings& out) {
  using namespace std::chrono_literals;
  Section limits(value);
  if (const auto n = limits.get("cookie_threshold").number(0, 1'000'000)) out.cookie_threshold = *n;
  const Value half_open = limits.get("half_open");
  if (const auto n = half_open.number(1, 1'000'000)) out.half_open_limit = *n;
  if (const auto t = limits.get("retry_first").duration(100ms, 24h)) out.retry_first = *t;
  const Value longest = limits.get("retry_longest");
  if (const auto t = longest.duration(100ms, 24h)) out.retry_longest = *t;
  if (out.cookie_threshold >= out.half_open_limit && (half_open || limits.has("cookie_threshold")))
    limits.value().error("cookie_threshold must be below half_open, or no cookie is ever asked for");
  if (out.retry_longest < out.retry_first) limits.value().error("retry_longest is shorter than retry_first");
  limits.finish();
}

}  // namespace simplon::ctrl
