#include "process/page_writer.h"

#include <cerrno>

namespace ssi {

Status PageWriter::Write(std::span<const MemoryRun> runs,
                         std::span<const std::byte> data) {
  auto status = WriteRuns(pid_, runs, data);
  if (status || status.error().sys_errno != EFAULT) {
    return status;
  }
  if (!forced_) {
    SSI_ASSIGN(forced_, MemoryFile::Open(pid_));
  }
  for (const auto& run : runs) {
    SSI_TRY(forced_->Write(RemoteAddr{run.address}, data.first(run.size)));
    data = data.subspan(run.size);
  }
  return {};
}

}  // namespace ssi
