// Inputs that grow with the machine.
#ifndef SSI_TEST_CLUSTER_PROGRAMS_WORDS_H_
#define SSI_TEST_CLUSTER_PROGRAMS_WORDS_H_

#include <string>

namespace ssi::test {

inline std::string Count(double scale, double usual) {
  return std::to_string(static_cast<long>(usual * scale));
}

// Makes the file `words`: lines of pseudo-random words, the same each time.
inline std::string Words(double scale, double lines) {
  return "awk 'BEGIN {srand(7); for (i = 0; i < " + Count(scale, lines) +
         "; i++) {s = \"\"; for (j = 0; j < 6; j++) s = s sprintf(\"%c%d \", "
         "97 + int(rand() * 16), int(rand() * 9999)); print s}}' >words";
}

}  // namespace ssi::test

#endif  // SSI_TEST_CLUSTER_PROGRAMS_WORDS_H_
