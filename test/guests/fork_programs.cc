// Other programs: vfork and exec, posix_spawn, system, popen, scripts, and
// every way an exec can fail. Argument: SECONDS.
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>

#include <string>

#include "guest.h"

namespace {

constexpr char* kNoEnvironment[] = {nullptr};

pid_t VforkExec(const char* path, char* const* arguments) {
  const pid_t child = vfork();
  if (child == 0) {
    execve(path, arguments, kNoEnvironment);
    _exit(126);
  }
  return SSI_OK(child);
}

char* Writable(const char* text) {
  return const_cast<char*>(text);
}

void Vfork() {
  char* const arguments[] = {Writable("true"), nullptr};
  for (int i = 0; i < 3; ++i) {
    SSI_EQ(guest::Reap(VforkExec("/bin/true", arguments)), 0);
    const int failed = guest::Reap(VforkExec("/bin/false", arguments));
    SSI_EQ(WEXITSTATUS(failed), 1);
    const int missing = guest::Reap(VforkExec("/no/such/program", arguments));
    SSI_EQ(WEXITSTATUS(missing), 126);
  }
}

void System() {
  SSI_EQ(WEXITSTATUS(system("exit 3")), 3);
  SSI_EQ(system("test 5 -gt 4"), 0);
  SSI_EQ(system("echo text > file && test -s file && rm file"), 0);
  SSI_TRUE(system(nullptr) != 0);
}

void Popen() {
  FILE* stream = popen("echo got; seq 1 2000; exit 4", "r");
  SSI_TRUE(stream != nullptr);
  char line[64];
  SSI_TRUE(fgets(line, sizeof line, stream) != nullptr);
  SSI_EQ(strncmp(line, "got", 3), 0);
  for (int i = 1; i <= 2000; ++i) {
    SSI_TRUE(fgets(line, sizeof line, stream) != nullptr);
    SSI_EQ(atoi(line), i);
  }
  SSI_EQ(WEXITSTATUS(pclose(stream)), 4);
  stream = popen("sort -n > sorted", "w");
  SSI_TRUE(stream != nullptr);
  for (int i = 1000; i > 0; --i) {
    fprintf(stream, "%d\n", i);
  }
  SSI_EQ(pclose(stream), 0);
  stream = fopen("sorted", "r");
  SSI_TRUE(stream != nullptr);
  for (int i = 1; i <= 1000; ++i) {
    SSI_TRUE(fgets(line, sizeof line, stream) != nullptr);
    SSI_EQ(atoi(line), i);
  }
  fclose(stream);
  SSI_OK(unlink("sorted"));
}

void Spawn() {
  pid_t child = 0;
  posix_spawn_file_actions_t actions;
  SSI_EQ(posix_spawn_file_actions_init(&actions), 0);
  SSI_EQ(posix_spawn_file_actions_addopen(&actions, 1, "spawned",
                                          O_WRONLY | O_CREAT, 0600),
         0);
  char* const arguments[] = {Writable("sh"), Writable("-c"),
                             Writable("printf %s \"$VARIABLE\""), nullptr};
  char* const environment[] = {Writable("VARIABLE=value"), nullptr};
  SSI_EQ(
      posix_spawn(&child, "/bin/sh", &actions, nullptr, arguments, environment),
      0);
  SSI_EQ(guest::Reap(child), 0);
  char text[16] = {};
  const int fd = SSI_OK(open("spawned", O_RDONLY));
  SSI_EQ(read(fd, text, sizeof text), 5);
  SSI_EQ(strcmp(text, "value"), 0);
  SSI_OK(close(fd));
  SSI_OK(unlink("spawned"));
  SSI_EQ(
      posix_spawn(&child, "/no/such", nullptr, nullptr, arguments, environment),
      ENOENT);
  posix_spawn_file_actions_destroy(&actions);
}

void MakeFile(const char* name, const char* text, mode_t mode) {
  const int fd = SSI_OK(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  SSI_EQ(write(fd, text, strlen(text)), strlen(text));
  SSI_OK(fchmod(fd, mode));
  SSI_OK(close(fd));
}

void Scripts() {
  MakeFile("script", "#!/bin/sh\nexit $((10 + $1))\n", 0755);
  char* const arguments[] = {Writable("script"), Writable("5"), nullptr};
  SSI_EQ(WEXITSTATUS(guest::Reap(VforkExec("./script", arguments))), 15);
  const int fd = SSI_OK(open("script", O_RDONLY));
  const pid_t child = guest::Fork([=] {
    syscall(SYS_execveat, fd, "", arguments, kNoEnvironment, AT_EMPTY_PATH);
    _exit(126);
  });
  SSI_EQ(WEXITSTATUS(guest::Reap(child)), 15);
  SSI_OK(close(fd));
  SSI_OK(unlink("script"));
}

// Each of them leaves the program as it was.
void Failures() {
  MakeFile("closed", "#!/bin/sh\n", 0644);
  MakeFile("nonsense", "nonsense\n", 0755);
  MakeFile("orphan", "#!/no/such/interpreter\n", 0755);
  MakeFile("empty", "", 0755);
  static std::string huge(200'000, 'x');  // above MAX_ARG_STRLEN
  char* const arguments[] = {Writable("x"), nullptr};
  char* const too_long[] = {huge.data(), nullptr};
  char* const* bad = reinterpret_cast<char* const*>(8);
  const auto exec = [](const char* path, char* const* with) {
    return syscall(SYS_execve, path, with, kNoEnvironment);
  };
  guest::Compute(2);
  SSI_FAILS(exec("./closed", arguments), EACCES);
  SSI_FAILS(exec("./nonsense", arguments), ENOEXEC);
  SSI_FAILS(exec("./orphan", arguments), ENOENT);
  SSI_FAILS(exec("./empty", arguments), ENOEXEC);
  SSI_FAILS(exec("./missing", arguments), ENOENT);
  SSI_FAILS(exec(".", arguments), EACCES);
  SSI_FAILS(exec("./closed/below", arguments), ENOTDIR);
  SSI_FAILS(exec("/bin/true", too_long), E2BIG);
  SSI_FAILS(exec("/bin/true", bad), EFAULT);
  SSI_FAILS(exec(reinterpret_cast<const char*>(8), arguments), EFAULT);
  for (const char* name : {"closed", "nonsense", "orphan", "empty"}) {
    SSI_OK(unlink(name));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return guest::RunInDirectory(guest::Seconds(argc, argv),
                               {{"vfork", Vfork},
                                {"system", System},
                                {"popen", Popen},
                                {"spawn", Spawn},
                                {"scripts", Scripts},
                                {"failures", Failures}});
}
