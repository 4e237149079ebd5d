// Named places where a test can make things go wrong.
//
// SSI_FAULT=POINT[#PASS]=ACTION in the environment of one process tree arms one
// point, at each passing or at that one alone; without it each costs one
// branch. Points and actions are listed in fault.cc, and the tests walk that
// list.
#ifndef SSI_BASE_FAULT_H_
#define SSI_BASE_FAULT_H_

#include <span>
#include <string_view>

namespace ssi::fault {

// What the one who passes the point must do.
enum class Action {
  kNone,
  kFail,  // this step fails
  kCut,   // the connection breaks
};

// Passes the point. Action kill ends this process and its parent with SIGKILL
// and does not return; action stop stops this process.
Action Hit(std::string_view point);

// Every point that there is.
std::span<const std::string_view> Points();

}  // namespace ssi::fault

#endif  // SSI_BASE_FAULT_H_
