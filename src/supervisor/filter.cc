#include "supervisor/filter.h"

#include <linux/seccomp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>

#include <seccomp.h>

#include "base/check.h"
#include "base/unique_fd.h"
#include "supervisor/filter_tail.h"

namespace ssi::supervisor {

namespace {

using Context =
    std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, void (*)(void*)>;

// What libseccomp's tree ends in where it is not ALLOW: SECCOMP_RET_TRACE with
// the number of a label in its data. Labels below this are actions, above it
// rows with rules.
constexpr std::uint16_t kLabelOfUnknown = 1;
constexpr std::uint16_t kFirstRowLabel = 1000;

struct Labels {
  std::map<std::uint16_t, std::uint32_t> actions;
  std::map<std::uint16_t, const CallRow*> rows;
};

std::uint16_t LabelOf(CallClass call_class) {
  return static_cast<std::uint16_t>(10 + static_cast<int>(call_class));
}

Status AddRow(scmp_filter_ctx context, const CallRow& row, Labels& labels) {
  std::uint32_t action = 0;
  if (!row.rules.empty()) {
    auto label = static_cast<std::uint16_t>(kFirstRowLabel + row.nr);
    labels.rows[label] = &row;
    action = SCMP_ACT_TRACE(label);
  } else if (ActionOf(row.call_class) == SECCOMP_RET_ALLOW) {
    action = SCMP_ACT_ALLOW;
  } else {
    std::uint16_t label = LabelOf(row.call_class);
    labels.actions[label] = ActionOf(row.call_class);
    action = SCMP_ACT_TRACE(label);
  }
  if (int rc = seccomp_rule_add(context, action, row.nr, 0); rc != 0) {
    return FailErrno(-rc, "seccomp_rule_add {}", row.name);
  }
  return {};
}

Result<FilterProgram> Export(scmp_filter_ctx context) {
  SSI_ASSIGN(UniqueFd file, MakeMemFd("ssi-filter"));
  if (int rc = seccomp_export_bpf(context, file.get()); rc != 0) {
    return FailErrno(-rc, "seccomp_export_bpf");
  }
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || ::lseek(file.get(), 0, SEEK_SET)) {
    return FailErrno(errno, "size of the filter");
  }
  FilterProgram program(static_cast<std::size_t>(info.st_size) /
                        sizeof(sock_filter));
  SSI_TRY(ReadAll(file.get(), program.data(),
                  program.size() * sizeof(sock_filter)));
  return program;
}

Result<FilterProgram> BuildTree(Labels& labels) {
  constexpr std::uint32_t kUnknown = SCMP_ACT_TRACE(kLabelOfUnknown);
  labels.actions[kLabelOfUnknown] =
      SECCOMP_RET_TRACE | static_cast<std::uint32_t>(TraceReason::kUnknown);
  Context context(seccomp_init(kUnknown), seccomp_release);
  if (context == nullptr) {
    return Fail(ErrorCode::kSystem, "seccomp_init failed");
  }
  if (int rc =
          seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, kUnknown);
      rc != 0) {
    return FailErrno(-rc, "seccomp_attr_set BADARCH");
  }
  // 2 = binary tree over the numbers; an older libseccomp makes a list.
  if (int rc = seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
      rc != 0 && rc != -EOPNOTSUPP) {
    return FailErrno(-rc, "seccomp_attr_set OPTIMIZE");
  }
  for (const CallRow& row : AllCalls()) {
    SSI_TRY(AddRow(context.get(), row, labels));
  }
  return Export(context.get());
}

// The table is constant, so one template serves the whole process.
const Result<FilterTemplate>& TheTemplate() {
  static const Result<FilterTemplate> made = FilterTemplate::Make();
  return made;
}

}  // namespace

std::uint32_t ActionOf(CallClass call_class) {
  switch (call_class) {
    case CallClass::kLocal:
      return SECCOMP_RET_ALLOW;
    case CallClass::kLife:
      return SECCOMP_RET_TRACE | static_cast<std::uint32_t>(TraceReason::kLife);
    case CallClass::kComeHome:
      return SECCOMP_RET_TRACE |
             static_cast<std::uint32_t>(TraceReason::kComeHome);
    case CallClass::kLocalTold:
    case CallClass::kBoth:
    case CallClass::kHome:
    case CallClass::kHomeKnown:
    case CallClass::kSharedFile:
      return SECCOMP_RET_USER_NOTIF;
  }
  return SECCOMP_RET_TRACE | static_cast<std::uint32_t>(TraceReason::kUnknown);
}

Result<FilterTemplate> FilterTemplate::Make() {
  FilterTemplate made;
  FilterProgram& program = made.program_;
  Labels labels;
  SSI_ASSIGN(program, BuildTree(labels));
  FilterTail tail(program);
  std::map<std::uint16_t, std::vector<std::size_t>> rows;
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (program[i].code != (BPF_RET | BPF_K) ||
        program[i].k == SECCOMP_RET_ALLOW) {
      continue;
    }
    auto label = static_cast<std::uint16_t>(program[i].k & SECCOMP_RET_DATA);
    if (labels.rows.contains(label)) {
      rows[label].push_back(i);
    } else if (labels.actions.contains(label)) {
      tail.RedirectTo(i, labels.actions[label]);
    } else {
      return Fail(ErrorCode::kSystem, "libseccomp made an action of its own");
    }
  }
  for (const auto& [label, sources] : rows) {
    for (std::size_t source : sources) {
      program[source] =
          sock_filter{BPF_JMP | BPF_JA, 0, 0,
                      static_cast<std::uint32_t>(program.size() - source - 1)};
    }
    tail.AddRules(*labels.rows[label]);
  }
  tail.Finish(made.high_, made.low_);
  if (program.size() > BPF_MAXINSNS) {
    return Fail(ErrorCode::kSystem, "the filter has {} instructions",
                program.size());
  }
  return made;
}

FilterProgram FilterTemplate::For(RemoteAddr own_page) const {
  SSI_CHECK(Raw(own_page) % kOwnPageSize == 0, "own page at {:#x}",
            Raw(own_page));
  FilterProgram program = program_;
  for (std::size_t at : high_) {
    program[at].k = static_cast<std::uint32_t>(Raw(own_page) >> 32);
  }
  for (std::size_t at : low_) {
    program[at].k = static_cast<std::uint32_t>(Raw(own_page));
  }
  return program;
}

Status PrepareFilter() {
  return TheTemplate() ? Status()
                       : Status(std::unexpected(TheTemplate().error()));
}

Result<FilterProgram> BuildFilter(RemoteAddr own_page) {
  if (auto status = PrepareFilter(); !status) {
    return std::unexpected(status.error());
  }
  return TheTemplate()->For(own_page);
}

Result<FilterProgram> BuildExplainFilter() {
  // No instruction of a program lies in the page at 0.
  SSI_ASSIGN(FilterProgram program, BuildFilter(RemoteAddr{0}));
  for (sock_filter& step : program) {
    if (step.code == (BPF_RET | BPF_K) && step.k != SECCOMP_RET_ALLOW) {
      step.k = SECCOMP_RET_TRACE;
    }
  }
  return program;
}

}  // namespace ssi::supervisor
