// Where the files of a node live.
#ifndef SSI_BASE_PATHS_H_
#define SSI_BASE_PATHS_H_

#include <string>

#include "base/result.h"

namespace ssi {

// The runtime folder of this user's node, in order: $SSI_RUNTIME_DIR,
// $XDG_RUNTIME_DIR/ssi, /tmp/ssi-UID.
std::string RuntimeDir();
// The control socket of the local ssid: $SSI_CONTROL or RuntimeDir()/control.
std::string ControlSocketPath();
// The cluster key: $SSI_KEY, or $XDG_CONFIG_HOME/ssi/key, or
// ~/.config/ssi/key.
std::string DefaultKeyPath();
// Makes `path` and its parents, the last with mode 0700. Refuses a folder that
// belongs to someone else or that others can enter.
Status MakePrivateDir(const std::string& path);

}  // namespace ssi

#endif  // SSI_BASE_PATHS_H_
