// Programs with many threads that nobody here wrote, and three small ones in
// languages whose runtimes make them: the same bytes at home, away and hopping.
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "cluster/programs/words.h"
#include "support/cluster.h"
#include "support/modes.h"

namespace ssi::test {
namespace {

using namespace std::chrono_literals;

bool Has(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null").c_str()) == 0;
}

TEST_CASE("xz -T4", "[sample]") {
  CheckInAllModes([](double scale) {
    return Program{
        .name = "xz",
        .setup = Words(scale, 190000),
        .command = {"xz", "-T4", "--block-size=1MiB", "-k", "-3", "words"}};
  });
}

TEST_CASE("sort --parallel=4") {
  CheckInAllModes([](double scale) {
    return Program{.name = "sort",
                   .setup = Words(scale, 1500000),
                   .command = {"sort", "--parallel=4", "-S", "400M", "-k2,3",
                               "-o", "sorted", "words"}};
  });
}

TEST_CASE("python3: threads, locks, queues, timers", "[sample]") {
  CheckInAllModes([](double scale) {
    return Program{.name = "python3",
                   .command = {"/usr/bin/python3", "-c", R"(
import hashlib, queue, sys, threading
jobs = queue.Queue(8)
found = {}
lock = threading.Lock()
turn = 0
turns = threading.Condition()
going = True
ticks = 0
def tick():
    global ticks
    ticks += 1
    if going:
        timer = threading.Timer(0.02, tick)
        timer.daemon = True
        timer.start()
tick()
def work():
    global turn
    while (n := jobs.get()) is not None:
        digest = str(n).encode()
        for _ in range(300):
            digest = hashlib.sha256(digest * 20).digest()
        with lock:
            found[n] = digest.hex()
        with turns:
            assert turns.wait_for(lambda: turn == n, 60)
            turn += 1
            turns.notify_all()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for n in range(int(sys.argv[1])):
    jobs.put(n)
for _ in threads:
    jobs.put(None)
for thread in threads:
    thread.join()
going = False
digests = ''.join(found[n] for n in sorted(found))
print(hashlib.sha256(digests.encode()).hexdigest(), ticks > 5)
)",
                               Count(scale, 14000)}};
  });
}

TEST_CASE("OpenMP") {
  CheckInAllModes([](double scale) {
    return Program{.name = "openmp",
                   .command = {std::string(SSI_GUEST_DIR) + "/openmp",
                               Count(scale, 3000)}};
  });
}

TEST_CASE("povray") {
  if (!Has("povray")) {
    WARN("povray is not installed: not tested");
    return;
  }
  CheckInAllModes([](double scale) {
    return Program{
        .name = "povray",
        .setup = R"(cat >scene.pov <<'END'
camera { location <0, 2, -6> look_at <0, 1, 0> }
light_source { <6, 9, -9> color rgb 1 }
plane { y, 0 pigment { checker color rgb 0.2, color rgb 0.9 }
        finish { reflection 0.3 } }
#declare i = 0;
#while (i < 30)
  sphere { <sin(i) * 2.4, 0.5 + mod(i * 0.37, 2), cos(i) * 2.4>, 0.4
           pigment { color rgb <mod(i, 5) / 5, mod(i, 3) / 3, 0.6> }
           finish { phong 0.9 reflection 0.4 } }
  #declare i = i + 1;
#end
END)",
        .command = {"povray", "+Iscene.pov", "+Oscene.bmp", "+FB", "+WT4",
                    "+W" + Count(scale, 800), "+H500", "-D", "+A0.1", "-GA"},
        .without_lines = "."};
  });
}

TEST_CASE("a static Go program with many goroutines") {
  if (!Has("go")) {
    WARN("go is not installed: not tested");
    return;
  }
  CheckInAllModes([](double scale) {
    return Program{.name = "many",
                   .setup = R"(cat >many.go <<'END'
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

func main() {
	rounds, _ := strconv.Atoi(os.Args[1])
	jobs := make(chan int)
	sums := make(chan [32]byte)
	var workers, collector sync.WaitGroup
	for i := 0; i < 500; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for n := range jobs {
				sum := sha256.Sum256([]byte(strconv.Itoa(n)))
				for k := 0; k < 2000; k++ {
					sum = sha256.Sum256(sum[:])
				}
				sums <- sum
			}
		}()
	}
	var all [32]byte
	ticks := 0
	ticker := time.NewTicker(10 * time.Millisecond)
	collector.Add(1)
	go func() {
		defer collector.Done()
		for {
			select {
			case sum, more := <-sums:
				if !more {
					return
				}
				for i := range all {
					all[i] ^= sum[i]
				}
			case <-ticker.C:
				ticks++
			}
		}
	}()
	for n := 0; n < rounds; n++ {
		jobs <- n
		if n%1000 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	close(jobs)
	workers.Wait()
	close(sums)
	collector.Wait()
	os.WriteFile("sum", []byte(fmt.Sprintf("%x\n", all)), 0644)
	fmt.Printf("%x %v\n", all[:8], ticks > 10)
}
END
CGO_ENABLED=0 GO111MODULE=off GOCACHE=$PWD/../go-cache go build -trimpath -ldflags=-buildid= -o many many.go
)",
                   .command = {"./many", Count(scale, 10000)}};
  });
}

TEST_CASE("java -version") {
  if (!Has("java")) {
    WARN("java is not installed: not tested");
    return;
  }
  // Of its own accord it has a writable mapping that others may look into, and
  // computes hardly anything. It comes home to ask who its user is (nscd's
  // socket).
  CheckInAllModes(
      [](double) {
        return Program{
            .name = "java",
            .command = {"java", "-XX:-UsePerfData", "-Xcomp", "-version"},
            .kind = Program::Kind::kWaits};
      },
      {.least_hops = 0, .least_seconds = 0});
}

TEST_CASE("Java: 50 threads") {
  if (!Has("javac")) {
    WARN("javac is not installed: not tested");
    return;
  }
  CheckInAllModes([](double scale) {
    return Program{
        .name = "java",
        .setup = R"(cat >Fifty.java <<'END'
import java.util.ArrayList;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;

public class Fifty {
  public static void main(String[] arguments) throws Exception {
    var queue = new ArrayBlockingQueue<Integer>(20);
    var sum = new AtomicLong();
    var lock = new Object();
    var done = new CountDownLatch(50);
    for (int i = 0; i < 50; i++) {
      new Thread(() -> {
        try {
          for (int n = queue.take(); n >= 0; n = queue.take()) {
            long x = n;
            for (int k = 0; k < 40000; k++) {
              x = x * 6364136223846793005L + 1442695040888963407L;
            }
            var list = new ArrayList<String>();
            for (int k = 0; k < 50; k++) {
              list.add("x" + (x + k));
            }
            synchronized (lock) {
              sum.addAndGet(x ^ list.hashCode());
            }
          }
        } catch (InterruptedException e) {
          System.out.println(e);
        } finally {
          done.countDown();
        }
      }).start();
    }
    var ticks = new AtomicInteger();
    var timer = Executors.newScheduledThreadPool(1);
    timer.scheduleAtFixedRate(ticks::incrementAndGet, 10, 10,
                              TimeUnit.MILLISECONDS);
    int rounds = Integer.parseInt(arguments[0]);
    for (int n = 0; n < rounds; n++) {
      queue.put(n);
      if (n % 2000 == 0) {
        Thread.sleep(20);
      }
    }
    for (int i = 0; i < 50; i++) {
      queue.put(-1);
    }
    done.await();
    timer.shutdownNow();
    System.out.println(sum.get() + " " + (ticks.get() > 10));
  }
}
END
javac Fifty.java)",
        .command = {"java", "-XX:-UsePerfData", "Fifty", Count(scale, 60000)}};
  });
}

// Its processes count in memory that they share, which cannot move yet: it
// stays at home, says why, and finds nothing wrong.
TEST_CASE("stress-ng verifies at home what it shares") {
  if (!Has("stress-ng")) {
    WARN("stress-ng is not installed: not tested");
    return;
  }
  Cluster cluster(2);
  for (const char* what :
       {"cpu", "vm", "malloc", "memcpy", "matrix", "pthread", "futex", "mutex",
        "clock", "nanosleep", "sigrt", "sigsuspend", "switch"}) {
    INFO(what);
    Spawn spawn;
    spawn.out = cluster.folder() + "/" + what + ".out";
    spawn.err = cluster.folder() + "/" + what + ".err";
    Job job(cluster, {},
            {"stress-ng", "--verify", std::string("--") + what, "1",
             "--timeout", "3s", "--temp-path", cluster.folder()},
            spawn);
    REQUIRE(job.CommandPid() > 0);
    bool said = false;
    while (job.front().Runs()) {
      (void)job.MoveTo("n2");  // it may move before it has that memory
      said |= job.last_refusal().find("shared writable mapping") !=
              std::string::npos;
      std::this_thread::sleep_for(200ms);
    }
    std::string text = ReadAllOf(spawn.out) + ReadAllOf(spawn.err);
    INFO(text);
    CHECK(said);
    CHECK(Describe(job.front().Wait(10s)) == "exit 0");
    CHECK(text.find("fail") == std::string::npos);
    CHECK(text.find("successful run completed") != std::string::npos);
  }
}

}  // namespace
}  // namespace ssi::test
