# Builds what guests.list names; the target `guests` is all of it.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${CMAKE_CURRENT_SOURCE_DIR}/guests/guests.list)
add_custom_target(guests)
file(STRINGS guests/guests.list lines REGEX "^build ")
foreach(line IN LISTS lines)
  separate_arguments(words UNIX_COMMAND "${line}")
  list(POP_FRONT words)
  ssi_guest(${words})
  list(GET words 0 name)
  add_dependencies(guests guest_${name})
endforeach()
