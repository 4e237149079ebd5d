// Text for people who look at a terminal of 80 columns.
#ifndef SSI_BASE_WRAPPED_H_
#define SSI_BASE_WRAPPED_H_

#include <string>
#include <string_view>

namespace ssi {

// The words of `text`, which blanks separate, in lines that fit: the first
// behind `head`, the others below its end. A word that is too long for a line
// stays whole.
std::string Wrapped(const std::string& head, std::string_view text);

}  // namespace ssi

#endif  // SSI_BASE_WRAPPED_H_
