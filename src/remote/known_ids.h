#ifndef SSI_REMOTE_KNOWN_IDS_H_
#define SSI_REMOTE_KNOWN_IDS_H_

#include <cstdint>
#include <map>
#include <optional>

namespace ssi {

// Answers of home that only the process itself can change: its user and group
// ids. Not the process group or session, which a parent at home may set.
class KnownIds {
 public:
  [[nodiscard]] std::optional<std::int64_t> Find(int number) const {
    auto known = values_.find(number);
    return known == values_.end() ? std::nullopt : std::optional(known->second);
  }
  void Learn(int number, std::int64_t value) {
    if (MayKeep(number) && value >= 0) {
      values_[number] = value;
    }
  }
  void Forget() { values_.clear(); }

 private:
  // getuid, getgid, geteuid, getegid.
  static bool MayKeep(int number) {
    return number == 102 || number == 104 || number == 107 || number == 108;
  }
  std::map<int, std::int64_t> values_;
};

}  // namespace ssi

#endif  // SSI_REMOTE_KNOWN_IDS_H_
