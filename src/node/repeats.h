// Of complaints that come again each second, the first one is worth a line.
#ifndef SSI_NODE_REPEATS_H_
#define SSI_NODE_REPEATS_H_

#include <algorithm>
#include <deque>
#include <string>

namespace ssi {

class Repeats {
 public:
  // False if `text` is one of the last few that were new.
  bool IsNew(const std::string& text) {
    if (std::find(last_.begin(), last_.end(), text) != last_.end()) {
      return false;
    }
    last_.push_back(text);
    if (last_.size() > kMost) {
      last_.pop_front();
    }
    return true;
  }
  void Forget() { last_.clear(); }

 private:
  static constexpr std::size_t kMost = 16;
  std::deque<std::string> last_;
};

}  // namespace ssi

#endif  // SSI_NODE_REPEATS_H_
