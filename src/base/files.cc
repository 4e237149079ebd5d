#include "base/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/reserve.h"
#include "base/unique_fd.h"

namespace ssi {

Result<std::string> ReadFile(const std::string& path, std::size_t limit) {
  SSI_ASSIGN(UniqueFd fd, OpenBriefly(path, O_RDONLY));
  std::string contents;
  std::array<char, 16384> buffer;
  for (;;) {
    ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return FailErrno(errno, "read {}", path);
    }
    if (n == 0) {
      return contents;
    }
    contents.append(buffer.data(), static_cast<std::size_t>(n));
    if (contents.size() > limit) {
      return Fail(ErrorCode::kInvalid, "{} is larger than {} bytes", path,
                  limit);
    }
  }
}

Status WriteFileAtomically(const std::string& path, std::string_view contents,
                           unsigned mode) {
  std::string temporary = fmt::format("{}.tmp.{}", path, ::getpid());
  {
    SSI_ASSIGN(UniqueFd fd,
               Open(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode));
    auto status = WriteAll(fd.get(), contents.data(), contents.size());
    if (status && ::fsync(fd.get()) != 0) {
      status = FailErrno(errno, "fsync");
    }
    if (!status) {
      ::unlink(temporary.c_str());
      return std::unexpected(status.error().WithContext(path));
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    int err = errno;
    ::unlink(temporary.c_str());
    return FailErrno(err, "rename to {}", path);
  }
  return {};
}

Status WriteProcFile(const std::string& path, std::string_view contents) {
  SSI_ASSIGN(UniqueFd fd, Open(path, O_WRONLY));
  ssize_t n = ::write(fd.get(), contents.data(), contents.size());
  if (n != static_cast<ssize_t>(contents.size())) {
    return FailErrno(n < 0 ? errno : EIO, "write {}", path);
  }
  return {};
}

std::optional<std::uint64_t> ParseSize(std::string_view text) {
  int shift = 0;
  if (!text.empty()) {
    constexpr std::string_view kUnits = "KMGT";
    char last =
        text.back() >= 'a' ? static_cast<char>(text.back() - 32) : text.back();
    if (auto at = kUnits.find(last); at != std::string_view::npos) {
      shift = 10 * (static_cast<int>(at) + 1);
      text.remove_suffix(1);
    }
  }
  auto number = ParseNumber<std::uint64_t>(text);
  if (!number || (*number << shift) >> shift != *number) {
    return std::nullopt;
  }
  return *number << shift;
}

std::string FormatSize(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes)
                   : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace ssi
