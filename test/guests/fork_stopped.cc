// The guest itself is stopped by a child of its own, and sent on. A parent with
// job control, such as a shell's or runuser's, sees that and may stop as well:
// start it from one without. Argument: SECONDS.
#include <signal.h>

#include "guest.h"

namespace {

volatile int continued = 0;
void OnContinue(int) {
  continued = continued + 1;
}

void Stopped() {
  struct sigaction action {};
  action.sa_handler = OnContinue;
  action.sa_flags = SA_RESTART;
  SSI_OK(sigaction(SIGCONT, &action, nullptr));
  const pid_t self = getpid();
  for (int i = 0; i < 3; ++i) {
    const int before = continued;
    const pid_t child = guest::Fork([self] {
      guest::Pace();
      SSI_OK(kill(self, SIGSTOP));
      guest::Pace(50);
      SSI_OK(kill(self, SIGCONT));
    });
    while (continued == before) {
      guest::Compute(1);
    }
    SSI_EQ(guest::Reap(child), 0);
  }
  signal(SIGCONT, SIG_DFL);
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"stopped", Stopped}});
}
