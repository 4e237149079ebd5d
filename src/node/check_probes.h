// The probes, by the file of their subject. What each is for: check_table.cc.
#ifndef SSI_NODE_CHECK_PROBES_H_
#define SSI_NODE_CHECK_PROBES_H_

#include "node/check_table.h"

namespace ssi::probes {

// probe_machine.cc
Result<Found> KernelVersion();
Result<Found> Memory();
Result<Found> OpenFiles();
Result<Found> Processes();
Result<Found> ClockSource();

// probe_sandbox.cc
Result<Found> UserNamespace();
Result<Found> Namespaces();
Result<Found> Mount();
Result<Found> WholeSandbox();
Result<Found> ChosenPid();
Result<Found> TimeNamespace();
Result<Found> TraceInside();

// probe_trace.cc
Result<Found> TraceChild();
Result<Found> TraceStranger();
Result<Found> SignalMask();
Result<Found> ExtendedState();
Result<Found> RestartableSequences();
Result<Found> InjectedCall();
Result<Found> ForeignMemory();
Result<Found> CodeWrite();
Result<Found> ForeignDescriptor();
Result<Found> DescriptorPath();

// probe_memory.cc
Result<Found> PageTable();
Result<Found> PageTableScan();
Result<Found> DirtyTracking();
Result<Found> MemoryLayout();
Result<Found> MovedVdso();
Result<Found> ExecutedMemory();

// probe_filter.cc
Result<Found> NotifiedCall();
Result<Found> ContinuedCall();
Result<Found> GivenDescriptor();
Result<Found> KillableWait();
Result<Found> TracedCall();
Result<Found> GuestFilter();

// probe_family.cc
Result<Found> Subreaper();
Result<Found> ChildrenFile();
Result<Found> ManyFutexes();
Result<Found> PassedDescriptor();

// probe_tls.cc
Result<Found> SharedKeyTls();

}  // namespace ssi::probes

#endif  // SSI_NODE_CHECK_PROBES_H_
