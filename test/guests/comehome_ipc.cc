// Messages and semaphores of System V and POSIX, and keyrings.
// Argument: SECONDS.
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include <string>

#include "guest.h"

namespace {

void Semaphores() {
  const int id = SSI_OK(semget(IPC_PRIVATE, 2, IPC_CREAT | 0600));
  SSI_EQ(semctl(id, 0, GETVAL), 0);
  SSI_OK(semctl(id, 0, SETVAL, 3));
  sembuf take{0, -2, IPC_NOWAIT};
  SSI_OK(semop(id, &take, 1));
  guest::Compute(2);
  SSI_EQ(semctl(id, 0, GETVAL), 1);
  SSI_FAILS(semop(id, &take, 1), EAGAIN);
  take.sem_flg = 0;
  const timespec limit{0, 50'000'000};
  const long result = semtimedop(id, &take, 1, &limit);
  SSI_TRUE(result == -1 &&
           (errno == EAGAIN || (errno == EINTR && getenv("GUEST_STOPPED"))));
  // A child gives what the guest waits for.
  const pid_t child = guest::Fork([id] {
    guest::Pace();
    sembuf give{0, 1, 0};
    SSI_OK(semop(id, &give, 1));
  });
  while (semop(id, &take, 1) == -1) {
    SSI_EQ(errno, EINTR);
  }
  SSI_EQ(guest::Reap(child), 0);
  SSI_EQ(semctl(id, 0, GETVAL), 0);
  SSI_OK(semctl(id, 0, IPC_RMID));
  SSI_FAILS(semctl(id, 0, GETVAL), EINVAL);
}

void Messages() {
  struct Message {
    long type;
    char text[100];
  } message{};
  const int id = SSI_OK(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
  for (const long type : {3L, 1L, 2L}) {
    message.type = type;
    snprintf(message.text, sizeof message.text, "message %ld", type);
    SSI_OK(msgsnd(id, &message, 10, 0));
  }
  guest::Compute(2);
  SSI_EQ(msgrcv(id, &message, 100, 2, 0), 10);
  SSI_EQ(strcmp(message.text, "message 2"), 0);
  SSI_EQ(msgrcv(id, &message, 100, 0, 0), 10);
  SSI_EQ(message.type, 3);
  SSI_FAILS(msgrcv(id, &message, 5, 0, 0), E2BIG);
  SSI_EQ(msgrcv(id, &message, 5, 0, MSG_NOERROR), 5);
  SSI_FAILS(msgrcv(id, &message, 100, 0, IPC_NOWAIT), ENOMSG);
  SSI_OK(msgctl(id, IPC_RMID, nullptr));
}

volatile int told = 0;
void OnSignal(int) {
  told = told + 1;
}

void PosixQueues() {
  const std::string name = "/ssi-guest-" + std::to_string(getpid());
  mq_attr attributes{};
  attributes.mq_maxmsg = 4;
  attributes.mq_msgsize = 64;
  const mqd_t queue =
      mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  if (queue == -1 && (errno == ENOSYS || errno == EACCES)) {
    guest::skip_reason = "no POSIX message queues";
    return;
  }
  SSI_OK(queue);
  signal(SIGUSR1, OnSignal);
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  SSI_OK(mq_notify(queue, &event));
  const int before = told;
  SSI_OK(mq_send(queue, "low", 3, 1));
  SSI_EQ(told, before + 1);
  SSI_OK(mq_send(queue, "high", 4, 9));
  guest::Compute(2);
  char text[64] = {};
  unsigned priority = 0;
  SSI_EQ(mq_receive(queue, text, sizeof text, &priority), 4);
  SSI_EQ(priority, 9);
  SSI_EQ(mq_receive(queue, text, sizeof text, &priority), 3);
  SSI_OK(mq_getattr(queue, &attributes));
  SSI_EQ(attributes.mq_curmsgs, 0);
  const timespec past{1, 0};
  SSI_FAILS(mq_timedreceive(queue, text, sizeof text, nullptr, &past),
            ETIMEDOUT);
  SSI_OK(mq_close(queue));
  SSI_OK(mq_unlink(name.c_str()));
}

void Keyrings() {
  const long key = syscall(SYS_add_key, "user", "ssi-guest", "secret", 6,
                           KEY_SPEC_PROCESS_KEYRING);
  if (key == -1) {
    guest::skip_reason = "no keyrings here";
    return;
  }
  char text[16] = {};
  guest::Compute(2);
  SSI_EQ(syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text), 6);
  SSI_EQ(strcmp(text, "secret"), 0);
  SSI_EQ(syscall(SYS_request_key, "user", "ssi-guest", nullptr, 0), key);
  SSI_OK(syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_PROCESS_KEYRING));
}

}  // namespace

int main(int argc, char** argv) {
  return guest::Run(guest::Seconds(argc, argv), {{"semaphores", Semaphores},
                                                 {"messages", Messages},
                                                 {"POSIX queues", PosixQueues},
                                                 {"keyrings", Keyrings}});
}
