ssi_guest(checksum)
ssi_guest(checksum_static STATIC SOURCE checksum)
ssi_test(engine_test LABEL integration
  SOURCES integration/engine/round_trip_test.cc
          integration/engine/signal_origins_test.cc
  DEPS ssi::deputy ssi::remote
  GUESTS checksum checksum_static)
