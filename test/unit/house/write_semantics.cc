// Brings the table in docs/semantics.md (argument 1) up to date; target
// `semantics`.
#include <fstream>
#include <iostream>
#include <iterator>

#include "unit/house/semantics.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_semantics FILE\n";
    return 2;
  }
  std::ifstream in(argv[1]);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  try {
    text = ssi::test::WithTable(text);
  } catch (const std::runtime_error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  std::ofstream out(argv[1]);
  out << text << std::flush;
  return out ? 0 : 1;
}
