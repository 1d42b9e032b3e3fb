// SPDX-License-Identifier: Apache-2.0
#include "ctrl/console/prompt.h"

#include <histedit.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "ctrl/console/words.h"

namespace simplon::console {
namespace {

constexpr int kHistoryLines = 500;

int run_line(Console& console, std::string_view line) {
  const Result<std::vector<std::string>> words = split_words(line);
  if (!words) {
    std::cerr << "simplonctl: " << words.error().what << '\n';
    return kUsage;
  }
  if (words->empty() || words->front().starts_with('#')) return kOk;
  return console.run(*words, std::cout, std::cerr);
}

int piped(Console& console) {
  int status = kOk;
  for (std::string line; !console.wants_to_quit() && std::getline(std::cin, line);) {
    const int now = run_line(console, line);
    if (status == kOk) status = now;
  }
  return status;
}

std::string common_beginning(const std::vector<std::string>& words) {
  std::string out = words.front();
  for (const std::string& word : words) {
    const auto differ = std::ranges::mismatch(out, word);
    out.erase(differ.in1, out.end());
  }
  return out;
}

// The terminal line with its history; one for the life of the prompt.
class Line {
 public:
  explicit Line(const Console& console);
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  // None at the end of input (^D).
  std::optional<std::string> read();

 private:
  static unsigned char on_tab(EditLine* edit, int);
  unsigned char complete_here();

  const Console& console_;
  EditLine* edit_;
  History* history_;
  HistEvent event_{};
  std::string file_;  // empty: none is kept
};

char* prompt_text(EditLine*) {
  static char text[] = "simplon> ";
  return text;
}

Line::Line(const Console& console)
    : console_(console), edit_(el_init("simplonctl", stdin, stdout, stderr)), history_(history_init()) {
  if (const char* home = std::getenv("HOME")) file_ = std::string(home) + "/.simplonctl_history";
  history(history_, &event_, H_SETSIZE, kHistoryLines);
  history(history_, &event_, H_SETUNIQUE, 1);
  if (!file_.empty()) history(history_, &event_, H_LOAD, file_.c_str());
  el_set(edit_, EL_PROMPT, prompt_text);
  el_set(edit_, EL_EDITOR, "emacs");
  el_set(edit_, EL_SIGNAL, 1);
  el_set(edit_, EL_HIST, history, history_);
  el_set(edit_, EL_CLIENTDATA, this);
  el_set(edit_, EL_ADDFN, "simplon-complete", "completes the word", &Line::on_tab);
  el_set(edit_, EL_BIND, "^I", "simplon-complete", nullptr);
  el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

Line::~Line() {
  if (!file_.empty()) {
    const mode_t before = umask(0077);
    history(history_, &event_, H_SAVE, file_.c_str());
    umask(before);
  }
  history_end(history_);
  el_end(edit_);
}

unsigned char Line::on_tab(EditLine* edit, int) {
  Line* self = nullptr;
  el_get(edit, EL_CLIENTDATA, &self);
  return self->complete_here();
}

unsigned char Line::complete_here() {
  const LineInfo* info = el_line(edit_);
  const std::string_view line(info->buffer, static_cast<std::size_t>(info->cursor - info->buffer));
  const std::vector<std::string> words =
      complete(line, [this](vici::Names of) { return console_.names(of); });
  if (words.empty()) return CC_REFRESH_BEEP;
  const std::size_t blank = line.find_last_of(" \t");
  const std::string_view typed = blank == std::string_view::npos ? line : line.substr(blank + 1);
  std::string more = common_beginning(words).substr(typed.size());
  if (words.size() == 1) more += ' ';
  if (!more.empty()) return el_insertstr(edit_, more.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  std::cout << '\n';
  for (const std::string& word : words) std::cout << word << "  ";
  std::cout << std::endl;
  return CC_REDISPLAY;
}

std::optional<std::string> Line::read() {
  int count = 0;
  const char* text = el_gets(edit_, &count);
  if (!text || count <= 0) return std::nullopt;
  std::string line(text, static_cast<std::size_t>(count));
  if (line.find_first_not_of(" \t\r\n") != std::string::npos && !holds_key(line))
    history(history_, &event_, H_ENTER, line.c_str());
  return line;
}

// ^C throws the line away and asks again.
volatile std::sig_atomic_t interrupted = 0;

int on_terminal(Console& console) {
  struct sigaction wanted{};
  wanted.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &wanted, nullptr);
  Line line(console);
  std::cout << "Simplon console. Tab completes, help explains, quit or ^D leaves.\n";
  while (!console.wants_to_quit()) {
    interrupted = 0;
    const std::optional<std::string> text = line.read();
    if (!text && interrupted == 0) break;
    if (!text || interrupted != 0)
      std::cout << '\n';
    else
      run_line(console, *text);
  }
  return kOk;
}

}  // namespace

int prompt(Console& console) { return isatty(STDIN_FILENO) ? on_terminal(console) : piped(console); }

}  // namespace simplon::console
