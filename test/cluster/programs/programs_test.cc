// Programs that nobody here wrote: the same bytes at home, away and hopping.
// Their inputs make a native run of three seconds or more on a slow core.
#include <catch2/catch.hpp>

#include "support/modes.h"

namespace ssi::test {
namespace {

using Kind = Program::Kind;

// Lines of pseudo-random words, the same each time.
const char* const kWords =
    "awk 'BEGIN {srand(7); for (i = 0; i < N; i++) {s = \"\"; for (j = 0; j < 6;"
    " j++) s = s sprintf(\"%c%d \", 97 + int(rand() * 16), int(rand() * 9999));"
    " print s}}' >words";

std::string Words(int lines) {
  std::string script = kWords;
  script.replace(script.find('N'), 1, "N");
  auto at = script.find("< N;");
  return script.replace(at, 4, "< " + std::to_string(lines) + ";");
}

void Check(Program program) { CheckInAllModes(program); }

TEST_CASE("gawk", "[sample]") {
  Check({.name = "gawk",
         .setup = Words(60000),
         .command = {"gawk",
                     "{for (i = 1; i <= NF; i++) n[$i]++} END {for (r = 0; r < "
                     "22; r++) for (k in n) s = (s * 31 + length(k) + n[k]) % "
                     "1000003; print NR, length(n), s}",
                     "words"}});
}
TEST_CASE("mawk", "[sample]") {
  Check({.name = "mawk",
         .setup = "",
         .command = {"mawk",
                     "BEGIN {for (i = 0; i < 45000000; i++) {s = (s * 31 + i) % "
                     "1000003; if (i % 5000000 == 0) print i, s}; print s}"}});
}
TEST_CASE("xz -T1") {
  Check({.name = "xz",
         .setup = Words(120000),
         .command = {"xz", "-T1", "-k", "-3", "words"}});
}
TEST_CASE("unxz", "[sample]") {
  Check({.name = "unxz",
         .setup = Words(1200000) + "; xz -0 words",
         .command = {"unxz", "-k", "words.xz"}});
}
TEST_CASE("bzip2") {
  Check({.name = "bzip2",
         .setup = Words(1000000),
         .command = {"bzip2", "-k", "words"}});
}
TEST_CASE("bc", "[sample]") {
  Check({.name = "bc",
         .setup = "echo 'scale=3300; 4*a(1)' >pi",
         .command = {"bc", "-lq", "pi"}});
}
TEST_CASE("sort with temporary files", "[sample]") {
  Check({.name = "sort",
         .setup = Words(700000) + "; mkdir t",
         .command = {"sort", "-S", "8M", "--parallel=1", "-T", "t", "-k2,3",
                     "-o", "sorted", "words"}});
}
TEST_CASE("sqlite3 building and asking a database", "[sample]") {
  Check({.name = "sqlite3",
         .setup =
             "awk 'BEGIN {srand(3); print \"create table t(a integer primary "
             "key, b text, c real);\\nbegin;\"; for (i = 0; i < 250000; i++) "
             "printf(\"insert into t values(%d, %c%d%c, %f);\\n\", i, 39, "
             "rand() * 1000000, 39, rand()); print \"commit;\\ncreate index tb "
             "on t(b);\\nselect count(*), sum(c), min(b), max(b) from "
             "t;\\nselect substr(b,1,2) p, count(*) from t group by p order by "
             "2 desc, 1 limit 5;\\ndelete from t where a % 3 = "
             "0;\\nvacuum;\\npragma integrity_check;\"}' >sql",
         .command = {"sqlite3", "database"},
         .in = "sql"});
}
TEST_CASE("perl: files, signals, sleeping", "[sample]") {
  Check({.name = "perl",
         .setup = Words(400000),
         .command =
             {"perl", "-e",
              "use POSIX; $SIG{USR1} = sub {$u++}; $SIG{ALRM} = sub {$alarms++};"
              " open F, '<', 'words' or die; while (<F>) {@a = split; $n{$a[0]}"
              "++; $s += length $a[2]; if ($. % 40000 == 0) {kill USR1 => $$; "
              "select undef, undef, undef, 0.05;}} close F; open G, '>', "
              "'counts' or die; print G \"$_ $n{$_}\\n\" for sort keys %n; close "
              "G; rename 'counts', 'counted'; $t = time; sleep 1; print $. // "
              "0, \" $s $u \", scalar(keys %n), ' ', (time - $t >= 1 ? 'slept' "
              ": 'early'), \"\\n\"; exit 7;"}});
}
TEST_CASE("python3: hashing, files, select, signals") {
  Check({.name = "python3",
         .setup = Words(200000),
         .command = {"/usr/bin/python3", "-c", R"(
import hashlib, os, select, signal, time
seen = 0
def handler(number, frame):
    global seen
    seen += 1
signal.signal(signal.SIGUSR2, handler)
r, w = os.pipe()
total = hashlib.sha256()
with open('words') as f, open('digests', 'w') as out:
    for i, line in enumerate(f):
        d = hashlib.sha256(line.encode() * 40).hexdigest()
        total.update(d.encode())
        if i % 20000 == 0:
            os.kill(os.getpid(), signal.SIGUSR2)
            os.write(w, b'x')
            ready = select.select([r], [], [], 5)[0]
            assert ready == [r] and os.read(r, 1) == b'x'
            assert select.select([r], [], [], 0.1)[0] == []
            print(i, d[:16], file=out)
print(total.hexdigest(), seen, os.stat('digests').st_size)
)"}});
}
TEST_CASE("minisat") {
  Check({.name = "minisat",
         .setup = "awk 'BEGIN {srand(11); n = 260; m = int(n * 4.26); print "
                  "\"p cnf\", n, m; for (i = 0; i < m; i++) {for (j = 0; j < "
                  "3; j++) printf(\"%d \", (rand() < 0.5 ? -1 : 1) * (1 + "
                  "int(rand() * n))); print 0}}' >problem",
         .command = {"minisat", "problem", "solution"},
         .without_lines = "time|/sec|Memory"});
}
TEST_CASE("glpsol") {
  Check({.name = "glpsol",
         .setup = R"(cat >model <<'END'
param n, integer, > 0, := 24;
set I := 1..n;
param w{i in I} := 20 + (i * 7919) mod 83;
param v{i in I} := 15 + (i * 104729) mod 97;
var x{I} binary;
maximize z: sum{i in I} v[i] * x[i];
s.t. c{k in 1..5}: sum{i in I} ((w[i] * k * 31) mod 97 + 5) * x[i] <= 420 + 11 * k;
solve;
printf "%g\n", z;
end;
END)",
         .command = {"glpsol", "--math", "model", "--nomip", "-o", "report"},
         .kind = Kind::kWaits,
         .without_lines = "[Tt]ime|secs|Memory"});
}

}  // namespace
}  // namespace ssi::test
