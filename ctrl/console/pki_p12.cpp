// SPDX-License-Identifier: Apache-2.0
// pki p12.
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>

#include "ctrl/console/pki.h"
#include "ctrl/console/pki_folder.h"

namespace simplon::console {
namespace {

// The terminal does not show what is typed while this lives.
class Unseen {
 public:
  Unseen() {
    good_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ICANON | ECHONL;
    good_ = good_ && tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  ~Unseen() {
    if (good_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
  bool good() const { return good_; }

 private:
  termios before_{};
  bool good_ = false;
};

Secret first_line(Bytes text) {
  auto end = std::ranges::find(text, '\n');
  if (end != text.begin() && *(end - 1) == '\r') --end;
  return Secret(Bytes(text.begin(), end));
}

Result<Secret> ask(const char* what) {
  std::cerr << what << std::flush;
  const Unseen unseen;
  if (!unseen.good()) return fail("there is no terminal to ask for the passphrase: use --passphrase-file");
  std::array<std::uint8_t, 512> line{};
  const ssize_t n = read(STDIN_FILENO, line.data(), line.size());
  Secret out = first_line(Bytes(line.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))));
  explicit_bzero(line.data(), line.size());
  return out;
}

Result<Secret> passphrase_of(const PkiOptions& options) {
  if (!options.passphrase_file.empty()) {
    auto file = read_file(options.passphrase_file);
    if (!file) return std::unexpected(file.error());
    const Secret whole(std::move(*file));
    return first_line(whole.bytes());
  }
  if (isatty(STDIN_FILENO) == 0)
    return fail("there is no terminal to ask for the passphrase: use --passphrase-file");
  auto first = ask("Passphrase of the file: ");
  if (!first) return first;
  const auto again = ask("The same again: ");
  if (!again) return std::unexpected(again.error());
  if (!equal_in_constant_time(first->bytes(), again->bytes())) return fail("these were two passphrases");
  return first;
}

Result<ike::P12> content_of(const PkiFolder& folder, const std::string& name) {
  const auto pem_path = folder.file_of(name, ".pem"), key_path = folder.file_of(name, ".key");
  if (!pem_path || !key_path) return std::unexpected(pem_path ? key_path.error() : pem_path.error());
  const auto pem = read_file(*pem_path), root = read_file(folder.file("ca.pem"));
  if (!pem || !root) return std::unexpected(pem ? root.error() : pem.error());
  auto chain = ike::read_certificates(*pem);
  auto roots = ike::read_certificates(*root);
  if (!chain || !roots) return std::unexpected(chain ? roots.error() : chain.error());
  auto key_file = read_file(*key_path);
  if (!key_file) return std::unexpected(key_file.error());
  const Secret key_text(std::move(*key_file));
  auto key = ike::read_private_key(key_text.bytes(), {});
  if (!key) return fail(*key_path + ": " + key.error().what);
  if (!ike::belongs_to(chain->front(), *key)) return fail(*key_path + " is not the key of " + *pem_path);
  ike::P12 out{.name = name, .certificate = chain->front(), .key = std::move(*key)};
  out.authorities.assign(chain->begin() + 1, chain->end());
  for (Buffer& der : *roots)
    if (std::ranges::count(out.authorities, der) == 0) out.authorities.push_back(std::move(der));
  return out;
}

}  // namespace

Result<void> pki_p12(const PkiOptions& options, std::ostream& out) {
  if (options.what.size() != 1) return fail("one NAME, for each file has its own passphrase");
  const auto folder = PkiFolder::open(options.dir, PkiFolder::Make::kNo);
  if (!folder) return std::unexpected(folder.error());
  const std::string& name = options.what.front();
  const auto content = content_of(*folder, name);
  if (!content) return std::unexpected(content.error());
  const auto passphrase = passphrase_of(options);
  if (!passphrase) return std::unexpected(passphrase.error());
  const auto form = options.old_form ? ike::P12Form::kOld : ike::P12Form::kModern;
  const auto p12 = ike::make_p12(*content, *passphrase, form);
  if (!p12) return std::unexpected(p12.error());
  const std::string path = options.out.empty() ? folder->file(name + ".p12") : options.out;
  const Existing existing = options.force ? Existing::kReplace : Existing::kKeep;
  if (const auto done = write_file(path, p12->bytes(), Access::kPrivate, existing); !done) return done;
  out << path << ": key and certificate of " << name << ", and those of its authorities\n";
  return {};
}

}  // namespace simplon::console
