#ifndef SSI_REMOTE_KNOWN_IDS_H_
#define SSI_REMOTE_KNOWN_IDS_H_

#include <cstdint>
#include <map>
#include <optional>

#include "supervisor/call_table.h"

namespace ssi {

// Answers of home that only the process itself can change
// (supervisor::AnswerIsKept).
class KnownIds {
 public:
  [[nodiscard]] std::optional<std::int64_t> Find(int number) const {
    auto known = values_.find(number);
    return known == values_.end() ? std::nullopt : std::optional(known->second);
  }
  void Learn(int number, std::int64_t value) {
    if (supervisor::AnswerIsKept(number) && value >= 0) {
      values_[number] = value;
    }
  }
  void Forget() { values_.clear(); }

 private:
  std::map<int, std::int64_t> values_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_KNOWN_IDS_H_
