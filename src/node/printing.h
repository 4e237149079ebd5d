// What ssictl prints for people, and as JSON.
#ifndef SSI_NODE_PRINTING_H_
#define SSI_NODE_PRINTING_H_

#include <string>

#include <google/protobuf/message.h>

#include "proto/control.pb.h"

namespace ssi {

// Every field, also those that are empty, with the names of the .proto files.
std::string AsJson(const google::protobuf::Message& message);

std::string NodesTable(const wire::NodesResponse& nodes);
std::string ProcessesTable(const wire::ProcessesResponse& processes);
// A paragraph for each.
std::string ProcessesText(const wire::ProcessesResponse& processes);
std::string WhyText(const wire::WhyResponse& why);

}  // namespace ssi

#endif  // SSI_NODE_PRINTING_H_
