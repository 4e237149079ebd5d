// Signals that the program's own instructions raise: number, code, address,
// and that it goes on as it likes. Argument: SECONDS.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ucontext.h>

#include "guest.h"

namespace {

sigjmp_buf after_fault;
siginfo_t last;
volatile int calls = 0;
volatile std::uint64_t last_rip = 0;

void Catch(int, siginfo_t* info, void* context) {
  // The alignment flag is the one that a handler inherits.
  __asm__ volatile("pushf\n andl $~0x40000, (%%rsp)\n popf" ::: "cc", "memory");
  last = *info;
  calls = calls + 1;
  last_rip = static_cast<std::uint64_t>(
      static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  siglongjmp(after_fault, 1);
}

// A trap, after which the program goes on by itself.
void Count(int, siginfo_t* info, void*) {
  last = *info;
  calls = calls + 1;
}

void Set(int number, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  SSI_OK(sigaction(number, &action, nullptr));
}

// Runs `fault` and checks the signal that it raised.
template <typename Fault>
void Expect(int number, int code, const volatile void* address, Fault fault) {
  Set(number, Catch);
  const int before = calls;
  if (sigsetjmp(after_fault, 1) == 0) {
    fault();
    SSI_TRUE(false);
  }
  SSI_EQ(calls, before + 1);
  SSI_EQ(last.si_signo, number);
  SSI_EQ(last.si_code, code);
  if (address != nullptr) {
    SSI_TRUE(last.si_addr == address);
  }
  signal(number, SIG_DFL);
}

unsigned char* Map(std::size_t size, int protection) {
  void* memory =
      mmap(nullptr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SSI_TRUE(memory != MAP_FAILED);
  return static_cast<unsigned char*>(memory);
}

void Memory() {
  volatile unsigned char* page = Map(8192, PROT_READ | PROT_WRITE);
  auto* whole = const_cast<unsigned char*>(page);
  page[0] = 1;
  SSI_OK(mprotect(whole, 4096, PROT_READ));
  SSI_OK(munmap(whole + 4096, 4096));
  guest::Compute(1);
  Expect(SIGSEGV, SEGV_ACCERR, page + 123, [=] { page[123] = 1; });
  Expect(SIGSEGV, SEGV_MAPERR, page + 4096 + 7,
         [=] { last_rip = page[4096 + 7]; });
  SSI_OK(mprotect(whole, 4096, PROT_NONE));
  Expect(SIGSEGV, SEGV_ACCERR, page, [=] { last_rip = page[0]; });
  SSI_OK(mprotect(whole, 4096, PROT_READ | PROT_WRITE));
  Expect(SIGSEGV, SEGV_ACCERR, page, [=] {
    reinterpret_cast<void (*)()>(reinterpret_cast<std::uintptr_t>(whole))();
  });
  SSI_TRUE(last_rip == reinterpret_cast<std::uint64_t>(page));
  SSI_EQ(page[0], 1);
  SSI_OK(munmap(whole, 4096));
  auto* low = reinterpret_cast<volatile unsigned char*>(8);
  __asm__("" : "+r"(low));
  Expect(SIGSEGV, SEGV_MAPERR, low, [=] { *low = 1; });
}

void NoAddress() {
  // A non-canonical address, an instruction of the kernel's: no address told.
  auto* bad = reinterpret_cast<volatile unsigned char*>(0x800000000000UL << 4);
  __asm__("" : "+r"(bad));
  Expect(SIGSEGV, SI_KERNEL, nullptr, [=] { *bad = 1; });
  SSI_TRUE(last.si_addr == nullptr);
  Expect(SIGSEGV, SI_KERNEL, nullptr, [] { __asm__ volatile("hlt"); });
  Expect(SIGSEGV, SI_KERNEL, nullptr, [] { __asm__ volatile("cli"); });
  Expect(SIGSEGV, SI_KERNEL, nullptr, [] { __asm__ volatile("int $0x42"); });
}

void KernelMemory() {
  auto* kernel = reinterpret_cast<volatile unsigned char*>(0xffff888000000000);
  __asm__("" : "+r"(kernel));
  Expect(SIGSEGV, SEGV_MAPERR, kernel, [=] { last_rip = *kernel; });
}

void Arithmetic() {
  volatile int zero = 0;
  volatile int least = -2147483647 - 1;
  volatile int result = 0;
  Expect(SIGFPE, FPE_INTDIV, nullptr, [&] { result = 7 / zero; });
  zero = -1;
  Expect(SIGFPE, FPE_INTDIV, nullptr, [&] { result = least / zero; });
  SSI_EQ(reinterpret_cast<std::uint64_t>(last.si_addr), last_rip);
  const unsigned unmasked = 0x1d80;  // division by zero traps
  const unsigned usual = 0x1f80;
  volatile double none = 0;
  volatile double ratio = 1;
  Expect(SIGFPE, FPE_FLTDIV, nullptr, [&] {
    __asm__ volatile("ldmxcsr %0" ::"m"(unmasked));
    ratio = ratio / none;
  });
  __asm__ volatile("ldmxcsr %0" ::"m"(usual));
  const unsigned short x87 = 0x037b;
  Expect(SIGFPE, FPE_FLTDIV, nullptr, [&] {
    __asm__ volatile("fldcw %0\n fld1\n fldz\n fdivrp\n fwait" ::"m"(x87));
  });
  __asm__ volatile("fninit");
}

void Instructions() {
  Expect(SIGILL, ILL_ILLOPN, nullptr, [] { __asm__ volatile("ud2"); });
  SSI_EQ(reinterpret_cast<std::uint64_t>(last.si_addr), last_rip);
}

void Traps() {
  Set(SIGTRAP, Count);
  const int before = calls;
  __asm__ volatile("int3");
  SSI_EQ(calls, before + 1);
  SSI_EQ(last.si_code, SI_KERNEL);
  __asm__ volatile(".byte 0xcd, 0x03");  // the same in two bytes
  SSI_EQ(calls, before + 2);
  // The trap flag: one signal after each instruction until it is cleared.
  __asm__ volatile(
      "sub $128, %%rsp\n"
      "pushf\n orl $0x100, (%%rsp)\n popf\n"
      "nop\n nop\n"
      "pushf\n andl $~0x100, (%%rsp)\n popf\n"
      "add $128, %%rsp\n" ::
          : "cc", "memory");
  SSI_EQ(calls, before + 2 + 5);  // nop, nop, pushf, andl, popf
  SSI_EQ(last.si_code, TRAP_TRACE);
  signal(SIGTRAP, SIG_DFL);
}

void BusErrors() {
  const int fd = SSI_OK(open("short", O_RDWR | O_CREAT, 0600));
  SSI_OK(ftruncate(fd, 4096));
  auto* file = static_cast<volatile unsigned char*>(
      mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  SSI_TRUE(file != MAP_FAILED);
  SSI_EQ(file[4095], 0);
  guest::Compute(1);
  Expect(SIGBUS, BUS_ADRERR, file + 4096 + 5,
         [=] { last_rip = file[4096 + 5]; });
  SSI_OK(munmap(const_cast<unsigned char*>(file), 3 * 4096));
  SSI_OK(close(fd));
  SSI_OK(unlink("short"));
  // The alignment flag: a word across two words.
  alignas(8) static unsigned char words[16];
  const int before = calls;
  Expect(SIGBUS, BUS_ADRALN, nullptr, [] {
    __asm__ volatile(
        "pushf\n orl $0x40000, (%%rsp)\n popf\n"
        "mov 1(%0), %%eax\n" ::"r"(words)
        : "eax", "cc", "memory");
  });
  SSI_EQ(calls, before + 1);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"memory", Memory},
                                {"no address", NoAddress},
                                {"kernel memory", KernelMemory},
                                {"arithmetic", Arithmetic},
                                {"instructions", Instructions},
                                {"traps", Traps},
                                {"bus errors", BusErrors}});
}
