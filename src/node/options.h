#ifndef SSI_NODE_OPTIONS_H_
#define SSI_NODE_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace ssi {

constexpr const char* kDefaultListen = "0.0.0.0:7421";

struct DaemonOptions {
  std::string name;  // default: the host's name
  std::string listen = kDefaultListen;
  // HOST:PORT where the others reach it, if another than where it listens.
  std::string advertise;
  std::vector<std::string> join;  // HOST:PORT of members
  std::string key_path;           // default: DefaultKeyPath()
  bool foreground = false;
  // Set for the nodes of a cluster on one machine.
  std::vector<unsigned> cpus;
  std::uint64_t memory = 0;  // what it offers; 0: the machine's
  unsigned max_guests = 0;   // 0: no limit
  bool accept_guests = true;
  std::chrono::seconds grace{60};
  int ready_fd = -1;  // gets one line when it serves: "PID ADDRESS"
};

// "0,2-3" as CPU numbers. kInvalid for anything else.
Result<std::vector<unsigned>> ParseCpuList(const std::string& text);
std::string FormatCpuList(const std::vector<unsigned>& cpus);

}  // namespace ssi

#endif  // SSI_NODE_OPTIONS_H_
