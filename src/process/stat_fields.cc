#include "process/stat_fields.h"

#include <algorithm>

#include "base/files.h"

namespace ssi {

Result<StatFields> StatFields::Read(HostPid pid) {
  SSI_ASSIGN(std::string text,
             ReadFile(fmt::format("/proc/{}/stat", Raw(pid))));
  return StatFields(std::move(text));
}

Result<StatFields> StatFields::ReadThread(HostPid thread) {
  SSI_ASSIGN(std::string text,
             ReadFile(fmt::format("/proc/{0}/task/{0}/stat", Raw(thread))));
  return StatFields(std::move(text));
}

StatFields::StatFields(std::string text) : text_(std::move(text)) {
  auto end = text_.rfind(')');
  name_end_ = end == std::string::npos ? text_.size() : end;
}

std::string_view StatFields::name() const {
  auto begin = text_.find('(');
  if (begin == std::string::npos || begin >= name_end_) {
    return {};
  }
  return std::string_view(text_).substr(begin + 1, name_end_ - begin - 1);
}

char StatFields::state() const {
  auto field = Field(3);
  return field.empty() ? '?' : field[0];
}

std::string_view StatFields::Field(std::size_t field) const {
  constexpr std::size_t kFirst = 3;
  std::string_view rest = text_;
  rest.remove_prefix(std::min(name_end_ + 2, rest.size()));
  for (std::size_t at = kFirst; at < field; ++at) {
    auto space = rest.find(' ');
    if (space == std::string_view::npos) {
      return {};
    }
    rest.remove_prefix(space + 1);
  }
  return rest.substr(0, rest.find_first_of(" \n"));
}

std::optional<std::int64_t> StatFields::Number(std::size_t field) const {
  return ParseNumber<std::int64_t>(Field(field));
}

std::optional<std::uint64_t> StatFields::Unsigned(std::size_t field) const {
  return ParseNumber<std::uint64_t>(Field(field));
}

}  // namespace ssi
