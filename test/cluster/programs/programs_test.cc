// Programs that nobody here wrote: the same bytes at home, away and hopping.
#include <catch2/catch.hpp>

#include "cluster/programs/words.h"
#include "support/modes.h"

namespace ssi::test {
namespace {

using Kind = Program::Kind;

TEST_CASE("gawk") {
  CheckInAllModes([](double scale) {
    return Program{
        .name = "gawk",
        .setup = Words(1, 60000),
        .command = {"gawk", "-v", "rounds=" + Count(scale, 42),
                    "{for (i = 1; i <= NF; i++) n[$i]++} END {for (r = 0; r < "
                    "rounds; r++) for (k in n) s = (s * 31 + length(k) + n[k]) "
                    "% 1000003; print NR, length(n), s}",
                    "words"}};
  });
}

TEST_CASE("mawk") {
  CheckInAllModes([](double scale) {
    return Program{
        .name = "mawk",
        .command = {"mawk", "-v", "rounds=" + Count(scale, 55e6),
                    "BEGIN {for (i = 0; i < rounds; i++) {s = (s * 31 + i) % "
                    "1000003; if (i % 5000000 == 0) print i, s}; print s}"}};
  });
}

TEST_CASE("bash") {
  CheckInAllModes([](double scale) {
    return Program{
        .name = "bash",
        .command = {"bash", "-c",
                    "trap 'seen=$((seen + 1))' USR1; for ((i = 0; i < " +
                        Count(scale, 450e3) +
                        "; i++)); do s=$(((s * 31 + i) % 1000003)); "
                        "if ((i % 50000 == 0)); then kill -USR1 $$; "
                        "echo $i $s >>log; fi; done; read -r line <log; "
                        "echo $s $seen $line; exit 9"}};
  });
}

TEST_CASE("xz -T1") {
  CheckInAllModes([](double scale) {
    return Program{.name = "xz",
                   .setup = Words(scale, 160000),
                   .command = {"xz", "-T1", "-k", "-3", "words"}};
  });
}

TEST_CASE("unxz") {
  CheckInAllModes([](double scale) {
    return Program{.name = "unxz",
                   .setup = Words(scale, 1800000) + "; xz -0 words",
                   .command = {"unxz", "-k", "words.xz"}};
  });
}

TEST_CASE("bzip2") {
  CheckInAllModes([](double scale) {
    return Program{.name = "bzip2",
                   .setup = Words(scale, 1000000),
                   .command = {"bzip2", "-k", "words"}};
  });
}

TEST_CASE("gzip in a pipe with programs outside", "[sample]") {
  CheckInAllModes([](double scale) {
    return Program{
        .name = "gzip",
        .setup = Words(scale, 700000),
        .command = {"gzip", "-9"},
        // A slow source: the reads wait.
        .feed =
            "split -n l/8 words part.; for part in part.*; do cat $part; "
            "sleep 0.3; done",
        .drain = "gunzip | tee unpacked | md5sum",
        .kind = Kind::kWaits};
  });
}

TEST_CASE("bc") {
  CheckInAllModes([](double scale) {
    return Program{
        .name = "bc",
        .setup = "echo 'scale=" + Count(scale, 3600) + "; 4*a(1)' >pi",
        .command = {"bc", "-lq", "pi"}};
  });
}

TEST_CASE("sort with temporary files") {
  CheckInAllModes([](double scale) {
    return Program{.name = "sort",
                   .setup = Words(scale, 900000) + "; mkdir t",
                   .command = {"sort", "-S", "8M", "--parallel=1", "-T", "t",
                               "-k2,3", "-o", "sorted", "words"}};
  });
}

TEST_CASE("sqlite3 building and asking a database", "[sample]") {
  CheckInAllModes([](double scale) {
    return Program{
        .name = "sqlite3",
        .setup =
            "awk 'BEGIN {srand(3); print \"pragma cache_size=-64000;\\ncreate "
            "table t(a integer primary key, b text, c real);\\nbegin;\"; "
            "for (i = 0; i < 60000; i++) printf(\"insert into t values(%d, "
            "%c%d%c, %f);\\n\", i, 39, rand() * 1000000, 39, rand()); print "
            "\"commit;\\ncreate index tb on t(b);\\nselect count(*), sum(c), "
            "min(b), max(b) from t;\\nselect substr(b,1,2) p, count(*) from t "
            "group by p order by 2 desc, 1 limit 5;\\nwith recursive n(i, s) "
            "as (select 0, 0 union all select i + 1, (s * 31 + i) % 1000003 "
            "from n where i < " +
            Count(scale, 4e6) +
            ") select max(s), count(*) from n;\\ndelete from t where a % 3 = "
            "0;\\nvacuum;\\npragma integrity_check;\"}' >sql",
        .command = {"sqlite3", "database"},
        .in = "sql"};
  });
}

TEST_CASE("perl: files, signals, sleeping", "[sample]") {
  CheckInAllModes([](double scale) {
    return Program{
        .name = "perl",
        .setup = Words(scale, 500000),
        .command = {
            "perl", "-e",
            "use POSIX; $SIG{USR1} = sub {$u++}; open F, '<', 'words' or die; "
            "while (<F>) {@a = split; $n{$a[0]}++; $s += length $a[2]; if ($. "
            "% 40000 == 0) {kill USR1 => $$; select undef, undef, undef, "
            "0.05;}} $lines = $.; close F; open G, '>', 'counts' or die; print "
            "G \"$_ $n{$_}\\n\" for sort keys %n; close G; rename 'counts', "
            "'counted'; $t = time; sleep 1; print \"$lines $s $u \", "
            "scalar(keys %n), ' ', (time - $t >= 1 ? 'slept' : 'early'), "
            "\"\\n\"; exit 7;"}};
  });
}

TEST_CASE("python3: hashing, files, select, signals") {
  CheckInAllModes([](double scale) {
    return Program{.name = "python3",
                   .setup = Words(scale, 330000),
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
            assert select.select([r], [], [], 0.2)[0] == []
            print(i, d[:16], file=out)
print(total.hexdigest(), seen, os.stat('digests').st_size)
)"},
                   .kind = Kind::kWaits};
  });
}

TEST_CASE("minisat") {
  CheckInAllModes([](double scale) {
    // Time grows much faster than the problem.
    return Program{
        .name = "minisat",
        .setup =
            "awk 'BEGIN {srand(11); n = " + Count(1 + (scale - 1) * 0.1, 266) +
            "; m = int(n * 4.26); print \"p cnf\", n, m; for (i = 0; i < "
            "m; i++) {for (j = 0; j < 3; j++) printf(\"%d \", (rand() < "
            "0.5 ? -1 : 1) * (1 + int(rand() * n))); print 0}}' >problem",
        .command = {"minisat", "problem", "solution"},
        .without_lines = "time|/sec|Memory"};
  });
}

}  // namespace
}  // namespace ssi::test
