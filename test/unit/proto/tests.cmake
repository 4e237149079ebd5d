ssi_test(proto_test LABEL unit TIMEOUT 300
  SOURCES unit/proto/bench_test.cc unit/proto/bulk_stream_test.cc
          unit/proto/channel_end_test.cc unit/proto/channel_test.cc
          unit/proto/connect_test.cc unit/proto/frame_reader_test.cc
          unit/proto/greeting_test.cc unit/proto/hostile_peer_test.cc
          unit/proto/key_test.cc unit/proto/ledger_rules_test.cc
          unit/proto/ledger_test.cc unit/proto/message_test.cc
          unit/proto/preamble_test.cc unit/proto/support.cc
          unit/proto/tls_test.cc
  DEPS ssi::proto)
