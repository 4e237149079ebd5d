// ioctl by request number: which way its argument points and how large it is.
// A request that is not here comes home.
#ifndef SSI_SUPERVISOR_CALLS_IOCTLS_H_
#define SSI_SUPERVISOR_CALLS_IOCTLS_H_

#include <array>
#include <cstddef>
#include <string_view>

#include "supervisor/calls/rows.h"

namespace ssi::supervisor::rows {

struct IoctlRow {
  std::uint32_t request;
  std::string_view name;
  Arg arg;  // kNoArg: the kernel ignores it
};

inline constexpr std::uint32_t kTermioSize = 18;  // the kernel's, not libc's
inline constexpr std::uint32_t kTermiosSize = 36;
inline constexpr std::uint32_t kTermios2Size = 44;

// In request order. Numbers as in asm-generic/ioctls.h, linux/fs.h.
inline constexpr IoctlRow kIoctls[] = {
    {0x0001, "FIBMAP", InOut(4)},
    {0x0002, "FIGETBSZ", Out(4)},
    {0x125d, "BLKROSET", In(4)},
    {0x125e, "BLKROGET", Out(4)},
    {0x1260, "BLKGETSIZE", Out(8)},
    {0x1261, "BLKFLSBUF", kInt},
    {0x1262, "BLKRASET", kInt},
    {0x1263, "BLKRAGET", Out(8)},
    {0x1264, "BLKFRASET", kInt},
    {0x1265, "BLKFRAGET", Out(8)},
    {0x1267, "BLKSECTGET", Out(2)},
    {0x1268, "BLKSSZGET", Out(4)},
    {0x1277, "BLKDISCARD", In(16)},
    {0x1278, "BLKIOMIN", Out(4)},
    {0x1279, "BLKIOOPT", Out(4)},
    {0x127a, "BLKALIGNOFF", Out(4)},
    {0x127b, "BLKPBSZGET", Out(4)},
    {0x127c, "BLKDISCARDZEROES", Out(4)},
    {0x127e, "BLKROTATIONAL", Out(2)},
    {0x127f, "BLKZEROOUT", In(16)},
    {0x5401, "TCGETS", Out(kTermiosSize)},
    {0x5402, "TCSETS", In(kTermiosSize)},
    {0x5403, "TCSETSW", In(kTermiosSize)},
    {0x5404, "TCSETSF", In(kTermiosSize)},
    {0x5405, "TCGETA", Out(kTermioSize)},
    {0x5406, "TCSETA", In(kTermioSize)},
    {0x5407, "TCSETAW", In(kTermioSize)},
    {0x5408, "TCSETAF", In(kTermioSize)},
    {0x5409, "TCSBRK", kInt},
    {0x540a, "TCXONC", kInt},
    {0x540b, "TCFLSH", kInt},
    {0x540c, "TIOCEXCL", kNoArg},
    {0x540d, "TIOCNXCL", kNoArg},
    {0x540e, "TIOCSCTTY", kInt},
    {0x540f, "TIOCGPGRP", Out(4)},
    {0x5410, "TIOCSPGRP", In(4)},
    {0x5411, "TIOCOUTQ", Out(4)},
    {0x5412, "TIOCSTI", In(1)},
    {0x5413, "TIOCGWINSZ", Out(8)},
    {0x5414, "TIOCSWINSZ", In(8)},
    {0x5415, "TIOCMGET", Out(4)},
    {0x5416, "TIOCMBIS", In(4)},
    {0x5417, "TIOCMBIC", In(4)},
    {0x5418, "TIOCMSET", In(4)},
    {0x5419, "TIOCGSOFTCAR", Out(4)},
    {0x541a, "TIOCSSOFTCAR", In(4)},
    {0x541b, "FIONREAD", Out(4)},
    {0x541d, "TIOCCONS", kNoArg},
    {0x541e, "TIOCGSERIAL", Out(72)},
    {0x541f, "TIOCSSERIAL", In(72)},
    {0x5420, "TIOCPKT", In(4)},
    {0x5421, "FIONBIO", In(4)},
    {0x5422, "TIOCNOTTY", kNoArg},
    {0x5423, "TIOCSETD", In(4)},
    {0x5424, "TIOCGETD", Out(4)},
    {0x5425, "TCSBRKP", kInt},
    {0x5427, "TIOCSBRK", kNoArg},
    {0x5428, "TIOCCBRK", kNoArg},
    {0x5429, "TIOCGSID", Out(4)},
    {0x542e, "TIOCGRS485", Out(32)},
    {0x542f, "TIOCSRS485", InOut(32)},
    {0x5437, "TIOCVHANGUP", kNoArg},
    {0x5441, "TIOCGPTPEER", kFlags},
    {0x5450, "FIONCLEX", kNoArg},
    {0x5451, "FIOCLEX", kNoArg},
    {0x5452, "FIOASYNC", In(4)},
    {0x5453, "TIOCSERCONFIG", kNoArg},
    {0x5456, "TIOCGLCKTRMIOS", Out(kTermiosSize)},
    {0x5457, "TIOCSLCKTRMIOS", In(kTermiosSize)},
    {0x5459, "TIOCSERGETLSR", Out(4)},
    {0x545c, "TIOCMIWAIT", kInt},
    {0x545d, "TIOCGICOUNT", Out(80)},
    {0x5460, "FIOQSIZE", Out(8)},
    {0x40045431, "TIOCSPTLCK", In(4)},
    {0x40045436, "TIOCSIG", kInt},
    {0x40049409, "FICLONE", kFd},
    {0x40086602, "FS_IOC_SETFLAGS", In(4)},  // an int, whatever its number says
    {0x40087602, "FS_IOC_SETVERSION", In(4)},
    {0x4020940d, "FICLONERANGE", In(32)},
    {0x402c542b, "TCSETS2", In(kTermios2Size)},
    {0x402c542c, "TCSETSW2", In(kTermios2Size)},
    {0x402c542d, "TCSETSF2", In(kTermios2Size)},
    {0x401c5820, "FS_IOC_FSSETXATTR", In(28)},
    {0x41009432, "FS_IOC_SETFSLABEL", In(256)},
    {0x80045430, "TIOCGPTN", Out(4)},
    {0x80045432, "TIOCGDEV", Out(4)},
    {0x80045438, "TIOCGPKT", Out(4)},
    {0x80045439, "TIOCGPTLCK", Out(4)},
    {0x80045440, "TIOCGEXCL", Out(4)},
    {0x80081270, "BLKBSZGET", Out(4)},  // an int as well
    {0x80081272, "BLKGETSIZE64", Out(8)},
    {0x80086601, "FS_IOC_GETFLAGS", Out(4)},
    {0x80087601, "FS_IOC_GETVERSION", Out(4)},
    {0x801c581f, "FS_IOC_FSGETXATTR", Out(28)},
    {0x80285442, "TIOCGISO7816", Out(40)},
    {0x802c542a, "TCGETS2", Out(kTermios2Size)},
    {0x81009431, "FS_IOC_GETFSLABEL", Out(256)},
    {0xc0045877, "FIFREEZE", kInt},
    {0xc0045878, "FITHAW", kInt},
    {0xc0185879, "FITRIM", InOut(24)},
    {0xc0285443, "TIOCSISO7816", InOut(40)},
};

constexpr auto MakeIoctlRules() {
  std::array<ArgRule, std::size(kIoctls)> rules{};
  for (std::size_t i = 0; i < rules.size(); ++i) {
    rules[i] = If(1, kIoctls[i].request, CallClass::kHome, Special::kNone,
                  0xffffffff, kIoctls[i].name);
  }
  return rules;
}
inline constexpr auto kIoctlRules = MakeIoctlRules();

}  // namespace ssi::supervisor::rows

#endif  // SSI_SUPERVISOR_CALLS_IOCTLS_H_
