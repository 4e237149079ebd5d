# Exhaustive: seconds in Debug, several times that with sanitizers.
ssi_test(migration_test LABEL unit TIMEOUT 60
  SOURCES unit/migration/choices.cc unit/migration/explore.cc
          unit/migration/fuzz_test.cc unit/migration/happen.cc
          unit/migration/home_machine_test.cc
          unit/migration/limits_test.cc unit/migration/monitor.cc
          unit/migration/mutation_test.cc unit/migration/mutations.cc
          unit/migration/simulator_test.cc
          unit/migration/source_machine_test.cc
          unit/migration/target_machine_test.cc unit/migration/world.cc
  DEPS ssi::migration)
