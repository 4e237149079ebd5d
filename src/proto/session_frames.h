// The frames of a session: the calls connection between a home supervisor and
// a guest supervisor, for one process.
#ifndef SSI_PROTO_SESSION_FRAMES_H_
#define SSI_PROTO_SESSION_FRAMES_H_

#include <cstdint>

#include "proto/frame.h"

namespace ssi::proto::session {

// H: home sends it, G: the guest supervisor does. The payload is a message of
// session.proto unless said otherwise.
inline constexpr FrameType kMove{16};          // H G  Move
inline constexpr FrameType kCall{17};          // G    call_payload.h; id: call
inline constexpr FrameType kReply{18};         // H    call_payload.h; id: call
inline constexpr FrameType kCancel{19};        // G    empty; id: call
inline constexpr FrameType kTold{20};          // G    process/told.h; id: call
inline constexpr FrameType kSignal{21};        // H    SignalOffer
inline constexpr FrameType kSignalAnswer{22};  // G    SignalAnswer
inline constexpr FrameType kStop{23};          // H    empty: group-stop
inline constexpr FrameType kContinue{24};      // H    empty: and its end
inline constexpr FrameType kExit{25};          // G    Exit
inline constexpr FrameType kEnd{26};           // H    empty: destroy it
inline constexpr FrameType kEnded{27};         // G    Usage: nothing is left
inline constexpr FrameType kComeHome{28};      // G    ComeHome
inline constexpr FrameType kMapFile{29};       // G    MapFileRequest
inline constexpr FrameType kMapFileReply{30};  // H    MapFileReply
inline constexpr FrameType kUsage{31};         // G    Usage
inline constexpr FrameType kSettled{32};  // G    empty: frozen, and all that
                                          //      it did has been said

inline constexpr FrameType kAskCpu{33};     // H    empty: Usage, CPU times only
inline constexpr FrameType kLife{34};       // G    LifeRequest
inline constexpr FrameType kLifeReply{35};  // H    LifeReply
inline constexpr FrameType kOnward{36};     // H    SessionOpened: connect
                                            //      to it for memory
inline constexpr FrameType kOnwardReady{37};      // G    OnwardReady
inline constexpr FrameType kLast = kOnwardReady;  // with none between unused

// The id of a call, and of what is told: the thread (its number at home), and
// its own count.
constexpr std::uint64_t CallId(std::int32_t thread, std::uint32_t count) {
  return std::uint64_t{static_cast<std::uint32_t>(thread)} << 32 | count;
}
constexpr std::int32_t ThreadOfCall(std::uint64_t id) {
  return static_cast<std::int32_t>(id >> 32);
}

// Flag of kCall: part of what an earlier one began, which is carried on even
// while the process is about to come home: the next piece, or an undo.
inline constexpr std::uint16_t kFollowing = 1;

// Flag of kTold: a kReply with the same id is wanted when it is done.
inline constexpr std::uint16_t kAnswerWanted = 1;

// Frames of the connection between two daemons.
inline constexpr FrameType kHello{64};     // NodeInfo and addresses
inline constexpr FrameType kStatus{65};    // NodeLoad
inline constexpr FrameType kRequest{66};   // Request of control.proto
inline constexpr FrameType kResponse{67};  // Response
inline constexpr FrameType kMembers{68};   // NodesResponse: whom it knows
inline constexpr FrameType kGoodbye{69};   // empty: it ends by itself

}  // namespace ssi::proto::session

#endif  // SSI_PROTO_SESSION_FRAMES_H_
