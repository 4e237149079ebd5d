// Two ledgers with a wire between them that is cut at every byte: both sides
// must see what they see when nothing is cut.
#include "proto/ledger.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include <catch2/catch.hpp>

#include "proto/frame_reader.h"
#include "proto/session_frames.h"
#include "support.h"

namespace ssi::proto {
namespace {

using namespace test;  // NOLINT: helpers of this folder's tests

struct Said {
  FrameType type{};
  std::uint16_t flags = 0;
  std::uint64_t id = 0;
  std::size_t size = 0;
};

bool operator==(const Said& a, const Said& b) {
  return a.type == b.type && a.flags == b.flags && a.id == b.id &&
         a.size == b.size;
}

// What a frame of these holds: depends on all of them.
Bytes ContentsOf(const Said& said) {
  return Pattern(said.size, static_cast<unsigned>(said.id * 31) +
                                static_cast<unsigned>(said.type));
}

// One end of a session: its ledger, and what it has made of what came.
struct End {
  explicit End(LedgerLimits limits = {}) : ledger(limits) {}

  Ledger ledger;
  std::optional<FrameReader> reader;  // of the present connection
  std::vector<std::byte> out;         // written, not yet on its way
  std::vector<Said> seen;
  std::size_t wrong = 0;  // frames whose contents were not theirs
  std::optional<Error> error;
  std::function<void(const Said&)> on_frame;

  void Write(std::span<const std::byte> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  void WriteHeader(const FrameHeader& header) {
    Write(std::as_bytes(std::span(&header, 1)));
  }
  void Attach() {
    out.clear();
    reader.emplace();
    ledger.Attach();
    WriteHeader(ledger.Opening());
  }
  void Detach() {
    ledger.Detach();
    reader.reset();
    out.clear();
  }
  void Heartbeat() {
    FrameHeader header;
    header.type = FrameType::kHeartbeat;
    header.acknowledged = ledger.received();
    WriteHeader(header);
  }
  void Say(const Said& said) {
    auto contents = ContentsOf(said);
    // In two parts, as calls are.
    const std::size_t half = contents.size() / 2;
    auto bytes = ledger.Add(
        said.type, said.flags, said.id,
        {std::span(contents).first(half), std::span(contents).subspan(half)});
    Write(bytes);
  }
  // Bytes of the wire, in pieces of any size.
  void Hear(std::span<const std::byte> bytes) {
    while (!bytes.empty() && !error) {
      auto space = reader->Space();
      std::size_t n = std::min(space.size(), bytes.size());
      std::ranges::copy(bytes.first(n), space.begin());
      reader->Filled(n);
      bytes = bytes.subspan(n);
      TakeFrames();
    }
  }

 private:
  void TakeFrames() {
    FrameHeader header;
    std::span<const std::byte> payload;
    while (!error) {
      auto next = reader->Next(header, payload);
      if (!next || !*next) {
        if (!next) {
          error = next.error();
        }
        return;
      }
      auto take = ledger.OnFrame(header);
      if (!take) {
        error = take.error();
      } else if (*take == Ledger::Take::kSendAgain) {
        Write(ledger.Again());
      } else if (*take == Ledger::Take::kDeliver) {
        Said said{header.type, header.flags, header.id, header.length};
        auto expected = ContentsOf(said);
        wrong += std::ranges::equal(payload, expected) ? 0U : 1U;
        seen.push_back(said);
        if (on_frame) {
          on_frame(said);
        }
      }
      if (ledger.OwesWord()) {
        Heartbeat();
      }
    }
  }
};

// A session as a home supervisor and a guest supervisor have it: the guest
// makes calls one at a time, each is answered, and between them goes all else
// that a session knows, both ways.
class Play {
 public:
  static constexpr std::uint64_t kCalls = 210;

  Play() {
    home.on_frame = [this](const Said& said) {
      AtHome(said);
    };
    guest.on_frame = [this](const Said& said) {
      Away(said);
    };
  }

  void Begin() {
    home.Say({session::kMove, 0, 0, 20});
    home.Say({session::kSignal, 0, 1, 16});
  }

  [[nodiscard]] bool Over() const {
    return std::ranges::any_of(home.seen, [](const Said& said) {
      return said.type == session::kEnded;
    });
  }

  End home;
  End guest;

 private:
  void AtHome(const Said& said) {
    if (said.type == session::kCall) {
      home.Say({session::kReply, 0, said.id, said.id % 17});
      Between(said.id);
    } else if (said.type == session::kTold && said.flags != 0) {
      home.Say({session::kReply, 0, said.id, 8});
    } else if (said.type == session::kMapFile) {
      home.Say({session::kMapFileReply, 0, said.id, 11});
    } else if (said.type == session::kLife) {
      home.Say({session::kLifeReply, 0, said.id, 14});
    } else if (said.type == session::kExit) {
      home.Say({session::kEnd, 0, 0, 0});
    }
  }

  void Between(std::uint64_t id) {
    static const std::vector<FrameType> kOwn = {
        session::kSignal, session::kStop, session::kContinue,
        session::kAskCpu, session::kMove, session::kOnward};
    if (id % 3 == 0) {
      home.Say({kOwn[id / 3 % kOwn.size()], 0, id, id % 13});
    }
  }

  void Away(const Said& said) {
    if (said.type == session::kMove && said.id == 0) {
      guest.Say({session::kMove, 0, 1, 9});
      Call(1);
    } else if (said.type == session::kReply && said.id < kCalls) {
      Call(said.id + 1);
    } else if (said.type == session::kReply) {
      guest.Say({session::kExit, 0, 0, 12});
    } else if (said.type == session::kSignal) {
      guest.Say({session::kSignalAnswer, 0, said.id, 9});
    } else if (said.type == session::kAskCpu) {
      guest.Say({session::kUsage, 0, said.id, 7});
    } else if (said.type == session::kOnward) {
      guest.Say({session::kOnwardReady, 0, said.id, 3});
    } else if (said.type == session::kEnd) {
      guest.Say({session::kEnded, 0, 0, 0});
    }
  }

  // One way of calling after the other; all have an answer with their id.
  void Call(std::uint64_t id) {
    guest.Say({session::kTold, 0, 0, 5});
    switch (id % 8) {
      case 1:
        guest.Say({session::kTold, session::kAnswerWanted, id, 5});
        return;
      case 3:
        guest.Say({session::kCancel, 0, id, 0});
        break;
      case 5:
        guest.Say({session::kMapFile, 0, id, 6});
        guest.Say({session::kLife, 0, id, 13});
        guest.Say({session::kComeHome, 0, id, 10});
        break;
      case 7:
        guest.Say({session::kSettled, 0, id, 0});
        break;
      default:
        break;
    }
    guest.Say({session::kCall,
               id % 5 == 0 ? session::kFollowing : std::uint16_t{0}, id,
               id % 23});
  }
};

// The wire of a play. It counts the bytes that each end has been given on this
// connection, and breaks when the count of one comes to a number.
class Wire {
 public:
  enum Way : std::uint8_t { kToHome, kToGuest };
  struct Cut {
    Way way{};
    std::size_t at = 0;  // bytes given to that end since the cut before
  };

  explicit Wire(Play& play, std::vector<Cut> cuts = {}, std::size_t piece = 0)
      : play_(play), cuts_(std::move(cuts)), piece_(piece) {}

  // To the end of the play. False: it stands still, or was too long.
  bool Run() {
    play_.home.Attach();
    play_.guest.Attach();
    play_.Begin();
    for (int round = 0; round < 200000; ++round) {
      bool moved = Carry(kToGuest) | Carry(kToHome);
      if (play_.home.error || play_.guest.error) {
        return false;
      }
      if (!moved) {
        return play_.Over();
      }
    }
    return false;
  }

  // On the last connection.
  [[nodiscard]] std::size_t given(Way way) const { return given_[way]; }
  [[nodiscard]] std::size_t uncut() const { return cuts_.size(); }

 private:
  bool Carry(Way way) {
    End& from = way == kToHome ? play_.guest : play_.home;
    End& to = way == kToHome ? play_.home : play_.guest;
    auto bytes = std::exchange(from.out, {});
    if (bytes.empty()) {
      return false;
    }
    if (piece_ != 0 && bytes.size() > piece_) {
      from.out.assign(bytes.begin() + static_cast<std::ptrdiff_t>(piece_),
                      bytes.end());
      bytes.resize(piece_);
    }
    if (!cuts_.empty() && cuts_[0].way == way &&
        cuts_[0].at <= given_[way] + bytes.size()) {
      // What lies behind the cut, and all the other way, is lost.
      bytes.resize(cuts_[0].at - given_[way]);
      cuts_.erase(cuts_.begin());
      to.Hear(bytes);
      play_.home.Detach();
      play_.guest.Detach();
      given_ = {};
      play_.home.Attach();
      play_.guest.Attach();
      return true;
    }
    given_[way] += bytes.size();
    to.Hear(bytes);
    return true;
  }

  Play& play_;
  std::vector<Cut> cuts_;
  std::size_t piece_;
  std::array<std::size_t, 2> given_{};
};

struct Uncut {
  std::vector<Said> at_home;
  std::vector<Said> away;
  std::size_t to_home = 0;
  std::size_t to_guest = 0;
};

const Uncut& TheUncutRun() {
  static const Uncut kRun = [] {
    Play play;
    Wire wire(play);
    REQUIRE(wire.Run());
    return Uncut{play.home.seen, play.guest.seen, wire.given(Wire::kToHome),
                 wire.given(Wire::kToGuest)};
  }();
  return kRun;
}

// An order of its own has what both ends begin by themselves; what each end
// hears must be what it hears uncut.
std::string Differs(const std::vector<Wire::Cut>& cuts, std::size_t piece = 0) {
  Play play;
  Wire wire(play, cuts, piece);
  bool ran = wire.Run();
  if (play.home.error || play.guest.error) {
    return "error: " +
           (play.home.error ? play.home.error : play.guest.error)->message;
  }
  if (!ran) {
    return "it stands still";
  }
  if (wire.uncut() != 0) {
    return "not cut as often as it should";
  }
  if (play.home.wrong + play.guest.wrong != 0) {
    return "wrong contents";
  }
  const Uncut& uncut = TheUncutRun();
  if (play.home.seen != uncut.at_home) {
    return "home saw something else";
  }
  return play.guest.seen == uncut.away ? "" : "the guest saw something else";
}

TEST_CASE("the session that is cut has all frames, both ways", "[ledger]") {
  const Uncut& uncut = TheUncutRun();
  std::set<std::uint16_t> types;
  std::size_t calls = 0;
  for (const auto* seen : {&uncut.at_home, &uncut.away}) {
    for (const auto& said : *seen) {
      types.insert(static_cast<std::uint16_t>(said.type));
      calls += said.type == session::kCall ||
                       (said.type == session::kTold && said.flags != 0)
                   ? 1U
                   : 0U;
    }
  }
  CHECK(calls >= 200);
  // Each number between is a frame of a session.
  std::set<std::uint16_t> all;
  for (auto type = static_cast<std::uint16_t>(session::kMove);
       type <= static_cast<std::uint16_t>(session::kLast); ++type) {
    all.insert(type);
  }
  CHECK(types == all);
}

void CutAtEveryByte(Wire::Way way, std::size_t total) {
  for (std::size_t at = 0; at < total; ++at) {
    auto differs = Differs({{way, at}});
    if (!differs.empty()) {
      FAIL("cut at byte " << at << " of " << total << ": " << differs);
    }
  }
}

TEST_CASE("a session cut at any byte to home loses and doubles nothing",
          "[ledger]") {
  CutAtEveryByte(Wire::kToHome, TheUncutRun().to_home);
}

TEST_CASE("a session cut at any byte to the guest loses and doubles nothing",
          "[ledger]") {
  CutAtEveryByte(Wire::kToGuest, TheUncutRun().to_guest);
}

// The second cut falls into what follows the first: the kResume of both, what
// is sent again, and what is said then. A third follows the second.
TEST_CASE("a session cut again while it is resumed goes on", "[ledger]") {
  const Uncut& uncut = TheUncutRun();
  constexpr std::size_t kAfter = 3 * kFrameHeaderSize;
  for (auto [way, total] : {std::pair(Wire::kToHome, uncut.to_home),
                            std::pair(Wire::kToGuest, uncut.to_guest)}) {
    for (std::size_t at = 0; at < total - 200; at += 311) {
      for (std::size_t later = 0; later <= kAfter; later += 3) {
        for (auto other : {Wire::kToHome, Wire::kToGuest}) {
          auto third = other == Wire::kToHome ? Wire::kToGuest : Wire::kToHome;
          auto differs =
              Differs({{way, at}, {other, later}, {third, kAfter - later}});
          if (!differs.empty()) {
            FAIL("cut " << static_cast<int>(way) << " at " << at << ", then "
                        << static_cast<int>(other) << " at " << later << ": "
                        << differs);
          }
        }
      }
    }
  }
}

TEST_CASE("a session whose bytes come one by one, and with many cuts",
          "[ledger]") {
  CHECK(Differs({}, 1).empty());
  CHECK(Differs({}, 7).empty());
  std::vector<Wire::Cut> cuts;
  for (std::size_t i = 0; i < 60; ++i) {
    cuts.push_back({i % 2 == 0 ? Wire::kToGuest : Wire::kToHome, 100 + 3 * i});
  }
  CHECK(Differs(cuts, 13).empty());
}

}  // namespace
}  // namespace ssi::proto
