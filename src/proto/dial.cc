#include "proto/dial.h"

#include <algorithm>
#include <span>
#include <utility>

namespace ssi::proto {

Dial::Dial(Loop& loop, const wire::SessionOpened& where, Purpose purpose,
           Callback done)
    : where_(where), done_(std::move(done)) {
  connector_ = std::make_unique<Connector>(
      loop, where_.address(), [this, &loop, purpose](Result<UniqueFd> socket) {
        if (!socket) {
          auto callback = std::move(done_);
          callback(std::unexpected(socket.error()));
          return;
        }
        greeting_ =
            Greeting::Connecting(loop, *std::move(socket), PreambleFor(purpose),
                                 [this](Result<Greeted> greeted) {
                                   auto callback = std::move(done_);
                                   callback(Finish(std::move(greeted)));
                                 });
      });
}

Preamble Dial::PreambleFor(Purpose purpose) const {
  Preamble preamble;
  preamble.purpose = purpose;
  auto id = std::as_bytes(std::span(where_.session()));
  std::copy_n(id.begin(), std::min(id.size(), preamble.session.size()),
              preamble.session.begin());
  return preamble;
}

Result<Dial::Dialed> Dial::Finish(Result<Greeted> greeted) const {
  if (!greeted) {
    return std::unexpected(greeted.error());
  }
  auto key = std::as_bytes(std::span(where_.key()));
  if (key.size() != kKeySize) {
    return Fail(ErrorCode::kProtocol, "no session key");
  }
  SSI_ASSIGN(auto context,
             TlsContext::Make(Key::FromBytes(key.first<kKeySize>()),
                              TlsIdentity(greeted->preamble, greeted->version),
                              "session key"));
  return Dialed{std::move(greeted->socket), std::move(context)};
}

}  // namespace ssi::proto
