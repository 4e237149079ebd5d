// The call table as a document (docs/semantics.md).
#ifndef SSI_SUPERVISOR_TABLE_DOCS_H_
#define SSI_SUPERVISOR_TABLE_DOCS_H_

#include <string>

namespace ssi::supervisor {

// Markdown: one table row per call (number, name, class, what differs away),
// then the ioctl requests and prctl options. The same bytes on every machine.
std::string RenderTable();

}  // namespace ssi::supervisor

#endif  // SSI_SUPERVISOR_TABLE_DOCS_H_
