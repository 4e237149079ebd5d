// The version of everything that two nodes say to each other.
#ifndef SSI_PROTO_VERSION_H_
#define SSI_PROTO_VERSION_H_

#include <cstdint>

namespace ssi::proto {

// The newest protocol that this program speaks. It goes up by one in the
// commit that changes:
//  - the layout of a frame or of a call's arguments (frame.h and its users),
//  - what an existing message or frame type means, or who may send it when,
//  - the image of a process in transit,
//  - how a key or a TLS identity is derived (key.h, tls.h).
// It stays for: a new optional protobuf field that an old peer may ignore, a
// new frame type that is only sent after the peer's Hello said it knows it.
// The layout of the preamble itself never changes: it is how two versions
// find out about each other.
#ifdef SSI_TEST_PROTOCOL  // the tests build an ssid of another one
inline constexpr std::uint16_t kVersion = SSI_TEST_PROTOCOL;
#else
inline constexpr std::uint16_t kVersion = 3;
#endif

// The oldest protocol that this program still speaks. It goes up when the code
// for an old one is taken out.
#ifdef SSI_TEST_PROTOCOL
inline constexpr std::uint16_t kMinVersion = SSI_TEST_PROTOCOL;
#else
inline constexpr std::uint16_t kMinVersion = 3;
#endif

}  // namespace ssi::proto

#endif  // SSI_PROTO_VERSION_H_
