#include "proto/channel.h"

#include "proto/channel_core.h"

namespace ssi::proto {

std::unique_ptr<Channel> Channel::Client(Loop& loop, UniqueFd socket,
                                         const TlsContext& context,
                                         Callbacks callbacks, Limits limits) {
  auto core = std::make_shared<Core>(loop, std::move(socket),
                                     std::move(callbacks), limits);
  core->Start(context, TlsRole::kClient);
  return std::unique_ptr<Channel>(new Channel(std::move(core)));
}

std::unique_ptr<Channel> Channel::Server(Loop& loop, UniqueFd socket,
                                         const TlsContext& context,
                                         Callbacks callbacks, Limits limits) {
  auto core = std::make_shared<Core>(loop, std::move(socket),
                                     std::move(callbacks), limits);
  core->Start(context, TlsRole::kServer);
  return std::unique_ptr<Channel>(new Channel(std::move(core)));
}

Channel::Channel(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Channel::~Channel() {
  core_->Close();
}

void Channel::Send(FrameType type, std::uint16_t flags, std::uint64_t id,
                   std::initializer_list<std::span<const std::byte>> parts) {
  core_->Send(type, flags, id, parts);
}

void Channel::Send(FrameType type, std::uint16_t flags, std::uint64_t id,
                   std::span<const std::byte> payload) {
  core_->Send(type, flags, id, {payload});
}

void Channel::SendWhole(std::span<const std::byte> frames,
                        std::uint64_t count) {
  core_->SendWhole(frames, count);
}

void Channel::SendHeartbeat() {
  core_->SendHeartbeat();
}

void Channel::SetAcknowledged(std::uint64_t number) {
  core_->SetAcknowledged(number);
}

bool Channel::PollFor(Nanos limit) {
  auto core = core_;
  return core->PollFor(limit);
}

void Channel::Close() {
  core_->Close();
}

void Channel::Break() {
  core_->Abandon();
}

bool Channel::is_open() const {
  return core_->is_open();
}
Channel::End Channel::end() const {
  return core_->end();
}
std::size_t Channel::queued_bytes() const {
  return core_->queued_bytes();
}
Nanos Channel::last_received() const {
  return core_->last_received();
}
const Channel::Counters& Channel::counters() const {
  return core_->counters();
}

}  // namespace ssi::proto
